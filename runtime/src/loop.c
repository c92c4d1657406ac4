/*
 * epoll, timers and their tables. The tables lie in the arena, so a rollback restores them together with the
 * JavaScript values they hold; what the kernel knows (epoll) is kept outside and brought in line afterwards.
 */
#include "loop.h"
#include "arena.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TIMERS_MAX 256
#define EPOLL_BATCH 32
#define EVENT_CHANNEL_KEY (~0ull)

enum direction { READABLE, WRITABLE };

struct watch {
  JSValue handlers[2]; /* JS_NULL: none */
  uint32_t generation; /* of the descriptor it was made for */
};

struct timer {
  int32_t id; /* 0: free */
  double delay_ms, deadline_ms;
  JSValue handler;
};

static struct tables {
  struct watch watches[FD_LIMIT];
  struct timer timers[TIMERS_MAX];
  int32_t last_timer_id;
  uint32_t registered; /* handlers of descriptors, and timers */
} *tables;

static int epoll_fd = -1;
static int fd_end; /* no descriptor from here on was ever watched: most services watch a handful */
static bool event_channel_armed;
static struct {
  uint32_t events;     /* what epoll watches */
  uint32_t generation; /* counts how often the number was closed */
} kernel[FD_LIMIT];

bool loop_create(void) {
  tables = arena_alloc(sizeof *tables);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (!tables || epoll_fd < 0)
    return false;
  *tables = (struct tables){0};
  for (int fd = 0; fd < FD_LIMIT; fd++)
    tables->watches[fd].handlers[READABLE] = tables->watches[fd].handlers[WRITABLE] = JS_NULL;
  return true;
}

static int epoll_sync(int fd) {
  const struct watch *watch = &tables->watches[fd];
  uint32_t wanted = 0;
  if (!JS_IsNull(watch->handlers[READABLE]))
    wanted |= EPOLLIN;
  if (!JS_IsNull(watch->handlers[WRITABLE]))
    wanted |= EPOLLOUT;
  if (wanted == kernel[fd].events)
    return 0;
  int operation = !wanted ? EPOLL_CTL_DEL : kernel[fd].events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  struct epoll_event event = {.events = wanted,
                              .data.u64 = (uint64_t)kernel[fd].generation << 32 | (unsigned)fd};
  if (epoll_ctl(epoll_fd, operation, fd, &event) < 0 && wanted)
    return -1;
  kernel[fd].events = wanted;
  return 0;
}

static void watch_set(JSContext *ctx, int fd, enum direction direction, JSValue handler) {
  struct watch *watch = &tables->watches[fd];
  if (fd >= fd_end)
    fd_end = fd + 1;
  JSValue old = watch->handlers[direction];
  tables->registered += !JS_IsNull(handler);
  tables->registered -= !JS_IsNull(old);
  watch->handlers[direction] = handler;
  watch->generation = kernel[fd].generation;
  JS_FreeValue(ctx, old);
}

void loop_forget_fd(JSContext *ctx, int fd) {
  watch_set(ctx, fd, READABLE, JS_NULL);
  watch_set(ctx, fd, WRITABLE, JS_NULL);
  epoll_sync(fd);
  kernel[fd].generation++;
}

void loop_after_rollback(void) {
  for (int fd = 0; fd < fd_end; fd++) {
    struct watch *watch = &tables->watches[fd];
    /* A descriptor closed since the snapshot stays closed; its number may belong to another file by now. */
    bool stale = watch->generation != kernel[fd].generation;
    for (int direction = READABLE; direction <= WRITABLE; direction++)
      if (stale && !JS_IsNull(watch->handlers[direction])) {
        watch->handlers[direction] = JS_NULL;
        tables->registered--;
      }
    epoll_sync(fd);
  }
}

static JSValue watch_register(JSContext *ctx, const struct argument *a, enum direction direction) {
  int fd = (int)a[0].integer;
  watch_set(ctx, fd, direction, JS_DupValue(ctx, a[1].value));
  if (epoll_sync(fd) == 0)
    return JS_UNDEFINED;
  JSValue exception = throw_errno(ctx, NULL);
  watch_set(ctx, fd, direction, JS_NULL);
  return exception;
}

static JSValue on_readable(JSContext *ctx, const struct argument *a) { return watch_register(ctx, a, READABLE); }

static JSValue on_writable(JSContext *ctx, const struct argument *a) { return watch_register(ctx, a, WRITABLE); }

static JSValue wait_readable(JSContext *ctx, const struct argument *a) {
  struct pollfd wait = {.fd = (int)a[0].integer, .events = POLLIN};
  double left = (double)a[1].integer, deadline = clock_monotonic_ms() + left;
  int ready = 0;
  while ((ready = poll(&wait, 1, left > 0 ? (int)ceil(left) : 0)) < 0 && errno == EINTR)
    left = deadline - clock_monotonic_ms();
  if (wait.revents & POLLNVAL)
    return throw_error(ctx, EBADF, "descriptor %d is not open", wait.fd);
  return ready < 0 ? throw_errno(ctx, NULL) : JS_NewBool(ctx, ready > 0);
}

static struct timer *timer_find(int32_t id) {
  for (int i = 0; i < TIMERS_MAX; i++)
    if (tables->timers[i].id == id)
      return &tables->timers[i];
  return NULL;
}

static JSValue timer_start(JSContext *ctx, int64_t delay_ms, JSValueConst handler) {
  struct timer *timer = timer_find(0);
  if (!timer)
    return throw_error(ctx, ENOSPC, "more than %d timers", TIMERS_MAX);
  int32_t id = tables->last_timer_id = tables->last_timer_id == INT32_MAX ? 1 : tables->last_timer_id + 1;
  double deadline_ms = clock_monotonic_ms() + (double)delay_ms;
  *timer = (struct timer){id, (double)delay_ms, deadline_ms, JS_DupValue(ctx, handler)};
  tables->registered++;
  return JS_NewInt32(ctx, id);
}

