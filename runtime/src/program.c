/* The program itself: its end, its log, clocks, random bytes. */
#include "rt.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define RANDOM_MAX 65536

static JSValue program_exit(JSContext *ctx, const struct argument *a) {
  (void)ctx;
  exit((int)a[0].integer);
}

static JSValue pid(JSContext *ctx, const struct argument *a) {
  (void)a;
  return JS_NewInt32(ctx, getpid());
}

static JSValue write_log(JSContext *ctx, const struct argument *a) {
  (void)ctx;
  log_line(a[0].text, a[0].length);
  return JS_UNDEFINED;
}

static JSValue monotonic_ms(JSContext *ctx, const struct argument *a) {
  (void)a;
  return JS_NewFloat64(ctx, clock_monotonic_ms());
}

static JSValue wall_clock_ms(JSContext *ctx, const struct argument *a) {
  (void)a;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return JS_NewFloat64(ctx, (double)now.tv_sec * 1e3 + (double)(now.tv_nsec / 1000000));
}

static JSValue random_bytes(JSContext *ctx, const struct argument *a) {
  static uint8_t bytes[RANDOM_MAX];
  for (size_t done = 0, wanted = (size_t)a[0].integer; done < wanted;) {
    ssize_t got = TEMP_FAILURE_RETRY(getrandom(bytes + done, wanted - done, 0));
    if (got < 0)
      return throw_errno(ctx, NULL);
    done += (size_t)got;
  }
  return new_bytes(ctx, bytes, (size_t)a[0].integer);
}

const struct rt_export program_exports[] = {
    {"exit", program_exit, {UP_TO("status", 255)}},
    {"pid", pid, {}},
    {"log", write_log, {{.name = "line", .kind = LINE, .max = INTEGER_LAST}}},
    {"monotonicMs", monotonic_ms, {}},
    {"wallClockMs", wall_clock_ms, {}},
    {"randomBytes", random_bytes, {UP_TO("length", RANDOM_MAX)}},
    {NULL, NULL, {}},
};
