/* The program itself: its end, its log, clocks, random bytes. */
#include "argument.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define RANDOM_MAX 65536

static JSValue program_exit(JSContext *ctx, JSValueConst *argv) {
  int64_t status;
  if (!read_integer(ctx, argv[0], "status", 0, 255, &status))
    return JS_EXCEPTION;
  exit((int)status);
}

static JSValue pid(JSContext *ctx, JSValueConst *argv) {
  (void)argv;
  return JS_NewInt32(ctx, getpid());
}

static JSValue log_(JSContext *ctx, JSValueConst *argv) {
  if (!JS_IsString(argv[0]))
    return throw_argument(ctx, "line is not a string");
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, argv[0]);
  if (!text)
    return JS_EXCEPTION;
  log_line(text, length);
  JS_FreeCString(ctx, text);
  return JS_UNDEFINED;
}

static JSValue monotonic_ms(JSContext *ctx, JSValueConst *argv) {
  (void)argv;
  return JS_NewFloat64(ctx, clock_monotonic_ms());
}

static JSValue wall_clock_ms(JSContext *ctx, JSValueConst *argv) {
  (void)argv;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return JS_NewFloat64(ctx, (double)now.tv_sec * 1e3 + (double)(now.tv_nsec / 1000000));
}

static JSValue random_bytes(JSContext *ctx, JSValueConst *argv) {
  static uint8_t bytes[RANDOM_MAX];
  int64_t length;
  if (!read_integer(ctx, argv[0], "length", 0, RANDOM_MAX, &length))
    return JS_EXCEPTION;
  for (size_t done = 0; done < (size_t)length;) {
    ssize_t got = getrandom(bytes + done, (size_t)length - done, 0);
    if (got < 0 && errno != EINTR)
      return throw_errno(ctx, NULL);
    done += got > 0 ? (size_t)got : 0;
  }
  return new_bytes(ctx, bytes, (size_t)length);
}

const struct rt_export program_exports[] = {
    {"exit", 1, program_exit},           {"pid", 0, pid},
    {"log", 1, log_},                    {"monotonicMs", 0, monotonic_ms},
    {"wallClockMs", 0, wall_clock_ms},   {"randomBytes", 1, random_bytes},
    {NULL, 0, NULL},
};
