/* Loading a PV domain: kernel, ramdisks, page tables, start_info, grants, the first vcpu. */
#include "domain-image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <xen/xen.h>
#include <xenforeignmemory.h>

#define PARAMETER_NAME_MAX 64

enum { STORE_PARAMETER = KERNEL_FIELDS_END, HARDWARE_DOMAIN };

/* Appends ` <name>=<gfn>`: known only once the pages are placed, needed before start_info is written. */
static int add_store_parameter(struct image *image) {
  char line[COMMAND_LINE_MAX + 1];
  struct xc_dom_image *dom = image->dom;
  if (!image->field[STORE_PARAMETER].given)
    return 0;
  int length = snprintf(line, sizeof line, "%s %s=%llu", image->field[COMMAND_LINE].text, image->field[STORE_PARAMETER].text,
                        (unsigned long long)xc_dom_p2m(dom, dom->xenstore_pfn));
  if (length < 0 || (size_t)length >= sizeof line) {
    errno = E2BIG;
    return -1;
  }
  dom->cmdline = xc_dom_strdup(dom, line);
  return dom->cmdline ? 0 : -1;
}

/* libxenguest writes a guest's console union; an initial domain reads it as console info, so it has to be empty. */
static int clear_console_info(struct image *image) {
  xen_pfn_t gfn = xc_dom_p2m(image->dom, image->dom->start_info_pfn);
  xenforeignmemory_handle *memory = xenforeignmemory_open(xen_logger(), 0);
  start_info_t *start_info =
      memory ? xenforeignmemory_map(memory, image->dom->guest_domid, PROT_READ | PROT_WRITE, 1, &gfn, NULL) : NULL;
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

static bool configure(struct image *image) {
  const struct argument *field = image->field;
  struct xc_dom_image *dom = image->dom;
  dom->container_type = XC_DOM_PV_CONTAINER;
  dom->max_module_size = RAMDISK_BYTES_MAX;
  if (field[HARDWARE_DOMAIN].integer)
    dom->flags |= SIF_INITDOMAIN | SIF_PRIVILEGED;
  dom->max_vcpus = 1;
  dom->cmdline = xc_dom_strdup(dom, field[COMMAND_LINE].text);
  return dom->cmdline;
}

/* The order is libxl's. */
static bool load(struct image *image, xc_interface *xch) {
  const struct argument *field = image->field;
  struct xc_dom_image *dom = image->dom;
  return configure(image) && xc_dom_kernel_file(dom, field[KERNEL].text) == 0 &&
         (!image->files || xc_dom_module_mem(dom, image->files, image->files_length, NULL) == 0) &&
         xc_dom_boot_xen_init(dom, xch, (uint32_t)field[DOMAIN].integer) == 0 && xc_dom_parse_image(dom) == 0 &&
         xc_dom_mem_init(dom, (unsigned)field[MEMORY].integer) == 0 && xc_dom_boot_mem_init(dom) == 0 &&
         xc_dom_build_image(dom) == 0 && add_store_parameter(image) == 0 && xc_dom_boot_image(dom) == 0 &&
         xc_dom_gnttab_init(dom) == 0 && (!field[HARDWARE_DOMAIN].integer || clear_console_info(image) == 0);
}

static JSValue domain_build_pv(JSContext *ctx, const struct argument *a) {
  static const struct recipe recipe = {image_map_ramdisks, load};
  return image_build(ctx, a[0].fields, &recipe);
}

const struct rt_export domain_build_pv_exports[] = {
    {"domainBuildPv",
     domain_build_pv,
     {FIELDS(KERNEL_FIELDS,
             {.name = "storePageParameter", .kind = TEXT, .min = 1, .max = PARAMETER_NAME_MAX, .optional = true},
             BOOL("hardwareDomain"))}},
    {NULL, NULL, {}},
};
