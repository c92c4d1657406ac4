/* Loading a PV domain: kernel, ramdisks, page tables, start_info, grants, the first vcpu. */
#include "xen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xenforeignmemory.h>
#include <xenguest.h>

#define RAMDISKS_MAX 16
#define RAMDISK_BYTES_MAX (1ull << 30) /* all together */
#define KERNEL_BYTES_MAX (256ull << 20)
#define COMMAND_LINE_MAX 1023
#define PARAMETER_NAME_MAX 64
#define MEMORY_MAX_MIB (1 << 20)
#define PORT_LAST INT32_MAX

struct build {
  const struct argument *field; /* of the options, see the end of the file */
  uint8_t *ramdisk;             /* a mapping; NULL without ramdisks */
  size_t ramdisk_length;
  struct xc_dom_image *dom;
};

enum {
  DOMAIN, MEMORY, KERNEL, RAMDISKS, COMMAND_LINE, STORE_PARAMETER, STORE_DOMAIN, STORE_PORT, CONSOLE_DOMAIN,
  CONSOLE_PORT, HARDWARE_DOMAIN
};

/* The size of a regular file of at most `max` bytes, or -1 with errno. */
static off_t file_size(const char *path, uint64_t max) {
  struct stat st;
  if (stat(path, &st) < 0)
    return -1;
  errno = !S_ISREG(st.st_mode) ? EINVAL : (uint64_t)st.st_size > max ? EFBIG : 0;
  return errno ? -1 : st.st_size;
}

static size_t padded(off_t size) { return ((size_t)size + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1); }

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

/* Puts the ramdisks behind each other, each from a page of its own on; the gaps are zero, as cpio allows between archives. */
static bool map_ramdisks(JSContext *ctx, struct build *b) {
  off_t sizes[RAMDISKS_MAX];
  size_t count = b->field[RAMDISKS].length;
  char **paths = b->field[RAMDISKS].texts;
  for (size_t i = 0; i < count; i++) {
    if ((sizes[i] = file_size(paths[i], RAMDISK_BYTES_MAX - b->ramdisk_length)) < 0) {
      throw_errno(ctx, paths[i]);
      return false;
    }
    b->ramdisk_length += padded(sizes[i]);
  }
  if (!b->ramdisk_length)
    return true;
  void *memory = mmap(NULL, b->ramdisk_length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw_errno(ctx, "ramdisks");
    return false;
  }
  b->ramdisk = memory;
  for (size_t i = 0, offset = 0; i < count; offset += padded(sizes[i]), i++)
    if (sizes[i] && !map_file(paths[i], b->ramdisk + offset, (size_t)sizes[i])) {
      throw_errno(ctx, paths[i]);
      return false;
    }
  return true;
}

/* Appends ` <name>=<gfn>`: known only once the pages are placed, needed before start_info is written. */
static int add_store_parameter(struct build *b) {
  char line[COMMAND_LINE_MAX + 1];
  struct xc_dom_image *dom = b->dom;
  if (!b->field[STORE_PARAMETER].given)
    return 0;
  int length = snprintf(line, sizeof line, "%s %s=%llu", b->field[COMMAND_LINE].text, b->field[STORE_PARAMETER].text,
                        (unsigned long long)xc_dom_p2m(dom, dom->xenstore_pfn));
  if (length < 0 || (size_t)length >= sizeof line) {
    errno = E2BIG;
    return -1;
  }
  dom->cmdline = xc_dom_strdup(dom, line);
  return dom->cmdline ? 0 : -1;
}

/* libxenguest writes a guest's console union; an initial domain reads it as console info, so it has to be empty. */
static int clear_console_info(struct build *b) {
  xen_pfn_t gfn = xc_dom_p2m(b->dom, b->dom->start_info_pfn);
  xenforeignmemory_handle *memory = xenforeignmemory_open(xen_logger(), 0);
  start_info_t *start_info =
      memory ? xenforeignmemory_map(memory, b->dom->guest_domid, PROT_READ | PROT_WRITE, 1, &gfn, NULL) : NULL;
  if (start_info) {
    memset(&start_info->console, 0, sizeof start_info->console);
    xenforeignmemory_unmap(memory, start_info, 1);
  }
  int error = errno;
  if (memory)
    xenforeignmemory_close(memory);
  errno = error;
  return start_info ? 0 : -1;
}

