/* Log lines, exceptions, and the clock. */
#include "rt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define KMSG_DEVICE makedev(1, 11)

/* In a VM standard error is the kernel's log. A service's line has the level of an error there, which a quiet kernel still prints. */
static size_t level(char *text) {
  static const char error[] = "<3>";
  struct stat status;
  if (fstat(STDERR_FILENO, &status) < 0 || !S_ISCHR(status.st_mode) || status.st_rdev != KMSG_DEVICE)
    return 0;
  memcpy(text, error, sizeof error - 1);
  return sizeof error - 1;
}

void log_line(const char *line, size_t length) {
  char text[LOG_LINE_MAX + 8];
  size_t start = level(text);
  if (length > LOG_LINE_MAX)
    length = LOG_LINE_MAX;
  for (size_t i = 0; i < length; i++)
    text[start + i] = (unsigned char)line[i] < 0x20 || line[i] == 0x7f ? ' ' : line[i];
  text[start + length] = '\n';
  if (write(STDERR_FILENO, text, start + length + 1) < 0)
    return; /* there is nowhere left to complain */
}

void log_text(const char *text) {
  do {
    size_t length = strcspn(text, "\n");
    log_line(text, length);
    text += length + (text[length] == '\n');
  } while (*text);
}

void log_format(const char *format, ...) {
  char line[LOG_LINE_MAX + 1];
  va_list list;
  va_start(list, format);
  vsnprintf(line, sizeof line, format, list);
  va_end(list);
  log_line(line, strlen(line));
}

void log_exception(JSContext *ctx, const char *where) {
  JSValue error = JS_GetException(ctx);
  const char *message = JS_ToCString(ctx, error);
  log_format("%s: %s", where, message ? message : "(what was thrown cannot be printed)");
  JS_FreeCString(ctx, message);

  JSValue stack = JS_IsError(ctx, error) ? JS_GetPropertyStr(ctx, error, "stack") : JS_UNDEFINED;
  const char *text = JS_IsString(stack) ? JS_ToCString(ctx, stack) : NULL;
  if (text && *text)
    log_text(text);
  JS_FreeCString(ctx, text);
  JS_FreeValue(ctx, stack);
  JS_FreeValue(ctx, error);
  JS_FreeValue(ctx, JS_GetException(ctx)); /* printing may have thrown as well */
}

static double clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

double clock_monotonic_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

double clock_coarse_ms(void) { return clock_ms(CLOCK_MONOTONIC_COARSE); }
