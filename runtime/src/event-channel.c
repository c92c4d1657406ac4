/*
 * Event channels through one /dev/xen/evtchn. A port that was read from the device stays masked until it is delivered,
 * so that it is in the queue at most once. The handler lies in the arena, the queue does not: rollback loses no event.
 */
#include "arena.h"
#include "argument.h"
#include "loop.h"
#include "xen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <xenevtchn.h>

#define PORTS_MAX 4096 /* one ring of the device: what can be pending unread */
#define PORT_LAST INT32_MAX
#define VIRQ_LAST (NR_VIRQS - 1)
#define DISPATCH_BATCH 64
#define WAIT_MAX_MS 3600e3

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

/* Reads one pending port, if there is one and the queue has room. */
static bool queue_fill(void) {
  if (!device || queued == PORTS_MAX)
    return false;
  int port = xenevtchn_pending(device);
  if (port < 0)
    return false;
  queue[queued++] = (uint32_t)port;
  return true;
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

bool event_channel_dispatch(JSContext *ctx) {
  for (int i = 0; i < DISPATCH_BATCH && event_channel_listening() && (queued || queue_fill()); i++) {
    uint32_t port = queue[0];
    queue_take(port);
    JSValueConst argument = JS_NewUint32(ctx, port);
    if (!handler_run(ctx, JS_DupValue(ctx, *handler), 1, &argument))
      return false;
  }
  return true;
}

static bool read_port(JSContext *ctx, JSValueConst v, uint32_t *port) {
  int64_t number;
  if (!read_integer(ctx, v, "port", 0, PORT_LAST, &number))
    return false;
  *port = (uint32_t)number;
  return true;
}

static JSValue port_result(JSContext *ctx, int port) { return port < 0 ? xen_throw(ctx) : JS_NewInt32(ctx, port); }

static JSValue alloc_unbound(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid;
  if (!read_domid(ctx, argv[0], "remoteDomid", &domid) || !device_open(ctx))
    return JS_EXCEPTION;
  return port_result(ctx, xenevtchn_bind_unbound_port(device, domid));
}

static JSValue bind_interdomain(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid, port;
  if (!read_domid(ctx, argv[0], "remoteDomid", &domid) || !read_port(ctx, argv[1], &port) || !device_open(ctx))
    return JS_EXCEPTION;
  return port_result(ctx, xenevtchn_bind_interdomain(device, domid, port));
}

static JSValue bind_virq(JSContext *ctx, JSValueConst *argv) {
  int64_t virq;
  if (!read_integer(ctx, argv[0], "virq", 0, VIRQ_LAST, &virq) || !device_open(ctx))
    return JS_EXCEPTION;
  return port_result(ctx, xenevtchn_bind_virq(device, (unsigned)virq));
}

static JSValue unbind(JSContext *ctx, JSValueConst *argv) {
  uint32_t port;
  if (!read_port(ctx, argv[0], &port) || !device_open(ctx))
    return JS_EXCEPTION;
  if (xenevtchn_unbind(device, port) < 0)
    return xen_throw(ctx);
  for (uint32_t i = 0; i < queued; i++) /* no unmask: the port may be another's by now */
    if (queue[i] == port)
      queue_remove(i--);
  return JS_UNDEFINED;
}

static JSValue notify(JSContext *ctx, JSValueConst *argv) {
  uint32_t port;
  if (!read_port(ctx, argv[0], &port) || !device_open(ctx))
    return JS_EXCEPTION;
  return xen_result(ctx, xenevtchn_notify(device, port));
}

static JSValue on_event(JSContext *ctx, JSValueConst *argv) {
  if (!read_function(ctx, argv[0], "handler", true))
    return JS_EXCEPTION;
  JSValue old = *handler;
  *handler = JS_DupValue(ctx, argv[0]);
  JS_FreeValue(ctx, old);
  return JS_UNDEFINED;
}

static JSValue wait_for(JSContext *ctx, JSValueConst *argv) {
  uint32_t port;
  double timeout_ms;
  if (!read_port(ctx, argv[0], &port) || !read_number(ctx, argv[1], "timeoutMs", 0, WAIT_MAX_MS, &timeout_ms) ||
      !device_open(ctx))
    return JS_EXCEPTION;
  double deadline = clock_monotonic_ms() + timeout_ms;
  for (;;) {
    while (queue_fill())
      ;
    if (queue_take(port))
      return JS_TRUE;
    double left = deadline - clock_monotonic_ms();
    if (left <= 0)
      return JS_FALSE;
    struct pollfd wait = {.fd = xenevtchn_fd(device), .events = POLLIN};
    if (poll(&wait, 1, (int)left + 1) < 0 && errno != EINTR)
      return throw_errno(ctx, NULL);
  }
}

const struct rt_export event_channel_exports[] = {
    {"evtchnAllocUnbound", 1, alloc_unbound},
    {"evtchnBindInterdomain", 2, bind_interdomain},
    {"evtchnBindVirq", 1, bind_virq},
    {"evtchnUnbind", 1, unbind},
    {"evtchnNotify", 1, notify},
    {"onEvent", 1, on_event},
    {"evtchnWait", 2, wait_for},
    {NULL, 0, NULL},
};
