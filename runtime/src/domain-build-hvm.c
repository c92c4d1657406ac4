/*
 * Loading an HVM domain: hvmloader and the firmware that it starts, an emulated PC's memory, grants, the first vcpu. What hvmloader does is told
 * to it in XenStore, in the hvm_info table and by the memory map that Xen keeps for it.
 */
#include "domain-image.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <xen/hvm/e820.h>
#include <xen/hvm/hvm_info_table.h>
#include <xen/hvm/params.h>
#include <xenforeignmemory.h>

#define FIRMWARE_BYTES_MAX (16ull << 20)
/* 0xa0000 to 0xbffff belong to the screen; up to 1 MiB hvmloader makes the map itself. */
#define VGA_HOLE_PAGES 0x20
#define LOW_MEMORY_START 0x100000
/* Ticks that were missed are made up for, and the guest's time is the real one meanwhile. @source hvm/params.h, HVM_PARAM_TIMER_MODE */
#define TIMER_NO_DELAY_FOR_MISSED_TICKS 1

enum { FIRMWARE = OWN_FIELDS, VCPUS, APIC, HPET };

static bool map_firmware(JSContext *ctx, struct image *image) {
  const char *path = image->field[FIRMWARE].text;
  off_t size = image_file_size(path, FIRMWARE_BYTES_MAX);
  if (size < 0) {
    throw_errno(ctx, path);
    return false;
  }
  if (size == 0 || size % PAGE_BYTES) {
    throw_error(ctx, EINVAL, "%s is not of whole pages", path);
    return false;
  }
  image->files_length = (size_t)size;
  return image_reserve(ctx, image) && image_map_file(ctx, path, image->files, (size_t)size);
}

static void configure(struct image *image) {
  struct xc_dom_image *dom = image->dom;
  image_lay_out_memory(image);
  dom->device_model = true;
  dom->vga_hole_size = VGA_HOLE_PAGES;
  dom->max_vcpus = (unsigned)image->field[VCPUS].integer;
  dom->system_firmware_module.data = image->files;
  dom->system_firmware_module.length = (uint32_t)image->files_length;
}

/* Kept by Xen; hvmloader asks for it and stops where there is none. */
static int set_memory_map(struct image *image, xc_interface *xch) {
  static struct e820entry map[2]; /* `dom` refers to it until it is released */
  struct xc_dom_image *dom = image->dom;
  map[0] = (struct e820entry){LOW_MEMORY_START, dom->lowmem_end - LOW_MEMORY_START, E820_RAM};
  map[1] = (struct e820entry){FOUR_GIB, dom->highmem_end - FOUR_GIB, E820_RAM};
  dom->e820 = map;
  dom->e820_entries = dom->highmem_end ? 2 : 1;
  return xc_domain_set_memory_map(xch, dom->guest_domid, map, dom->e820_entries);
}

static int set_timers(struct image *image, xc_interface *xch) {
  uint32_t domid = image->dom->guest_domid;
  return xc_hvm_param_set(xch, domid, HVM_PARAM_HPET_ENABLED, (uint64_t)image->field[HPET].integer) < 0
             ? -1
             : xc_hvm_param_set(xch, domid, HVM_PARAM_TIMER_MODE, TIMER_NO_DELAY_FOR_MISSED_TICKS);
}

/* libxenguest has written the table for one vcpu with an APIC. All its bytes add up to 0. */
static void describe_vcpus(struct hvm_info_table *info, const struct argument *field) {
  uint8_t sum = 0;
  int64_t vcpus = field[VCPUS].integer;
  info->apic_mode = (uint8_t)field[APIC].integer;
  info->nr_vcpus = (uint32_t)vcpus;
  memset(info->vcpu_online, 0, sizeof info->vcpu_online);
  for (int64_t vcpu = 0; vcpu < vcpus; vcpu++)
    info->vcpu_online[vcpu / 8] |= (uint8_t)(1 << vcpu % 8);
  info->checksum = 0;
  for (size_t i = 0; i < sizeof *info; i++)
    sum += ((const uint8_t *)info)[i];
  info->checksum = (uint8_t)-sum;
}

static int set_vcpus(struct image *image) {
  xen_pfn_t gfn = HVM_INFO_PFN;
  xenforeignmemory_handle *memory = xenforeignmemory_open(xen_logger(), 0);
  uint8_t *page =
      memory ? xenforeignmemory_map(memory, image->dom->guest_domid, PROT_READ | PROT_WRITE, 1, &gfn, NULL) : NULL;
  if (page) {
    describe_vcpus((struct hvm_info_table *)(page + HVM_INFO_OFFSET), image->field);
    xenforeignmemory_unmap(memory, page, 1);
  }
  int error = errno;
  if (memory)
    xenforeignmemory_close(memory);
  errno = error;
  return page ? 0 : -1;
}

/* The order is libxl's. */
static bool load(struct image *image, xc_interface *xch) {
  const struct argument *field = image->field;
  struct xc_dom_image *dom = image->dom;
  configure(image);
  return xc_dom_kernel_file(dom, field[KERNEL].text) == 0 &&
         xc_dom_boot_xen_init(dom, xch, (uint32_t)field[DOMAIN].integer) == 0 && set_timers(image, xch) == 0 &&
         xc_dom_parse_image(dom) == 0 && xc_dom_mem_init(dom, (unsigned)field[MEMORY].integer) == 0 &&
         xc_dom_boot_mem_init(dom) == 0 && set_memory_map(image, xch) == 0 && xc_dom_build_image(dom) == 0 &&
         xc_dom_boot_image(dom) == 0 && xc_dom_gnttab_init(dom) == 0 && set_vcpus(image) == 0;
}

static JSValue domain_build_hvm(JSContext *ctx, const struct argument *a) {
  static const struct recipe recipe = {map_firmware, load};
  return image_build(ctx, a[0].fields, &recipe);
}

const struct rt_export domain_build_hvm_exports[] = {
    {"domainBuildHvm",
     domain_build_hvm,
     {FIELDS(IMAGE_FIELDS("loader"), PATH("firmware"), INT("vcpus", 1, VCPUS_MAX), BOOL("apic"), BOOL("hpet"))}},
    {NULL, NULL, {}},
};
