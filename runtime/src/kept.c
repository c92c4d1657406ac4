/*
 * The pages that a VM grants to another one for as long as it lives, whoever of its service's processes is alive: the file through which they are
 * granted is open in process 1, too. A process that starts again finds them as they are, under the same references.
 */
#include "rt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/gntalloc.h>

#define DEVICE "/dev/xen/gntalloc"

static int device = -1;
static struct kept {
  uint32_t pages; /* 0: nothing is granted yet */
  uint32_t domid;
  uint64_t offset; /* in the device */
  uint32_t refs[KEPT_PAGES_MAX];
} *kept; /* shared with process 1, which hands it on to the next process */

bool kept_create(void) {
  void *memory = mmap(NULL, sizeof *kept, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  kept = memory == MAP_FAILED ? NULL : memory;
  return kept != NULL;
}

void kept_open(void) {
  if (device < 0)
    device = open(DEVICE, O_RDWR | O_CLOEXEC);
}

/* Linux zeroes the pages. */
static bool grant(uint32_t domid, uint32_t pages) {
  union {
    struct ioctl_gntalloc_alloc_gref head;
    uint8_t bytes[sizeof(struct ioctl_gntalloc_alloc_gref) + KEPT_PAGES_MAX * sizeof(uint32_t)];
  } request = {.head = {.domid = (uint16_t)domid, .flags = GNTALLOC_FLAG_WRITABLE, .count = pages}};
  if (ioctl(device, IOCTL_GNTALLOC_ALLOC_GREF, &request) < 0)
    return false;
  memcpy(kept->refs, request.bytes + offsetof(struct ioctl_gntalloc_alloc_gref, gref_ids), pages * sizeof(uint32_t));
  kept->domid = domid;
  kept->offset = request.head.index;
  /* Last: a process that ends before this leaves pages that nobody has heard of. */
  __atomic_store_n(&kept->pages, pages, __ATOMIC_RELEASE);
  return true;
}

void *kept_map(uint32_t domid, uint32_t pages, const uint32_t **refs) {
  kept_open();
  if (device < 0 || (!kept->pages && !grant(domid, pages)))
    return MAP_FAILED;
  if (kept->domid != domid || kept->pages != pages) {
    errno = EBUSY;
    return MAP_FAILED;
  }
  *refs = kept->refs;
  return mmap(NULL, (size_t)pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)kept->offset);
}
