/* Results and errors. Defining (not assigning) properties keeps setters on Object.prototype out of the way. */
#include "rt.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX 800

JSValue throw_error(JSContext *ctx, int error, const char *format, ...) {
  char message[MESSAGE_MAX];
  const char *code = strerrorname_np(error) ?: "EIO";
  int length = snprintf(message, sizeof message, "%s: %s: ", module_current_op(), code);
  va_list list;
  va_start(list, format);
  vsnprintf(message + length, sizeof message - (size_t)length, format, list);
  va_end(list);

  JSValue object = JS_NewError(ctx);
  result_text(ctx, &object, "message", message);
  result_text(ctx, &object, "code", code);
  result_text(ctx, &object, "op", module_current_op());
  return JS_IsException(object) ? object : JS_Throw(ctx, object);
}

JSValue throw_errno(JSContext *ctx, const char *subject) {
  int error = errno;
  const char *text = strerrordesc_np(error) ?: "unknown error";
  return subject ? throw_error(ctx, error, "%s (%s)", text, subject) : throw_error(ctx, error, "%s", text);
}

JSValue outcome(JSContext *ctx, int result, const char *subject) {
  return result < 0 ? throw_errno(ctx, subject) : JS_UNDEFINED;
}

JSValue outcome_number(JSContext *ctx, long result, const char *subject) {
  return result < 0 ? throw_errno(ctx, subject) : JS_NewInt64(ctx, result);
}

JSValue new_bytes(JSContext *ctx, const void *data, size_t length) {
  JSValue buffer = JS_NewArrayBufferCopy(ctx, data, length);
  if (JS_IsException(buffer))
    return buffer;
  JSValueConst arguments[] = {buffer, JS_UNDEFINED, JS_UNDEFINED};
  JSValue array = JS_NewTypedArray(ctx, 3, arguments, JS_TYPED_ARRAY_UINT8);
  JS_FreeValue(ctx, buffer);
  return array;
}

static void spoil(JSContext *ctx, JSValue *object) {
  JS_FreeValue(ctx, *object);
  *object = JS_EXCEPTION;
}

void result_set(JSContext *ctx, JSValue *object, const char *name, JSValue value) {
  if (JS_IsException(*object))
    JS_FreeValue(ctx, value);
  else if (JS_IsException(value) || JS_DefinePropertyValueStr(ctx, *object, name, value, JS_PROP_C_W_E) < 0)
    spoil(ctx, object);
}

void result_integer(JSContext *ctx, JSValue *object, const char *name, long value) {
  result_set(ctx, object, name, JS_NewInt64(ctx, value));
}

void result_text(JSContext *ctx, JSValue *object, const char *name, const char *text) {
  result_set(ctx, object, name, JS_NewString(ctx, text));
}

void result_boolean(JSContext *ctx, JSValue *object, const char *name, unsigned long value) {
  result_set(ctx, object, name, JS_NewBool(ctx, value != 0));
}

void result_append(JSContext *ctx, JSValue *array, uint32_t index, JSValue value) {
  if (JS_IsException(*array))
    JS_FreeValue(ctx, value);
  else if (JS_IsException(value) || JS_DefinePropertyValueUint32(ctx, *array, index, value, JS_PROP_C_W_E) < 0)
    spoil(ctx, array);
}
