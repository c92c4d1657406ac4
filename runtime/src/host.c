/* The host as Xen sees it. */
#include "argument.h"
#include "xen.h"

#include <stdio.h>
#include <xen/version.h>

#define MESSAGES_MAX 65536
#define VERSION_MAX 64

static JSValue phys_info(JSContext *ctx, JSValueConst *argv) {
  (void)argv;
  xc_physinfo_t info = {0};
  xc_interface *xch = xen_control(ctx);
  if (!xch)
    return JS_EXCEPTION;
  if (xc_physinfo(xch, &info) < 0)
    return xen_throw(ctx);
  int64_t kib_per_page = RT_PAGE_SIZE / 1024;
  JSValue result = JS_NewObject(ctx);
  result_set(ctx, &result, "cpus", JS_NewUint32(ctx, info.nr_cpus));
  result_set(ctx, &result, "totalKib", JS_NewInt64(ctx, (int64_t)info.total_pages * kib_per_page));
  result_set(ctx, &result, "freeKib", JS_NewInt64(ctx, (int64_t)info.free_pages * kib_per_page));
  result_set(ctx, &result, "cpuKhz", JS_NewUint32(ctx, info.cpu_khz));
  result_set(ctx, &result, "hvm", JS_NewBool(ctx, info.capabilities & XEN_SYSCTL_PHYSCAP_hvm));
  result_set(ctx, &result, "iommu", JS_NewBool(ctx, info.capabilities & XEN_SYSCTL_PHYSCAP_directio));
  return result;
}

static JSValue xen_version(JSContext *ctx, JSValueConst *argv) {
  (void)argv;
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
  result_set(ctx, &result, "version", JS_NewString(ctx, version));
  result_set(ctx, &result, "commandLine", JS_NewString(ctx, command_line));
  result_set(ctx, &result, "compileDate", JS_NewString(ctx, compile.compile_date));
  result_set(ctx, &result, "changeset", JS_NewString(ctx, changeset));
  return result;
}

static JSValue xen_messages(JSContext *ctx, JSValueConst *argv) {
  (void)argv;
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
    {"physInfo", 0, phys_info},
    {"xenVersion", 0, xen_version},
    {"xenMessages", 0, xen_messages},
    {NULL, 0, NULL},
};
