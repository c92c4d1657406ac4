/*
 * Running one handler: its time limit, its promise jobs, what happens when it fails, and the rollback after it.
 */
#include "arena.h"
#include "loop.h"

#include <errno.h>

#define REJECTIONS_MAX 64
#define HANDLER_LIMIT_DEFAULT_MS 10000

/* Promises rejected by this handler that nothing handles (yet). In the arena, as they hold JavaScript values. */
static struct rejections {
  uint32_t count;
  bool overflowed;
  struct {
    JSValue promise, reason;
  } entries[REJECTIONS_MAX];
} *rejections;

/* What runs after a handler that failed and was rolled back; in the arena, as it holds a JavaScript value. */
static JSValue *failure_handler;
static bool recovering; /* it runs */

static double limit_ms = HANDLER_LIMIT_DEFAULT_MS;
static double deadline_ms; /* of the running handler; 0: none */
static enum { ROLLBACK_OFF, ROLLBACK_WANTED, ROLLBACK_ON } rollback;
static uint32_t rollbacks;
static unsigned long refusals_seen;

static int interrupted(JSRuntime *runtime, void *opaque) {
  (void)runtime, (void)opaque;
  return deadline_ms > 0 && clock_coarse_ms() > deadline_ms;
}

static void rejection_remove(JSContext *ctx, uint32_t index) {
  JSValue promise = rejections->entries[index].promise, reason = rejections->entries[index].reason;
  rejections->entries[index] = rejections->entries[--rejections->count];
  JS_FreeValue(ctx, promise);
  JS_FreeValue(ctx, reason);
}

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, JS_BOOL handled, void *opaque) {
  (void)opaque;
  if (!handled && rejections->count == REJECTIONS_MAX) {
    rejections->overflowed = true;
  } else if (!handled) {
    rejections->entries[rejections->count].promise = JS_DupValue(ctx, promise);
    rejections->entries[rejections->count++].reason = JS_DupValue(ctx, reason);
  } else {
    for (uint32_t i = 0; i < rejections->count; i++)
      if (JS_VALUE_GET_PTR(rejections->entries[i].promise) == JS_VALUE_GET_PTR(promise)) {
        rejection_remove(ctx, i);
        return;
      }
  }
}

bool handler_create(JSRuntime *runtime) {
  rejections = arena_alloc(sizeof *rejections);
  failure_handler = arena_alloc(sizeof *failure_handler);
  if (!rejections || !failure_handler)
    return false;
  *failure_handler = JS_NULL;
  *rejections = (struct rejections){0};
  JS_SetInterruptHandler(runtime, interrupted, NULL);
  JS_SetHostPromiseRejectionTracker(runtime, track_rejection, NULL);
  return true;
}

static bool jobs_drain(JSContext *ctx) {
  JSContext *job_context;
  int result;
  while ((result = JS_ExecutePendingJob(JS_GetRuntime(ctx), &job_context)) > 0)
    if (interrupted(NULL, NULL)) {
      log_format("promise jobs ran longer than %.0f ms", limit_ms);
      return false;
    }
  if (result < 0)
    log_exception(ctx, "promise job");
  return result == 0;
}

static bool rejections_report(JSContext *ctx) {
  bool none = !rejections->count && !rejections->overflowed;
  if (rejections->overflowed)
    log_format("more than %d unhandled rejections", REJECTIONS_MAX);
  rejections->overflowed = false;
  while (rejections->count) {
    JS_Throw(ctx, JS_DupValue(ctx, rejections->entries[0].reason));
    log_exception(ctx, "unhandled rejection");
    rejection_remove(ctx, 0);
  }
  return none;
}

static void snapshot_take(JSContext *ctx) {
  JSRuntime *runtime = JS_GetRuntime(ctx);
  JS_RunGC(runtime);
  /* A handler's garbage goes with the rollback; collecting it would be wasted work unless the heap runs low. */
  JS_SetGCThreshold(runtime, arena_stats().limit / 2);
  if (arena_snapshot())
    rollback = ROLLBACK_ON;
  else
    log_format("no memory for the heap's snapshot; rollback stays off");
}

/* False when the failure handler failed as well. */
static bool recover(JSContext *ctx) {
  if (recovering || JS_IsNull(*failure_handler))
    return !recovering;
  recovering = true;
  bool recovered = handler_run(ctx, JS_DupValue(ctx, *failure_handler), 0, NULL);
  recovering = false;
  return recovered;
}

bool handler_finish(JSContext *ctx, bool failed) {
  failed = !jobs_drain(ctx) || failed;
  failed = !rejections_report(ctx) || failed;
  deadline_ms = 0;
  if (failed && arena_refusals() != refusals_seen)
    log_format("the heap's limit of %zu bytes was reached", arena_stats().limit);
  refusals_seen = arena_refusals();
  if (rollback == ROLLBACK_ON) {
    arena_rollback();
    loop_after_rollback();
    rollbacks++;
    return !failed || recover(ctx);
  }
  if (!failed && rollback == ROLLBACK_WANTED)
    snapshot_take(ctx);
  return !failed;
}

bool handler_run(JSContext *ctx, JSValue function, int argc, JSValueConst *argv) {
  deadline_ms = limit_ms > 0 ? clock_coarse_ms() + limit_ms : 0;
  JSValue result = JS_Call(ctx, function, JS_UNDEFINED, argc, argv);
  JS_FreeValue(ctx, function);
  bool failed = JS_IsException(result);
  if (failed)
    log_exception(ctx, "uncaught exception");
  JS_FreeValue(ctx, result);
  return handler_finish(ctx, failed);
}

static JSValue rollback_after_every_handler(JSContext *ctx, const struct argument *a) {
  (void)a;
  if (rollback != ROLLBACK_OFF)
    return throw_error(ctx, EALREADY, "rollback is already on");
  rollback = ROLLBACK_WANTED;
  return JS_UNDEFINED;
}

static JSValue on_handler_failure(JSContext *ctx, const struct argument *a) {
  JSValue old = *failure_handler;
  *failure_handler = JS_DupValue(ctx, a[0].value);
  JS_FreeValue(ctx, old);
  return JS_UNDEFINED;
}

static JSValue set_handler_limit(JSContext *ctx, const struct argument *a) {
  (void)ctx;
  limit_ms = (double)a[0].integer;
  return JS_UNDEFINED;
}

static JSValue heap_stats(JSContext *ctx, const struct argument *a) {
  (void)a;
  struct arena_stats stats = arena_stats();
  JSValue result = JS_NewObject(ctx);
  result_integer(ctx, &result, "usedBytes", (long)stats.used);
  result_integer(ctx, &result, "limitBytes", (long)stats.limit);
  result_integer(ctx, &result, "snapshotBytes", (long)stats.snapshot);
  result_integer(ctx, &result, "rollbacks", rollbacks);
  return result;
}

const struct rt_export handler_exports[] = {
    {"rollbackAfterEveryHandler", rollback_after_every_handler, {}},
    {"onHandlerFailure", on_handler_failure, {HANDLER(FUNCTION_OR_NULL)}},
    {"setHandlerLimit", set_handler_limit, {DELAY("milliseconds")}},
    {"heapStats", heap_stats, {}},
    {NULL, NULL, {}},
};
