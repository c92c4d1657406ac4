/*
 * Loading a PVH domain: a kernel as for a PV one, in memory as of an HVM one. What the kernel finds is told to it in hvm_start_info, which
 * libxenguest writes, and in the ACPI tables that come with the request: a RSDP first.
 */
#include "domain-image.h"

#include <errno.h>
#include <xen/hvm/e820.h>

#define E820_RESERVED 2
#define E820_ACPI 3
/* Tables lie where libxl has them: among the devices of a PC, of which this domain has none, and below libxenguest's special pages. */
#define ACPI_FIRST HVM_BELOW_4G_MMIO_START
#define SPECIAL_START ((uint64_t)(X86_HVM_END_SPECIAL_REGION - X86_HVM_NR_SPECIAL_PAGES) * PAGE_BYTES)
#define SPECIAL_BYTES ((uint64_t)X86_HVM_NR_SPECIAL_PAGES * PAGE_BYTES)
/* They and the special pages fit into what a domain may have beside its memory. */
#define ACPI_BYTES_MAX PAGE_BYTES
#define RSDP_BYTES 36

enum { VCPUS = KERNEL_FIELDS_END, ACPI_ADDRESS, ACPI };

static bool map_files(JSContext *ctx, struct image *image) {
  if (image->field[ACPI_ADDRESS].integer % PAGE_BYTES) {
    errno = EINVAL;
    throw_errno(ctx, "acpiAddress");
    return false;
  }
  return image_map_ramdisks(ctx, image);
}

static bool configure(struct image *image) {
  const struct argument *field = image->field;
  struct xc_dom_image *dom = image->dom;
  image_lay_out_memory(image);
  dom->max_module_size = RAMDISK_BYTES_MAX;
  dom->max_vcpus = (unsigned)field[VCPUS].integer;
  dom->acpi_modules[0].data = (uint8_t *)field[ACPI].bytes; /* libxenguest only reads them */
  dom->acpi_modules[0].length = (uint32_t)field[ACPI].length;
  dom->acpi_modules[0].guest_addr_out = (uint64_t)field[ACPI_ADDRESS].integer;
  dom->cmdline = xc_dom_strdup(dom, field[COMMAND_LINE].text);
  return dom->cmdline;
}

/* Kept by Xen, for kernels that ask it; libxenguest writes the same into hvm_start_info. */
static int set_memory_map(struct image *image, xc_interface *xch) {
  static struct e820entry map[4]; /* `dom` refers to it until it is released */
  struct xc_dom_image *dom = image->dom;
  map[0] = (struct e820entry){0, dom->lowmem_end, E820_RAM};
  map[1] = (struct e820entry){dom->acpi_modules[0].guest_addr_out, PAGE_BYTES, E820_ACPI};
  map[2] = (struct e820entry){SPECIAL_START, SPECIAL_BYTES, E820_RESERVED};
  map[3] = (struct e820entry){FOUR_GIB, dom->highmem_end - FOUR_GIB, E820_RAM};
  dom->e820 = map;
  dom->e820_entries = dom->highmem_end ? 4 : 3;
  return xc_domain_set_memory_map(xch, dom->guest_domid, map, dom->e820_entries);
}

/* The order is libxl's. */
static bool load(struct image *image, xc_interface *xch) {
  const struct argument *field = image->field;
  struct xc_dom_image *dom = image->dom;
  return configure(image) && xc_dom_kernel_file(dom, field[KERNEL].text) == 0 &&
         (!image->files || xc_dom_module_mem(dom, image->files, image->files_length, NULL) == 0) &&
         xc_dom_boot_xen_init(dom, xch, (uint32_t)field[DOMAIN].integer) == 0 && xc_dom_parse_image(dom) == 0 &&
         xc_dom_mem_init(dom, (unsigned)field[MEMORY].integer) == 0 && xc_dom_boot_mem_init(dom) == 0 &&
         set_memory_map(image, xch) == 0 && xc_dom_build_image(dom) == 0 && xc_dom_boot_image(dom) == 0 &&
         xc_dom_gnttab_init(dom) == 0;
}

static JSValue domain_build_pvh(JSContext *ctx, const struct argument *a) {
  static const struct recipe recipe = {map_files, load};
  return image_build(ctx, a[0].fields, &recipe);
}

const struct rt_export domain_build_pvh_exports[] = {
    {"domainBuildPvh",
     domain_build_pvh,
     {FIELDS(KERNEL_FIELDS, INT("vcpus", 1, VCPUS_MAX), INT("acpiAddress", ACPI_FIRST, SPECIAL_START - ACPI_BYTES_MAX),
             {.name = "acpi", .kind = BYTES, .min = RSDP_BYTES, .max = ACPI_BYTES_MAX})}},
    {NULL, NULL, {}},
};
