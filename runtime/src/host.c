/* The host as Xen sees it. */
#include "xen.h"

#include <stdio.h>
#include <xen/version.h>

#define MESSAGES_MAX 65536
#define VERSION_MAX 64

static JSValue phys_info(JSContext *ctx, const struct argument *a) {
  (void)a;
  xc_physinfo_t info = {0};
  xc_interface *xch = xen_control(ctx);
  if (!xch)
    return JS_EXCEPTION;
  if (xc_physinfo(xch, &info) < 0)
    return xen_throw(ctx);
  int64_t kib_per_page = PAGE_BYTES / 1024;
  JSValue result = JS_NewObject(ctx);
  result_integer(ctx, &result, "cpus", info.nr_cpus);
  result_integer(ctx, &result, "totalKib", (long)info.total_pages * kib_per_page);
  result_integer(ctx, &result, "freeKib", (long)info.free_pages * kib_per_page);
  result_integer(ctx, &result, "cpuKhz", info.cpu_khz);
  result_boolean(ctx, &result, "hvm", info.capabilities & XEN_SYSCTL_PHYSCAP_hvm);
  result_boolean(ctx, &result, "iommu", info.capabilities & XEN_SYSCTL_PHYSCAP_directio);
  return result;
}

static JSValue xen_version(JSContext *ctx, const struct argument *a) {
  (void)a;
  xen_extraversion_t extra = "";
  xen_commandline_t command_line = "";
  xen_compile_info_t compile = {0};
  xen_changeset_info_t changeset = "";
  xc_interface *xch = xen_control(ctx);
  if (!xch)
    return JS_EXCEPTION;
  int number = xc_version(xch, XENVER_version, NULL);
  if (number < 0 || xc_version(xch, XENVER_extraversion, &extra) < 0 ||
      xc_version(xch, XENVER_commandline, &command_line) < 0 ||
      xc_version(xch, XENVER_compile_info, &compile) < 0 || xc_version(xch, XENVER_changeset, &changeset) < 0)
    return xen_throw(ctx);
  char version[VERSION_MAX];
  snprintf(version, sizeof version, "%d.%d%.15s", number >> 16, number & 0xffff, extra);
  JSValue result = JS_NewObject(ctx);
  result_text(ctx, &result, "version", version);
  result_text(ctx, &result, "commandLine", command_line);
  result_text(ctx, &result, "compileDate", compile.compile_date);
  result_text(ctx, &result, "changeset", changeset);
  return result;
}

static JSValue xen_messages(JSContext *ctx, const struct argument *a) {
  (void)a;
  static char buffer[MESSAGES_MAX];
  unsigned length = sizeof buffer, index = 0;
  xc_interface *xch = xen_control(ctx);
  if (!xch)
    return JS_EXCEPTION;
  if (xc_readconsolering(xch, buffer, &length, 0, 0, &index) < 0)
    return xen_throw(ctx);
  return JS_NewStringLen(ctx, buffer, length < sizeof buffer ? length : sizeof buffer);
}

const struct rt_export host_exports[] = {
    {"physInfo", phys_info, {}},
    {"xenVersion", xen_version, {}},
    {"xenMessages", xen_messages, {}},
    {NULL, NULL, {}},
};
