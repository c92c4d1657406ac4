/* Domain control hypercalls, one function each; who may use them is Xen's policy. */
#include "xen.h"

#include <string.h>
#include <xen/sched.h>

#define LIST_MAX 1024
#define UUID_BYTES 16
#define MEMORY_MAX_KIB (1ll << 30)
#define GRANT_FRAMES_MAX 1024
#define MAPTRACK_FRAMES_MAX 4096
#define EVENT_PORTS_MAX 131071
#define CONTEXT_MAX 1023
#define KIB_PER_PAGE (PAGE_BYTES / 1024)
/*
 * Where the time stamp counter is not known to be stable Xen traps every read of it. A PV Linux does not need that: it reads the counter by
 * the scale and offset that Xen gives each vcpu. An HVM guest is not told that the counter is stable, so its system treats it as on a PC where
 * it is not; a trap costs more than 25 µs where SVM is emulated, a read 40 ns. @source Xen xen/arch/x86/include/asm/time.h, TSC_MODE_NEVER_EMULATE
 */
#define TSC_NEVER_EMULATED 2
/* Memory for an HVM domain's page tables, beside its own: so much for each vcpu, and a page for each MiB. libxl reckons the same. */
#define PAGING_BYTES_PER_VCPU (1ull << 20)
#define PAGING_BYTES_PER_MIB PAGE_BYTES
#define KIB_PER_MIB 1024

static JSValue info_state(JSContext *ctx, uint32_t flags) {
  JSValue state = JS_NewObject(ctx);
  result_boolean(ctx, &state, "dying", flags & XEN_DOMINF_dying);
  result_boolean(ctx, &state, "shutdown", flags & XEN_DOMINF_shutdown);
  result_boolean(ctx, &state, "paused", flags & XEN_DOMINF_paused);
  result_boolean(ctx, &state, "blocked", flags & XEN_DOMINF_blocked);
  result_boolean(ctx, &state, "running", flags & XEN_DOMINF_running);
  return state;
}

