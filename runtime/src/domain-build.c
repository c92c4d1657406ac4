/* Loading a PV domain: kernel, ramdisks, page tables, start_info, grants, the first vcpu. */
#include "argument.h"
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
#define RAMDISK_ALIGNMENT 512u
#define COMMAND_LINE_MAX 1023
#define PARAMETER_NAME_MAX 64
#define MEMORY_MAX_MIB (1 << 20)
#define PORT_LAST INT32_MAX

struct build {
  uint32_t domid, store_domid, console_domid;
  int64_t memory_mib, store_port, console_port;
  bool hardware_domain;
  char kernel[PATH_MAX], command_line[COMMAND_LINE_MAX + 1], store_parameter[PARAMETER_NAME_MAX + 1];
  char ramdisks[RAMDISKS_MAX][PATH_MAX];
  size_t ramdisk_count;
  uint8_t *ramdisk; /* mapping; NULL without ramdisks */
  size_t ramdisk_length;
  struct xc_dom_image *dom;
};

static bool read_ramdisks(JSContext *ctx, JSValueConst options, struct build *b) {
  JSValue list = JS_GetPropertyStr(ctx, options, "ramdisks");
  bool good = !JS_IsException(list) && read_array(ctx, list, "ramdisks", 0, RAMDISKS_MAX, &b->ramdisk_count);
  for (size_t i = 0; good && i < b->ramdisk_count; i++) {
    JSValue path = JS_GetPropertyUint32(ctx, list, (uint32_t)i);
    good = !JS_IsException(path) && read_path(ctx, path, "ramdisks", b->ramdisks[i]);
    JS_FreeValue(ctx, path);
  }
  JS_FreeValue(ctx, list);
  return good;
}

static bool read_build(JSContext *ctx, JSValueConst options, struct build *b) {
  return field_domid(ctx, options, "domid", &b->domid) &&
         field_integer(ctx, options, "memoryMib", REQUIRED, 1, MEMORY_MAX_MIB, &b->memory_mib) &&
         field_string(ctx, options, "kernel", REQUIRED, 1, PATH_MAX - 1, b->kernel) &&
         read_ramdisks(ctx, options, b) &&
         field_string(ctx, options, "cmdline", REQUIRED, 0, COMMAND_LINE_MAX, b->command_line) &&
         field_string(ctx, options, "storePageParameter", OPTIONAL, 1, PARAMETER_NAME_MAX, b->store_parameter) &&
         field_domid(ctx, options, "storeDomid", &b->store_domid) &&
         field_integer(ctx, options, "storePort", REQUIRED, 0, PORT_LAST, &b->store_port) &&
         field_domid(ctx, options, "consoleDomid", &b->console_domid) &&
         field_integer(ctx, options, "consolePort", REQUIRED, 0, PORT_LAST, &b->console_port) &&
         field_boolean(ctx, options, "hardwareDomain", REQUIRED, &b->hardware_domain);
}

/* The size of a regular file of at most `max` bytes, or -1 with errno. */
static off_t file_size(const char *path, uint64_t max) {
  struct stat st;
  if (stat(path, &st) < 0)
    return -1;
  errno = !S_ISREG(st.st_mode) ? EINVAL : (uint64_t)st.st_size > max ? EFBIG : 0;
  return errno ? -1 : st.st_size;
}

static size_t padded(off_t size) { return ((size_t)size + RAMDISK_ALIGNMENT - 1) & ~(size_t)(RAMDISK_ALIGNMENT - 1); }

static bool load_file(const char *path, uint8_t *to, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t done = 0;
  while (fd >= 0 && done < size) {
    ssize_t got = TEMP_FAILURE_RETRY(read(fd, to + done, size - done));
    if (got <= 0) {
      errno = got ? errno : EIO; /* shorter than it was */
      break;
    }
    done += (size_t)got;
  }
  int error = errno;
  if (fd >= 0)
    close(fd);
  errno = error;
  return fd >= 0 && done == size;
}

