/*
 * Event channels through one /dev/xen/evtchn. A port that was read from the device stays masked until it is delivered and
 * somebody waits again, so that it is in the queue at most once and one system call lets in all that were delivered: a PV
 * domain pays dearly for each. The handler lies in the arena, the queues do not: rollback loses no event.
 */
#include "arena.h"
#include "loop.h"
#include "xen.h"

#include <errno.h>
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
static struct ports {
  uint32_t ports[PORTS_MAX], count;
} queue, /* read, not delivered */ delivered; /* still masked */

bool event_channel_create(void) {
  handler = arena_alloc(sizeof *handler);
  if (handler)
    *handler = JS_NULL;
  return handler != NULL;
}

bool event_channel_listening(void) { return !JS_IsNull(*handler); }

bool event_channel_queued(void) { return queue.count > 0; }

int event_channel_fd(void) { return device ? xenevtchn_fd(device) : -1; }

static bool device_open(JSContext *ctx) {
  xen_clear();
  if (!device && !(device = xenevtchn_open(xen_logger(), 0)))
    xen_throw(ctx);
  return device != NULL;
}

/* Takes `port` out. */
static bool ports_remove(struct ports *from, uint32_t port) {
  for (uint32_t i = 0; i < from->count; i++)
    if (from->ports[i] == port) {
      memmove(from->ports + i, from->ports + i + 1, (--from->count - i) * sizeof *from->ports);
      return true;
    }
  return false;
}

/* A port is either queued or delivered, so there is room. */
static bool queue_take(uint32_t port) {
  if (!ports_remove(&queue, port))
    return false;
  delivered.ports[delivered.count++] = port;
  return true;
}

void event_channel_unmask(void) {
  if (delivered.count && write(xenevtchn_fd(device), delivered.ports, delivered.count * sizeof *delivered.ports) < 0)
    log_format("event channels: unmasking failed: errno %d", errno);
  delivered.count = 0;
}

void event_channel_fill(void) {
  size_t room = PORTS_MAX - queue.count;
  ssize_t length = read(xenevtchn_fd(device), queue.ports + queue.count, room * sizeof *queue.ports);
  if (length > 0)
    queue.count += (uint32_t)length / sizeof *queue.ports;
}

bool event_channel_dispatch(JSContext *ctx) {
  for (int i = 0; i < DISPATCH_BATCH && event_channel_listening() && queue.count; i++) {
    uint32_t port = queue.ports[0];
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
  ports_remove(&queue, port);
  ports_remove(&delivered, port); /* no unmask: the number may be another's by now */
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
    event_channel_unmask();
    int ready = poll(&wait, 1, left > 0 ? (int)ceil(left) : 0);
    if (ready < 0 && errno != EINTR)
      return throw_errno(ctx, NULL);
    if (ready == 0)
      return JS_FALSE;
    if (ready > 0)
      event_channel_fill();
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
