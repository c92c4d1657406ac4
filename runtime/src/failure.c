/* Prints an exception and its stack, whatever was thrown. */
#include "rt.h"

#include <string.h>

/* One log line per line of text. */
static void log_lines(const char *text) {
  while (*text) {
    size_t length = strcspn(text, "\n");
    log_line(text, length);
    text += length + (text[length] == '\n');
  }
}

void failure_log(JSContext *ctx, const char *where) {
  JSValue error = JS_GetException(ctx);
  const char *message = JS_ToCString(ctx, error);
  log_format("%s: %s", where, message ? message : "(what was thrown cannot be printed)");
  JS_FreeCString(ctx, message);

  if (JS_IsError(ctx, error)) {
    JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
    const char *text = JS_IsString(stack) ? JS_ToCString(ctx, stack) : NULL;
    if (text)
      log_lines(text);
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, stack);
  }
  JS_FreeValue(ctx, error);
  JS_FreeValue(ctx, JS_GetException(ctx)); /* printing may have thrown as well */
}