/* Concatenates the ramdisks; the gaps are zero, as cpio allows between archives. */
static bool load_ramdisks(JSContext *ctx, struct build *b) {
  off_t sizes[RAMDISKS_MAX];
  for (size_t i = 0; i < b->ramdisk_count; i++) {
    if ((sizes[i] = file_size(b->ramdisks[i], RAMDISK_BYTES_MAX - b->ramdisk_length)) < 0) {
      throw_errno(ctx, b->ramdisks[i]);
      return false;
    }
    b->ramdisk_length += padded(sizes[i]);
  }
  if (!b->ramdisk_length)
    return true;
  void *memory = mmap(NULL, b->ramdisk_length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw_errno(ctx, "ramdisks");
    return false;
  }
  b->ramdisk = memory;
  for (size_t i = 0, offset = 0; i < b->ramdisk_count; offset += padded(sizes[i]), i++)
    if (!load_file(b->ramdisks[i], b->ramdisk + offset, (size_t)sizes[i])) {
      throw_errno(ctx, b->ramdisks[i]);
      return false;
    }
  return true;
}

/* Appends ` <name>=<gfn>`: known only once the pages are placed, needed before start_info is written. */
static int add_store_parameter(struct build *b) {
  char line[COMMAND_LINE_MAX + 1];
  struct xc_dom_image *dom = b->dom;
  if (!b->store_parameter[0])
    return 0;
  int length = snprintf(line, sizeof line, "%s %s=%llu", b->command_line, b->store_parameter,
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
      memory ? xenforeignmemory_map(memory, b->domid, PROT_READ | PROT_WRITE, 1, &gfn, NULL) : NULL;
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

static int load(struct build *b, xc_interface *xch) {
  struct xc_dom_image *dom = b->dom;
  dom->container_type = XC_DOM_PV_CONTAINER;
  dom->max_kernel_size = KERNEL_BYTES_MAX;
  dom->max_module_size = RAMDISK_BYTES_MAX;
  if (b->hardware_domain)
    dom->flags |= SIF_INITDOMAIN | SIF_PRIVILEGED;
  dom->max_vcpus = 1;
  dom->console_evtchn = (unsigned)b->console_port;
  dom->console_domid = b->console_domid;
  dom->xenstore_evtchn = (unsigned)b->store_port;
  dom->xenstore_domid = b->store_domid;

  int result = xc_dom_kernel_file(dom, b->kernel);
  if (!result && b->ramdisk)
    result = xc_dom_module_mem(dom, b->ramdisk, b->ramdisk_length, NULL);
  if (!result)
    result = xc_dom_boot_xen_init(dom, xch, b->domid);
  if (!result)
    result = xc_dom_parse_image(dom);
  if (!result)
    result = xc_dom_mem_init(dom, (unsigned)b->memory_mib);
  if (!result)
    result = xc_dom_boot_mem_init(dom);
  if (!result)
    result = xc_dom_build_image(dom);
  if (!result)
    result = add_store_parameter(b);
  if (!result)
    result = xc_dom_boot_image(dom);
  if (!result)
    result = xc_dom_gnttab_init(dom);
  if (!result && b->hardware_domain)
    result = clear_console_info(b);
  return result;
}

static JSValue build(JSContext *ctx, struct build *b) {
  xc_interface *xch;
  if (file_size(b->kernel, KERNEL_BYTES_MAX) < 0)
    return throw_errno(ctx, b->kernel);
  if (!load_ramdisks(ctx, b) || !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  if (!(b->dom = xc_dom_allocate(xch, b->command_line, NULL)) || load(b, xch) != 0)
    return xen_throw(ctx);
  JSValue result = JS_NewObject(ctx);
  result_set(ctx, &result, "storeGfn", JS_NewInt64(ctx, (int64_t)xc_dom_p2m(b->dom, b->dom->xenstore_pfn)));
  result_set(ctx, &result, "consoleGfn", JS_NewInt64(ctx, (int64_t)xc_dom_p2m(b->dom, b->dom->console_pfn)));
  return result;
}

static JSValue domain_build_pv(JSContext *ctx, JSValueConst *argv) {
  struct build *b = calloc(1, sizeof *b);
  if (!b)
    return throw_errno(ctx, NULL);
  JSValue result = read_build(ctx, argv[0], b) ? build(ctx, b) : JS_EXCEPTION;
  if (b->dom)
    xc_dom_release(b->dom);
  if (b->ramdisk)
    munmap(b->ramdisk, b->ramdisk_length);
  free(b);
  return result;
}

const struct rt_export domain_build_exports[] = {
    {"domainBuildPv", 1, domain_build_pv},
    {NULL, 0, NULL},
};
