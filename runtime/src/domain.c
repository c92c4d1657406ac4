/* Domain control hypercalls, one function each; who may use them is Xen's policy. */
#include "argument.h"
#include "xen.h"

#include <errno.h>
#include <string.h>
#include <xen/sched.h>

#define LIST_MAX 1024
#define SSID_LAST UINT32_MAX
#define UUID_BYTES 16
#define VCPUS_MAX 64
#define MEMORY_MAX_KIB (1ll << 30)
#define GRANT_FRAMES_MAX 1024
#define MAPTRACK_FRAMES_MAX 4096
#define EVENT_PORTS_MAX 131071
#define CONTEXT_MAX 1023
#define KIB_PER_PAGE (RT_PAGE_SIZE / 1024)

static JSValue info_state(JSContext *ctx, uint32_t flags) {
  JSValue state = JS_NewObject(ctx);
  result_set(ctx, &state, "dying", JS_NewBool(ctx, flags & XEN_DOMINF_dying));
  result_set(ctx, &state, "shutdown", JS_NewBool(ctx, flags & XEN_DOMINF_shutdown));
  result_set(ctx, &state, "paused", JS_NewBool(ctx, flags & XEN_DOMINF_paused));
  result_set(ctx, &state, "blocked", JS_NewBool(ctx, flags & XEN_DOMINF_blocked));
  result_set(ctx, &state, "running", JS_NewBool(ctx, flags & XEN_DOMINF_running));
  return state;
}

static JSValue info_object(JSContext *ctx, const xc_domaininfo_t *info) {
  uint32_t reason = info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
  JSValue result = JS_NewObject(ctx);
  result_set(ctx, &result, "domid", JS_NewUint32(ctx, info->domain));
  result_set(ctx, &result, "ssid", JS_NewUint32(ctx, info->ssidref));
  result_set(ctx, &result, "uuid", new_bytes(ctx, info->handle, UUID_BYTES));
  result_set(ctx, &result, "state", info_state(ctx, info->flags));
  result_set(ctx, &result, "shutdownReason",
             info->flags & XEN_DOMINF_shutdown ? JS_NewUint32(ctx, reason) : JS_NULL);
  result_set(ctx, &result, "memoryKib", JS_NewInt64(ctx, (int64_t)info->tot_pages * KIB_PER_PAGE));
  result_set(ctx, &result, "maxMemoryKib", JS_NewInt64(ctx, (int64_t)info->max_pages * KIB_PER_PAGE));
  result_set(ctx, &result, "vcpus", JS_NewUint32(ctx, info->nr_online_vcpus));
  result_set(ctx, &result, "cpuTimeNs", JS_NewBigUint64(ctx, info->cpu_time));
  return result;
}

