/*
 * Event channels through one /dev/xen/evtchn. A port that was read from the device stays masked until it is delivered,
 * so that it is in the queue at most once. The handler lies in the arena, the queue does not: rollback loses no event.
 */
#include "arena.h"
#include "loop.h"
#include "xen.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <xenevtchn.h>

#define PORTS_MAX 4096 /* one ring of the device: what can be pending unread */
#define PORT_LAST INT32_MAX
#define PORT UP_TO("port", PORT_LAST)
#define DISPATCH_BATCH 64

static JSValue *handler;
static xenevtchn_handle *device;
static uint32_t queue[PORTS_MAX];
static uint32_t queued;

bool event_channel_create(void) {
  handler = arena_alloc(sizeof *handler);
  if (handler)
    *handler = JS_NULL;
  return handler != NULL;
}

bool event_channel_listening(void) { return !JS_IsNull(*handler); }

bool event_channel_queued(void) { return queued > 0; }

int event_channel_fd(void) { return device ? xenevtchn_fd(device) : -1; }

static bool device_open(JSContext *ctx) {
  xen_clear();
  if (!device && (device = xenevtchn_open(xen_logger(), 0)) &&
      fcntl(xenevtchn_fd(device), F_SETFL, O_NONBLOCK) < 0) {
    xenevtchn_close(device);
    device = NULL;
  }
  if (!device)
    xen_throw(ctx);
  return device != NULL;
}

static void queue_remove(uint32_t index) {
  memmove(queue + index, queue + index + 1, (--queued - index) * sizeof *queue);
}

/* Takes in every pending port for which the queue has room, in one system call: a PV domain pays dearly for each. */
static void queue_fill(void) {
  ssize_t length = read(xenevtchn_fd(device), queue + queued, (PORTS_MAX - queued) * sizeof *queue);
  if (length > 0)
    queued += (uint32_t)length / sizeof *queue;
}

/* Takes `port` off the queue and lets its next event in. */
static bool queue_take(uint32_t port) {
  for (uint32_t i = 0; i < queued; i++)
    if (queue[i] == port) {
      queue_remove(i);
      xenevtchn_unmask(device, port);
      return true;
    }
  return false;
}

bool event_channel_dispatch(JSContext *ctx, bool readable) {
  if (readable)
    queue_fill();
  for (int i = 0; i < DISPATCH_BATCH && event_channel_listening() && queued; i++) {
    uint32_t port = queue[0];
    queue_take(port);
    JSValueConst argument = JS_NewUint32(ctx, port);
    if (!handler_run(ctx, JS_DupValue(ctx, *handler), 1, &argument))
      return false;
  }
  return true;
}

static JSValue alloc_unbound(JSContext *ctx, const struct argument *a) {
  if (!device_open(ctx))
    return JS_EXCEPTION;
  return xen_outcome_number(ctx, xenevtchn_bind_unbound_port(device, (uint32_t)a[0].integer));
}

static JSValue bind_interdomain(JSContext *ctx, const struct argument *a) {
  if (!device_open(ctx))
    return JS_EXCEPTION;
  uint32_t domid = (uint32_t)a[0].integer, port = (uint32_t)a[1].integer;
  return xen_outcome_number(ctx, xenevtchn_bind_interdomain(device, domid, port));
}

static JSValue bind_virq(JSContext *ctx, const struct argument *a) {
  if (!device_open(ctx))
    return JS_EXCEPTION;
  return xen_outcome_number(ctx, xenevtchn_bind_virq(device, (unsigned)a[0].integer));
}

static JSValue unbind(JSContext *ctx, const struct argument *a) {
  uint32_t port = (uint32_t)a[0].integer;
  if (!device_open(ctx))
    return JS_EXCEPTION;
  if (xenevtchn_unbind(device, port) < 0)
    return xen_throw(ctx);
  for (uint32_t i = 0; i < queued; i++) /* no unmask: the port may be another's by now */
    if (queue[i] == port)
      queue_remove(i--);
  return JS_UNDEFINED;
}

static JSValue notify(JSContext *ctx, const struct argument *a) {
  if (!device_open(ctx))
    return JS_EXCEPTION;
  return xen_outcome(ctx, xenevtchn_notify(device, (uint32_t)a[0].integer));
}

static JSValue on_event(JSContext *ctx, const struct argument *a) {
  JSValue old = *handler;
  *handler = JS_DupValue(ctx, a[0].value);
  JS_FreeValue(ctx, old);
  return JS_UNDEFINED;
}

static JSValue wait_for(JSContext *ctx, const struct argument *a) {
  if (!device_open(ctx))
    return JS_EXCEPTION;
  struct pollfd wait = {.fd = xenevtchn_fd(device), .events = POLLIN};
  double left = (double)a[1].integer, deadline = clock_coarse_ms() + left;
  while (!queue_take((uint32_t)a[0].integer)) {
    int ready = poll(&wait, 1, left > 0 ? (int)ceil(left) : 0);
    if (ready < 0 && errno != EINTR)
      return throw_errno(ctx, NULL);
    if (ready == 0)
      return JS_FALSE;
    queue_fill();
    left = deadline - clock_coarse_ms();
  }
  return JS_TRUE;
}

const struct rt_export event_channel_exports[] = {
    {"evtchnAllocUnbound", alloc_unbound, {DOMID("remoteDomid")}},
    {"evtchnBindInterdomain", bind_interdomain, {DOMID("remoteDomid"), UP_TO("remotePort", PORT_LAST)}},
    {"evtchnBindVirq", bind_virq, {UP_TO("virq", NR_VIRQS - 1)}},
    {"evtchnUnbind", unbind, {PORT}},
    {"evtchnNotify", notify, {PORT}},
    {"onEvent", on_event, {HANDLER(FUNCTION_OR_NULL)}},
    {"evtchnWait", wait_for, {PORT, DELAY("timeoutMs")}},
    {NULL, NULL, {}},
};
