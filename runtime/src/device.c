/* Handing devices to a driver VM: IOMMU assignment, I/O memory and ports, interrupts. */
#include "xen.h"

#include <errno.h>

#define MFN_LAST ((1ll << 40) - 1)
#define IOPORT_LAST 65535
#define GSI_LAST 4095

static JSValue pci_assign(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  uint32_t domid = (uint32_t)a[0].integer, sbdf = (uint32_t)a[1].integer;
  return xch ? xen_outcome(ctx, xc_assign_device(xch, domid, sbdf, 0)) : JS_EXCEPTION;
}

static JSValue pci_deassign(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  uint32_t domid = (uint32_t)a[0].integer, sbdf = (uint32_t)a[1].integer;
  return xch ? xen_outcome(ctx, xc_deassign_device(xch, domid, sbdf)) : JS_EXCEPTION;
}

/* NULL with an exception pending when [first, first + count) goes beyond `last`. */
static xc_interface *control_for_range(JSContext *ctx, int64_t first, int64_t count, int64_t last) {
  if (count <= last - first + 1)
    return xen_control(ctx);
  throw_error(ctx, EINVAL, "the range ends above %lld", (long long)last);
  return NULL;
}

static JSValue iomem_permission(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = control_for_range(ctx, a[1].integer, a[2].integer, MFN_LAST);
  if (!xch)
    return JS_EXCEPTION;
  return xen_outcome(ctx, xc_domain_iomem_permission(xch, (uint32_t)a[0].integer, (unsigned long)a[1].integer,
                                                     (unsigned long)a[2].integer, (uint8_t)a[3].integer));
}

static JSValue ioport_permission(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = control_for_range(ctx, a[1].integer, a[2].integer, IOPORT_LAST);
  if (!xch)
    return JS_EXCEPTION;
  return xen_outcome(ctx, xc_domain_ioport_permission(xch, (uint32_t)a[0].integer, (uint32_t)a[1].integer,
                                                      (uint32_t)a[2].integer, (uint32_t)a[3].integer));
}

static JSValue map_gsi(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  int pirq = (int)a[1].integer; /* pcifront takes the interrupt line as its pirq, so they have to be equal */
  if (!xch)
    return JS_EXCEPTION;
  int result = xc_physdev_map_pirq(xch, (uint32_t)a[0].integer, (int)a[1].integer, &pirq);
  return result < 0 ? xen_throw(ctx) : JS_NewInt32(ctx, pirq);
}

static JSValue irq_permission(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  uint32_t domid = (uint32_t)a[0].integer, pirq = (uint32_t)a[1].integer;
  return xch ? xen_outcome(ctx, xc_domain_irq_permission(xch, domid, pirq, a[2].integer)) : JS_EXCEPTION;
}

#define SBDF UP_TO("sbdf", UINT32_MAX)
#define RANGE(label, last) UP_TO(label, last), INT("count", 1, (last) + 1)

const struct rt_export device_exports[] = {
    {"pciAssign", pci_assign, {DOMID("domid"), SBDF}},
    {"pciDeassign", pci_deassign, {DOMID("domid"), SBDF}},
    {"iomemPermission", iomem_permission, {DOMID("domid"), RANGE("firstMfn", MFN_LAST), BOOL("allow")}},
    {"ioportPermission", ioport_permission, {DOMID("domid"), RANGE("first", IOPORT_LAST), BOOL("allow")}},
    {"mapGsi", map_gsi, {DOMID("domid"), UP_TO("gsi", GSI_LAST)}},
    {"irqPermission", irq_permission, {DOMID("domid"), UP_TO("pirq", GSI_LAST), BOOL("allow")}},
    {NULL, NULL, {}},
};