static JSValue domain_list(JSContext *ctx, JSValueConst *argv) {
  static xc_domaininfo_t list[LIST_MAX];
  uint32_t first;
  int64_t max;
  xc_interface *xch;
  if (!read_domid(ctx, argv[0], "first", &first) || !read_integer(ctx, argv[1], "max", 1, LIST_MAX, &max) ||
      !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  int count = xc_domain_getinfolist(xch, first, (unsigned)max, list);
  if (count < 0)
    return xen_throw(ctx);
  JSValue result = JS_NewArray(ctx);
  for (int i = 0; i < count && !JS_IsException(result); i++)
    result_append(ctx, &result, (uint32_t)i, info_object(ctx, &list[i]));
  return result;
}

struct creation {
  uint32_t domid;
  int64_t ssid, vcpus, max_memory_kib, grant_frames, maptrack_frames, event_ports;
  uint8_t uuid[UUID_BYTES];
  bool iommu;
};

static bool read_creation(JSContext *ctx, JSValueConst options, struct creation *c) {
  return field_domid(ctx, options, "domid", &c->domid) &&
         field_integer(ctx, options, "ssid", REQUIRED, 0, SSID_LAST, &c->ssid) &&
         field_bytes(ctx, options, "uuid", c->uuid, UUID_BYTES) &&
         field_integer(ctx, options, "vcpus", REQUIRED, 1, VCPUS_MAX, &c->vcpus) &&
         field_integer(ctx, options, "maxMemoryKib", REQUIRED, 1, MEMORY_MAX_KIB, &c->max_memory_kib) &&
         field_boolean(ctx, options, "iommu", REQUIRED, &c->iommu) &&
         field_integer(ctx, options, "grantFrames", REQUIRED, 1, GRANT_FRAMES_MAX, &c->grant_frames) &&
         field_integer(ctx, options, "maptrackFrames", REQUIRED, 0, MAPTRACK_FRAMES_MAX, &c->maptrack_frames) &&
         field_integer(ctx, options, "eventPorts", REQUIRED, 1, EVENT_PORTS_MAX, &c->event_ports);
}

static JSValue domain_create(JSContext *ctx, JSValueConst *argv) {
  struct creation c;
  xc_interface *xch;
  if (!read_creation(ctx, argv[0], &c) || !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  struct xen_domctl_createdomain config = {
      .ssidref = (uint32_t)c.ssid,
      .flags = c.iommu ? XEN_DOMCTL_CDF_iommu : 0,
      .max_vcpus = (uint32_t)c.vcpus,
      .max_evtchn_port = (uint32_t)c.event_ports,
      .max_grant_frames = (int32_t)c.grant_frames,
      .max_maptrack_frames = (int32_t)c.maptrack_frames,
      .grant_opts = XEN_DOMCTL_GRANT_version(1),
  };
  memcpy(config.handle, c.uuid, UUID_BYTES);
  uint32_t domid = c.domid;
  if (xc_domain_create(xch, &domid, &config) < 0)
    return xen_throw(ctx);
  if (xc_domain_max_vcpus(xch, domid, (unsigned)c.vcpus) < 0 ||
      xc_domain_setmaxmem(xch, domid, (uint64_t)c.max_memory_kib) < 0) {
    JSValue exception = xen_throw(ctx);
    xc_domain_destroy(xch, domid);
    return exception;
  }
  return JS_NewUint32(ctx, domid);
}

/* destroy, pause, unpause: a domid and nothing else */
static JSValue on_domain(JSContext *ctx, JSValueConst *argv, int (*call)(xc_interface *, uint32_t)) {
  uint32_t domid;
  xc_interface *xch;
  if (!read_domid(ctx, argv[0], "domid", &domid) || !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  return xen_result(ctx, call(xch, domid));
}

static JSValue domain_destroy(JSContext *ctx, JSValueConst *argv) { return on_domain(ctx, argv, xc_domain_destroy); }

static JSValue domain_pause(JSContext *ctx, JSValueConst *argv) { return on_domain(ctx, argv, xc_domain_pause); }

static JSValue domain_unpause(JSContext *ctx, JSValueConst *argv) { return on_domain(ctx, argv, xc_domain_unpause); }

/* A domid and one integer in 0..limit. */
static xc_interface *read_pair(JSContext *ctx, JSValueConst *argv, const char *name, int64_t limit, uint32_t *domid,
                               int64_t *number) {
  if (!read_domid(ctx, argv[0], "domid", domid) || !read_integer(ctx, argv[1], name, 0, limit, number))
    return NULL;
  return xen_control(ctx);
}

static JSValue domain_shutdown(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  int64_t reason;
  xc_interface *xch = read_pair(ctx, argv, "reason", SHUTDOWN_MAX, &domid, &reason);
  return xch ? xen_result(ctx, xc_domain_shutdown(xch, domid, (int)reason)) : JS_EXCEPTION;
}

static JSValue domain_set_max_mem(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  int64_t kib;
  xc_interface *xch = read_pair(ctx, argv, "kib", MEMORY_MAX_KIB, &domid, &kib);
  return xch ? xen_result(ctx, xc_domain_setmaxmem(xch, domid, (uint64_t)kib)) : JS_EXCEPTION;
}

static JSValue domain_alloc_evtchn(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  int64_t remote;
  xc_interface *xch = read_pair(ctx, argv, "remoteDomid", DOMID_LAST, &domid, &remote);
  if (!xch)
    return JS_EXCEPTION;
  int port = xc_evtchn_alloc_unbound(xch, domid, (uint32_t)remote);
  return port < 0 ? xen_throw(ctx) : JS_NewInt32(ctx, port);
}

static JSValue domain_set_virq_handler(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  int64_t virq;
  xc_interface *xch = read_pair(ctx, argv, "virq", NR_VIRQS - 1, &domid, &virq);
  return xch ? xen_result(ctx, xc_domain_set_virq_handler(xch, domid, (int)virq)) : JS_EXCEPTION;
}

static JSValue flask_relabel(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  int64_t ssid;
  xc_interface *xch = read_pair(ctx, argv, "ssid", SSID_LAST, &domid, &ssid);
  return xch ? xen_result(ctx, xc_flask_relabel_domain(xch, domid, (uint32_t)ssid)) : JS_EXCEPTION;
}

static JSValue flask_context_to_sid(JSContext *ctx, JSValueConst *argv) {
  char context[CONTEXT_MAX + 1];
  uint32_t sid;
  xc_interface *xch;
  if (!read_string(ctx, argv[0], "context", 1, CONTEXT_MAX, context) || !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  int result = xc_flask_context_to_sid(xch, context, (uint32_t)strlen(context), &sid);
  return result < 0 ? xen_throw(ctx) : JS_NewUint32(ctx, sid);
}

static JSValue flask_sid_to_context(JSContext *ctx, JSValueConst *argv) {
  char context[CONTEXT_MAX + 1];
  int64_t sid;
  xc_interface *xch;
  if (!read_integer(ctx, argv[0], "sid", 0, SSID_LAST, &sid) || !(xch = xen_control(ctx)))
    return JS_EXCEPTION;
  memset(context, 0, sizeof context);
  int result = xc_flask_sid_to_context(xch, (int)(uint32_t)sid, context, CONTEXT_MAX);
  return result < 0 ? xen_throw(ctx) : JS_NewString(ctx, context);
}

static JSValue flask_enforcing(JSContext *ctx, JSValueConst *argv) {
  (void)argv;
  xc_interface *xch = xen_control(ctx);
  int enforcing = xch ? xc_flask_getenforce(xch) : 0;
  return !xch ? JS_EXCEPTION : enforcing < 0 ? xen_throw(ctx) : JS_NewBool(ctx, enforcing);
}

const struct rt_export domain_exports[] = {
    {"domainList", 2, domain_list},
    {"domainCreate", 1, domain_create},
    {"domainDestroy", 1, domain_destroy},
    {"domainPause", 1, domain_pause},
    {"domainUnpause", 1, domain_unpause},
    {"domainShutdown", 2, domain_shutdown},
    {"domainSetMaxMem", 2, domain_set_max_mem},
    {"domainAllocEvtchn", 2, domain_alloc_evtchn},
    {"domainSetVirqHandler", 2, domain_set_virq_handler},
    {"flaskContextToSid", 1, flask_context_to_sid},
    {"flaskSidToContext", 1, flask_sid_to_context},
    {"flaskRelabel", 2, flask_relabel},
    {"flaskEnforcing", 0, flask_enforcing},
    {NULL, 0, NULL},
};
