/* Handing devices to a driver VM: IOMMU assignment, I/O memory and ports, interrupts. */
#include "argument.h"
#include "xen.h"

#define SBDF_LAST UINT32_MAX
#define MFN_LAST ((1ll << 40) - 1)
#define IOPORT_COUNT 65536
#define GSI_LAST 4095

static JSValue pci_assign(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  int64_t sbdf;
  xc_interface *xch;
  if (!read_domid(ctx, argv[0], "domid", &domid) || !read_integer(ctx, argv[1], "sbdf", 0, SBDF_LAST, &sbdf) ||
      !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  return xen_result(ctx, xc_assign_device(xch, domid, (uint32_t)sbdf, 0));
}

static JSValue pci_deassign(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  int64_t sbdf;
  xc_interface *xch;
  if (!read_domid(ctx, argv[0], "domid", &domid) || !read_integer(ctx, argv[1], "sbdf", 0, SBDF_LAST, &sbdf) ||
      !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  return xen_result(ctx, xc_deassign_device(xch, domid, (uint32_t)sbdf));
}

struct range {
  uint32_t domid;
  int64_t first, count;
  bool allow;
};

/* domid, first, count, allow; the range ends below `limit`. */
static xc_interface *read_range(JSContext *ctx, JSValueConst *argv, int64_t limit, struct range *range) {
  if (!read_domid(ctx, argv[0], "domid", &range->domid) ||
      !read_integer(ctx, argv[1], "first", 0, limit - 1, &range->first) ||
      !read_integer(ctx, argv[2], "count", 1, limit - range->first, &range->count) ||
      !read_boolean(ctx, argv[3], "allow", &range->allow))
    return NULL;
  return xen_control(ctx);
}

static JSValue iomem_permission(JSContext *ctx, JSValueConst *argv) {
  struct range r;
  xc_interface *xch = read_range(ctx, argv, MFN_LAST + 1, &r);
  if (!xch)
    return JS_EXCEPTION;
  return xen_result(
      ctx, xc_domain_iomem_permission(xch, r.domid, (unsigned long)r.first, (unsigned long)r.count, r.allow));
}

static JSValue ioport_permission(JSContext *ctx, JSValueConst *argv) {
  struct range r;
  xc_interface *xch = read_range(ctx, argv, IOPORT_COUNT, &r);
  if (!xch)
    return JS_EXCEPTION;
  return xen_result(ctx, xc_domain_ioport_permission(xch, r.domid, (uint32_t)r.first, (uint32_t)r.count, r.allow));
}

static JSValue map_gsi(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  int64_t gsi;
  xc_interface *xch;
  if (!read_domid(ctx, argv[0], "domid", &domid) || !read_integer(ctx, argv[1], "gsi", 0, GSI_LAST, &gsi) ||
      !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  int pirq = (int)gsi; /* pcifront takes the interrupt line as its pirq, so they have to be equal */
  return xc_physdev_map_pirq(xch, domid, (int)gsi, &pirq) < 0 ? xen_throw(ctx) : JS_NewInt32(ctx, pirq);
}

static JSValue irq_permission(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  int64_t pirq;
  bool allow;
  xc_interface *xch;
  if (!read_domid(ctx, argv[0], "domid", &domid) || !read_integer(ctx, argv[1], "pirq", 0, GSI_LAST, &pirq) ||
      !read_boolean(ctx, argv[2], "allow", &allow) || !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  return xen_result(ctx, xc_domain_irq_permission(xch, domid, (uint32_t)pirq, allow));
}

const struct rt_export device_exports[] = {
    {"pciAssign", 2, pci_assign},
    {"pciDeassign", 2, pci_deassign},
    {"iomemPermission", 4, iomem_permission},
    {"ioportPermission", 4, ioport_permission},
    {"mapGsi", 2, map_gsi},
    {"irqPermission", 3, irq_permission},
    {NULL, 0, NULL},
};