static JSValue set_timer(JSContext *ctx, const struct argument *a) {
  return timer_start(ctx, a[0].integer, a[1].value);
}

static JSValue set_timeout(JSContext *ctx, const struct argument *a) {
  return timer_start(ctx, a[1].integer, a[0].value);
}

static JSValue clear_timer(JSContext *ctx, const struct argument *a) {
  struct timer *timer = a[0].integer ? timer_find((int32_t)a[0].integer) : NULL;
  if (timer) {
    JSValue handler = timer->handler;
    timer->id = 0;
    tables->registered--;
    JS_FreeValue(ctx, handler);
  }
  return JS_UNDEFINED;
}

static struct timer *timer_first(void) {
  struct timer *first = NULL;
  for (int i = 0; i < TIMERS_MAX; i++) {
    struct timer *timer = &tables->timers[i];
    if (timer->id && (!first || timer->deadline_ms < first->deadline_ms))
      first = timer;
  }
  return first;
}

static bool timers_run(JSContext *ctx) {
  struct timer *timer = timer_first();
  double now = timer ? clock_monotonic_ms() : 0;
  for (int i = 0; i < TIMERS_MAX && timer && timer->deadline_ms <= now; i++) {
    /* Rollback would bring the timer back, already due. So a timer of the snapshot repeats. */
    struct timer *twin = arena_snapshot_twin(timer);
    if (twin && twin->id == timer->id)
      twin->deadline_ms = now + fmax(timer->delay_ms, 1);
    JSValue handler = timer->handler;
    timer->id = 0;
    tables->registered--;
    if (!handler_run(ctx, handler, 0, NULL))
      return false;
    timer = timer_first();
  }
  return true;
}

static int wait_timeout_ms(void) {
  if (event_channel_listening() && event_channel_queued())
    return 0;
  const struct timer *first = timer_first();
  if (!first)
    return -1;
  double left = ceil(first->deadline_ms - clock_monotonic_ms());
  return left <= 0 ? 0 : left >= DELAY_MAX_MS ? DELAY_MAX_MS : (int)left;
}

static bool watch_dispatch(JSContext *ctx, uint64_t key, uint32_t events) {
  static const uint32_t wakes[] = {[READABLE] = EPOLLIN | EPOLLHUP | EPOLLERR,
                                   [WRITABLE] = EPOLLOUT | EPOLLHUP | EPOLLERR};
  uint32_t fd = (uint32_t)key;
  for (int direction = READABLE; direction <= WRITABLE; direction++) {
    /* An earlier handler of this batch may have closed the descriptor or removed the handler. */
    if (kernel[fd].generation != key >> 32)
      return true;
    JSValue handler = tables->watches[fd].handlers[direction];
    if ((events & wakes[direction]) && !JS_IsNull(handler) && !handler_run(ctx, JS_DupValue(ctx, handler), 0, NULL))
      return false;
  }
  return true;
}

static void event_channel_sync(void) {
  bool wanted = event_channel_listening() && event_channel_fd() >= 0;
  if (wanted == event_channel_armed)
    return;
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = EVENT_CHANNEL_KEY};
  if (epoll_ctl(epoll_fd, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, event_channel_fd(), &event) == 0)
    event_channel_armed = wanted;
}

/* Waits until something has happened; how many descriptors are ready, -1 on an error. */
static int loop_wait(struct epoll_event *events) {
  event_channel_sync();
  event_channel_unmask();
  if (!tables->registered && !event_channel_queued() && event_channel_fd() >= 0) {
    event_channel_fill(); /* nothing else can happen: one system call instead of two */
    return 0;
  }
  int count = epoll_wait(epoll_fd, events, EPOLL_BATCH, wait_timeout_ms());
  for (int i = 0; i < count; i++)
    if (events[i].data.u64 == EVENT_CHANNEL_KEY)
      event_channel_fill(); /* before any handler could do so, for then it would block */
  return count < 0 && errno == EINTR ? 0 : count;
}

bool loop_run(JSContext *ctx) {
  struct epoll_event events[EPOLL_BATCH];
  while (tables->registered || event_channel_listening()) {
    int count = loop_wait(events);
    if (count < 0) {
      log_format("event loop: epoll_wait: errno %d", errno);
      return false;
    }
    for (int i = 0; i < count; i++)
      if (events[i].data.u64 != EVENT_CHANNEL_KEY && !watch_dispatch(ctx, events[i].data.u64, events[i].events))
        return false;
    if (!event_channel_dispatch(ctx) || !timers_run(ctx))
      return false;
  }
  return true;
}

const struct rt_export loop_exports[] = {
    {"onReadable", on_readable, {FD, HANDLER(FUNCTION_OR_NULL)}},
    {"onWritable", on_writable, {FD, HANDLER(FUNCTION_OR_NULL)}},
    {"waitReadable", wait_readable, {FD, DELAY("timeoutMs")}},
    {"setTimer", set_timer, {DELAY("delayMs"), HANDLER(FUNCTION)}},
    {"clearTimer", clear_timer, {INT("id", 1, INT32_MAX)}},
    {NULL, NULL, {}},
};

/* The same as globals, with the names and the order of arguments that programs expect. */
const struct rt_export loop_globals[] = {
    {"setTimeout",
     set_timeout,
     {HANDLER(FUNCTION), {.name = "delayMs", .kind = MILLISECONDS, .max = DELAY_MAX_MS, .optional = true}}},
    {"clearTimeout", clear_timer, {{.name = "id", .kind = INTEGER, .max = INT32_MAX, .optional = true}}},
    {NULL, NULL, {}},
};