static void configure(struct build *b) {
  const struct argument *field = b->field;
  struct xc_dom_image *dom = b->dom;
  dom->container_type = XC_DOM_PV_CONTAINER;
  dom->max_kernel_size = KERNEL_BYTES_MAX;
  dom->max_module_size = RAMDISK_BYTES_MAX;
  if (field[HARDWARE_DOMAIN].integer)
    dom->flags |= SIF_INITDOMAIN | SIF_PRIVILEGED;
  dom->max_vcpus = 1;
  dom->console_evtchn = (unsigned)field[CONSOLE_PORT].integer;
  dom->console_domid = (uint32_t)field[CONSOLE_DOMAIN].integer;
  dom->xenstore_evtchn = (unsigned)field[STORE_PORT].integer;
  dom->xenstore_domid = (uint32_t)field[STORE_DOMAIN].integer;
}

/* The order is libxl's. */
static bool load(struct build *b, xc_interface *xch) {
  struct xc_dom_image *dom = b->dom;
  configure(b);
  return xc_dom_kernel_file(dom, b->field[KERNEL].text) == 0 &&
         (!b->ramdisk || xc_dom_module_mem(dom, b->ramdisk, b->ramdisk_length, NULL) == 0) &&
         xc_dom_boot_xen_init(dom, xch, (uint32_t)b->field[DOMAIN].integer) == 0 && xc_dom_parse_image(dom) == 0 &&
         xc_dom_mem_init(dom, (unsigned)b->field[MEMORY].integer) == 0 && xc_dom_boot_mem_init(dom) == 0 &&
         xc_dom_build_image(dom) == 0 && add_store_parameter(b) == 0 && xc_dom_boot_image(dom) == 0 &&
         xc_dom_gnttab_init(dom) == 0 && (!b->field[HARDWARE_DOMAIN].integer || clear_console_info(b) == 0);
}

static JSValue build(JSContext *ctx, struct build *b) {
  xc_interface *xch;
  if (file_size(b->field[KERNEL].text, KERNEL_BYTES_MAX) < 0)
    return throw_errno(ctx, b->field[KERNEL].text);
  if (!map_ramdisks(ctx, b) || !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  b->dom = xc_dom_allocate(xch, b->field[COMMAND_LINE].text, NULL);
  if (!b->dom || !load(b, xch))
    return xen_throw(ctx);
  JSValue result = JS_NewObject(ctx);
  result_integer(ctx, &result, "storeGfn", (long)xc_dom_p2m(b->dom, b->dom->xenstore_pfn));
  result_integer(ctx, &result, "consoleGfn", (long)xc_dom_p2m(b->dom, b->dom->console_pfn));
  return result;
}

static JSValue domain_build_pv(JSContext *ctx, const struct argument *a) {
  struct build b = {.field = a[0].fields};
  JSValue result = build(ctx, &b);
  if (b.dom)
    xc_dom_release(b.dom);
  if (b.ramdisk)
    munmap(b.ramdisk, b.ramdisk_length);
  return result;
}

const struct rt_export domain_build_exports[] = {
    {"domainBuildPv",
     domain_build_pv,
     {FIELDS(DOMID("domid"), INT("memoryMib", 1, MEMORY_MAX_MIB), PATH("kernel"),
             {.name = "ramdisks", .kind = TEXTS, .max = RAMDISKS_MAX}, STRING("cmdline", 0, COMMAND_LINE_MAX),
             {.name = "storePageParameter", .kind = TEXT, .min = 1, .max = PARAMETER_NAME_MAX, .optional = true},
             DOMID("storeDomid"), UP_TO("storePort", PORT_LAST), DOMID("consoleDomid"),
             UP_TO("consolePort", PORT_LAST), BOOL("hardwareDomain"))}},
    {NULL, NULL, {}},
};