static JSValue info_object(JSContext *ctx, const xc_domaininfo_t *info) {
  int reason = (int)(info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
  bool ended = info->flags & XEN_DOMINF_shutdown;
  JSValue result = JS_NewObject(ctx);
  result_integer(ctx, &result, "domid", info->domain);
  result_integer(ctx, &result, "ssid", info->ssidref);
  result_set(ctx, &result, "uuid", new_bytes(ctx, info->handle, UUID_BYTES));
  result_set(ctx, &result, "state", info_state(ctx, info->flags));
  result_set(ctx, &result, "shutdownReason", ended ? JS_NewInt32(ctx, reason) : JS_NULL);
  result_integer(ctx, &result, "memoryKib", (long)info->tot_pages * KIB_PER_PAGE);
  result_integer(ctx, &result, "maxMemoryKib", (long)info->max_pages * KIB_PER_PAGE);
  result_integer(ctx, &result, "vcpus", info->nr_online_vcpus);
  result_set(ctx, &result, "cpuTimeNs", JS_NewBigUint64(ctx, info->cpu_time));
  return result;
}

static JSValue domain_list(JSContext *ctx, const struct argument *a) {
  static xc_domaininfo_t list[LIST_MAX];
  xc_interface *xch = xen_control(ctx);
  if (!xch)
    return JS_EXCEPTION;
  int count = xc_domain_getinfolist(xch, (uint32_t)a[0].integer, (unsigned)a[1].integer, list);
  if (count < 0)
    return xen_throw(ctx);
  JSValue result = JS_NewArray(ctx);
  for (int i = 0; i < count && !JS_IsException(result); i++)
    result_append(ctx, &result, (uint32_t)i, info_object(ctx, &list[i]));
  return result;
}

static const char *const domain_kinds[] = {"pv", "pvh", "hvm", NULL};
enum { PV, PVH, HVM }; /* in their order */
enum { KIND, DOMAIN, SSID, VCPUS, MAX_MEMORY, IOMMU, CLOCK_OFFSET, GRANT_FRAMES, MAPTRACK_FRAMES, EVENT_PORTS, UUID };

/* Xen populates no page without room for page tables. The processor that the guest sees is this machine's, as far as Xen gives it to guests. */
static int settle_hardware_paged(xc_interface *xch, uint32_t domid, const struct argument *field) {
  uint64_t mib = (uint64_t)field[MAX_MEMORY].integer / KIB_PER_MIB, vcpus = (uint64_t)field[VCPUS].integer;
  uint64_t paging = vcpus * PAGING_BYTES_PER_VCPU + mib * PAGING_BYTES_PER_MIB;
  bool pae = true, invariant_tsc = false, nested = false;
  int32_t clock_offset = (int32_t)field[CLOCK_OFFSET].integer;
  return xc_set_paging_mempool_size(xch, domid, paging) < 0 ||
                 (clock_offset != 0 && xc_domain_set_time_offset(xch, domid, clock_offset) < 0)
             ? -1
             : xc_cpuid_apply_policy(xch, domid, false, NULL, 0, pae, invariant_tsc, nested, NULL, NULL);
}

static int settle(xc_interface *xch, uint32_t domid, const struct argument *field) {
  if (xc_domain_max_vcpus(xch, domid, (uint32_t)field[VCPUS].integer) < 0 ||
      xc_domain_set_tsc_info(xch, domid, TSC_NEVER_EMULATED, 0, 0, 0) < 0 ||
      xc_domain_setmaxmem(xch, domid, (uint64_t)field[MAX_MEMORY].integer) < 0)
    return -1;
  return field[KIND].integer == PV ? 0 : settle_hardware_paged(xch, domid, field);
}

static JSValue domain_create(JSContext *ctx, const struct argument *a) {
  const struct argument *field = a[0].fields;
  uint32_t domid = (uint32_t)field[DOMAIN].integer;
  /* Of a PC, a PVH domain has local APICs. Whatever of an HVM domain's Xen can emulate itself, it does; the rest is the emulator's. */
  static const uint32_t emulated[] = {[PV] = 0, [PVH] = XEN_X86_EMU_LAPIC, [HVM] = XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI};
  uint32_t paging = field[KIND].integer == PV ? 0 : XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
  struct xen_domctl_createdomain config = {
      .ssidref = (uint32_t)field[SSID].integer,
      .flags = (field[IOMMU].integer ? XEN_DOMCTL_CDF_iommu : 0) | paging,
      .max_vcpus = (uint32_t)field[VCPUS].integer,
      .max_evtchn_port = (uint32_t)field[EVENT_PORTS].integer,
      .max_grant_frames = (int32_t)field[GRANT_FRAMES].integer,
      .max_maptrack_frames = (int32_t)field[MAPTRACK_FRAMES].integer,
      .grant_opts = XEN_DOMCTL_GRANT_version(1),
      .arch.emulation_flags = emulated[field[KIND].integer],
  };
  memcpy(config.handle, field[UUID].bytes, UUID_BYTES);
  xc_interface *xch = xen_control(ctx);
  if (!xch)
    return JS_EXCEPTION;
  if (xc_domain_create(xch, &domid, &config) < 0)
    return xen_throw(ctx);
  if (settle(xch, domid, field) < 0) {
    JSValue exception = xen_throw(ctx);
    xc_domain_destroy(xch, domid);
    return exception;
  }
  return JS_NewUint32(ctx, domid);
}

static JSValue domain_destroy(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  return xch ? xen_outcome(ctx, xc_domain_destroy(xch, (uint32_t)a[0].integer)) : JS_EXCEPTION;
}

static JSValue domain_pause(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  return xch ? xen_outcome(ctx, xc_domain_pause(xch, (uint32_t)a[0].integer)) : JS_EXCEPTION;
}

static JSValue domain_unpause(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  return xch ? xen_outcome(ctx, xc_domain_unpause(xch, (uint32_t)a[0].integer)) : JS_EXCEPTION;
}

static JSValue domain_shutdown(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  return xch ? xen_outcome(ctx, xc_domain_shutdown(xch, (uint32_t)a[0].integer, (int)a[1].integer)) : JS_EXCEPTION;
}

/* Xen emulates that button itself, and asks no emulator. Its effect is the same whichever vcpu is named, and each domain has the first. */
static JSValue domain_power_button(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  uint32_t domid = (uint32_t)a[0].integer;
  return xch ? xen_outcome(ctx, xc_domain_send_trigger(xch, domid, XEN_DOMCTL_SENDTRIGGER_POWER, 0)) : JS_EXCEPTION;
}

static JSValue domain_set_max_mem(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  uint32_t domid = (uint32_t)a[0].integer;
  return xch ? xen_outcome(ctx, xc_domain_setmaxmem(xch, domid, (uint64_t)a[1].integer)) : JS_EXCEPTION;
}

static JSValue domain_alloc_evtchn(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  uint32_t domid = (uint32_t)a[0].integer, remote = (uint32_t)a[1].integer;
  return xch ? xen_outcome_number(ctx, xc_evtchn_alloc_unbound(xch, domid, remote)) : JS_EXCEPTION;
}

static JSValue domain_set_target(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  uint32_t domid = (uint32_t)a[0].integer, target = (uint32_t)a[1].integer;
  return xch ? xen_outcome(ctx, xc_domain_set_target(xch, domid, target)) : JS_EXCEPTION;
}

static JSValue domain_set_virq_handler(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  uint32_t domid = (uint32_t)a[0].integer;
  return xch ? xen_outcome(ctx, xc_domain_set_virq_handler(xch, domid, (int)a[1].integer)) : JS_EXCEPTION;
}

static JSValue flask_context_to_sid(JSContext *ctx, const struct argument *a) {
  char context[CONTEXT_MAX + 1];
  uint32_t sid;
  xc_interface *xch = xen_control(ctx);
  if (!xch)
    return JS_EXCEPTION;
  memcpy(context, a[0].text, a[0].length + 1); /* libxenctrl wants it writable */
  int result = xc_flask_context_to_sid(xch, context, (uint32_t)a[0].length, &sid);
  return result < 0 ? xen_throw(ctx) : JS_NewUint32(ctx, sid);
}

static JSValue flask_sid_to_context(JSContext *ctx, const struct argument *a) {
  char context[CONTEXT_MAX + 1] = "";
  xc_interface *xch = xen_control(ctx);
  if (!xch)
    return JS_EXCEPTION;
  int result = xc_flask_sid_to_context(xch, (int)(uint32_t)a[0].integer, context, CONTEXT_MAX);
  return result < 0 ? xen_throw(ctx) : JS_NewString(ctx, context);
}

static JSValue flask_relabel(JSContext *ctx, const struct argument *a) {
  xc_interface *xch = xen_control(ctx);
  uint32_t domid = (uint32_t)a[0].integer, sid = (uint32_t)a[1].integer;
  return xch ? xen_outcome(ctx, xc_flask_relabel_domain(xch, domid, sid)) : JS_EXCEPTION;
}

static JSValue flask_enforcing(JSContext *ctx, const struct argument *a) {
  (void)a;
  xc_interface *xch = xen_control(ctx);
  int enforcing = xch ? xc_flask_getenforce(xch) : 0;
  return !xch ? JS_EXCEPTION : enforcing < 0 ? xen_throw(ctx) : JS_NewBool(ctx, enforcing);
}

#define SID(label) UP_TO(label, UINT32_MAX)

const struct rt_export domain_exports[] = {
    {"domainList", domain_list, {DOMID("first"), INT("max", 1, LIST_MAX)}},
    {"domainCreate",
     domain_create,
     {FIELDS({.name = "kind", .kind = CHOICE, .choices = domain_kinds}, DOMID("domid"), SID("ssid"),
             INT("vcpus", 1, VCPUS_MAX), INT("maxMemoryKib", 1, MEMORY_MAX_KIB), BOOL("iommu"),
             INT("clockOffsetSeconds", -INT32_MAX, INT32_MAX),
             INT("grantFrames", 1, GRANT_FRAMES_MAX), UP_TO("maptrackFrames", MAPTRACK_FRAMES_MAX),
             INT("eventPorts", 1, EVENT_PORTS_MAX),
             {.name = "uuid", .kind = BYTES, .min = UUID_BYTES, .max = UUID_BYTES})}},
    {"domainDestroy", domain_destroy, {DOMID("domid")}},
    {"domainPause", domain_pause, {DOMID("domid")}},
    {"domainUnpause", domain_unpause, {DOMID("domid")}},
    {"domainShutdown", domain_shutdown, {DOMID("domid"), UP_TO("reason", SHUTDOWN_MAX)}},
    {"domainPowerButton", domain_power_button, {DOMID("domid")}},
    {"domainSetMaxMem", domain_set_max_mem, {DOMID("domid"), UP_TO("kib", MEMORY_MAX_KIB)}},
    {"domainAllocEvtchn", domain_alloc_evtchn, {DOMID("domid"), DOMID("remoteDomid")}},
    {"domainSetTarget", domain_set_target, {DOMID("domid"), DOMID("target")}},
    {"domainSetVirqHandler", domain_set_virq_handler, {DOMID("domid"), UP_TO("virq", NR_VIRQS - 1)}},
    {"flaskContextToSid", flask_context_to_sid, {STRING("context", 1, CONTEXT_MAX)}},
    {"flaskSidToContext", flask_sid_to_context, {SID("sid")}},
    {"flaskRelabel", flask_relabel, {DOMID("domid"), SID("ssid")}},
    {"flaskEnforcing", flask_enforcing, {}},
    {NULL, NULL, {}},
};
