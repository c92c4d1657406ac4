/* What loading domains of all kinds shares. */
#include "domain-image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xen/hvm/e820.h>

#define KERNEL_BYTES_MAX (256ull << 20)
/* Where a PC has its devices: the emulator, and hvmloader after it, reckon with 256 MiB below 4 GiB. @source hvm/e820.h */
#define DEVICES_START HVM_BELOW_4G_MMIO_START
#define DEVICES_LENGTH HVM_BELOW_4G_MMIO_LENGTH

off_t image_file_size(const char *path, uint64_t max) {
  struct stat st;
  if (stat(path, &st) < 0)
    return -1;
  errno = !S_ISREG(st.st_mode) ? EINVAL : (uint64_t)st.st_size > max ? EFBIG : 0;
  return errno ? -1 : st.st_size;
}

static size_t padded(off_t size) { return ((size_t)size + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1); }

bool image_reserve(JSContext *ctx, struct image *image) {
  void *memory = mmap(NULL, image->files_length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw_errno(ctx, "files");
    return false;
  }
  image->files = memory;
  return true;
}

/* Not read: a copy of 24 MiB would be 6000 page faults, which a PV domain pays dearly for. */
static bool map_file(const char *path, uint8_t *at, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0)
    return false;
  bool done = fstat(fd, &st) == 0;
  if (done && (size_t)st.st_size != size) {
    errno = EIO; /* not as long as it was */
    done = false;
  }
  done = done && mmap(at, size, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_POPULATE, fd, 0) != MAP_FAILED;
  int error = errno;
  close(fd);
  errno = error;
  return done;
}

bool image_map_file(JSContext *ctx, const char *path, uint8_t *at, size_t size) {
  bool done = map_file(path, at, size);
  if (!done)
    throw_errno(ctx, path);
  return done;
}

bool image_map_ramdisks(JSContext *ctx, struct image *image) {
  off_t sizes[RAMDISKS_MAX];
  size_t count = image->field[RAMDISKS].length;
  char **paths = image->field[RAMDISKS].texts;
  for (size_t i = 0; i < count; i++) {
    if ((sizes[i] = image_file_size(paths[i], RAMDISK_BYTES_MAX - image->files_length)) < 0) {
      throw_errno(ctx, paths[i]);
      return false;
    }
    image->files_length += padded(sizes[i]);
  }
  if (!image->files_length)
    return true;
  if (!image_reserve(ctx, image))
    return false;
  for (size_t i = 0, offset = 0; i < count; offset += padded(sizes[i]), i++)
    if (sizes[i] && !image_map_file(ctx, paths[i], image->files + offset, (size_t)sizes[i]))
      return false;
  return true;
}

void image_lay_out_memory(struct image *image) {
  struct xc_dom_image *dom = image->dom;
  uint64_t memory = (uint64_t)image->field[MEMORY].integer << 20;
  dom->container_type = XC_DOM_HVM_CONTAINER;
  dom->mmio_start = DEVICES_START;
  dom->mmio_size = DEVICES_LENGTH;
  dom->lowmem_end = memory < DEVICES_START ? memory : DEVICES_START;
  dom->highmem_end = memory > DEVICES_START ? FOUR_GIB + (memory - DEVICES_START) : 0;
  dom->target_pages = memory / PAGE_BYTES; /* all of it from the start */
}

static void configure(struct image *image) {
  const struct argument *field = image->field;
  struct xc_dom_image *dom = image->dom;
  dom->max_kernel_size = KERNEL_BYTES_MAX;
  dom->console_evtchn = (unsigned)field[CONSOLE_PORT].integer;
  dom->console_domid = (uint32_t)field[CONSOLE_DOMAIN].integer;
  dom->xenstore_evtchn = (unsigned)field[STORE_PORT].integer;
  dom->xenstore_domid = (uint32_t)field[STORE_DOMAIN].integer;
}

static JSValue build(JSContext *ctx, struct image *image, const struct recipe *recipe) {
  xc_interface *xch;
  const char *kernel = image->field[KERNEL].text;
  if (image_file_size(kernel, KERNEL_BYTES_MAX) < 0)
    return throw_errno(ctx, kernel);
  if (!recipe->map(ctx, image) || !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  image->dom = xc_dom_allocate(xch, NULL, NULL);
  if (!image->dom)
    return xen_throw(ctx);
  configure(image);
  if (!recipe->load(image, xch))
    return xen_throw(ctx);
  JSValue result = JS_NewObject(ctx);
  result_integer(ctx, &result, "storeGfn", (long)xc_dom_p2m(image->dom, image->dom->xenstore_pfn));
  result_integer(ctx, &result, "consoleGfn", (long)xc_dom_p2m(image->dom, image->dom->console_pfn));
  return result;
}

JSValue image_build(JSContext *ctx, const struct argument *field, const struct recipe *recipe) {
  struct image image = {.field = field};
  JSValue result = build(ctx, &image, recipe);
  if (image.dom)
    xc_dom_release(image.dom);
  if (image.files)
    munmap(image.files, image.files_length);
  return result;
}
