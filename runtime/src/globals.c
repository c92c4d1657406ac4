/* What service code finds besides the language: console, timers, queueMicrotask, TextEncoder, TextDecoder (UTF-8). */
#include "argument.h"
#include "loop.h"
#include "utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONSOLE_ARGUMENTS_MAX 16

static JSValue set_timeout(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv) {
  (void)this_value, (void)argc;
  return loop_set_timeout(ctx, argv);
}

static JSValue clear_timeout(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv) {
  (void)this_value, (void)argc;
  return JS_IsNumber(argv[0]) ? loop_clear_timer(ctx, argv) : JS_UNDEFINED;
}

static JSValue run_microtask(JSContext *ctx, int argc, JSValueConst *argv) {
  (void)argc;
  return JS_Call(ctx, argv[0], JS_UNDEFINED, 0, NULL);
}

static JSValue queue_microtask(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv) {
  (void)this_value, (void)argc;
  if (!read_function(ctx, argv[0], "handler", false))
    return JS_EXCEPTION;
  return JS_EnqueueJob(ctx, run_microtask, 1, argv) < 0 ? JS_EXCEPTION : JS_UNDEFINED;
}

static void append(char line[RT_LOG_MAX], size_t *length, const char *text) {
  size_t room = RT_LOG_MAX - *length, wanted = strlen(text);
  size_t taken = wanted < room ? wanted : room;
  memcpy(line + *length, text, taken);
  *length += taken;
}

/* Arguments as String() gives them, errors with their stack. */
static JSValue console_log(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv) {
  (void)this_value;
  char line[RT_LOG_MAX];
  size_t length = 0;
  for (int i = 0; i < argc && i < CONSOLE_ARGUMENTS_MAX; i++) {
    const char *text = JS_ToCString(ctx, argv[i]);
    if (!text)
      return JS_EXCEPTION;
    if (i)
      append(line, &length, " ");
    append(line, &length, text);
    JS_FreeCString(ctx, text);
    if (JS_IsError(ctx, argv[i])) {
      JSValue stack = JS_GetPropertyStr(ctx, argv[i], "stack");
      const char *trace = JS_IsString(stack) ? JS_ToCString(ctx, stack) : NULL;
      append(line, &length, "\n");
      append(line, &length, trace ? trace : "");
      JS_FreeCString(ctx, trace);
      JS_FreeValue(ctx, stack);
    }
  }
  log_line(line, length);
  return JS_UNDEFINED;
}

static JSValue encoder_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv) {
  (void)argc, (void)argv;
  JSValue prototype = JS_GetPropertyStr(ctx, new_target, "prototype");
  JSValue object = JS_IsException(prototype) ? prototype : JS_NewObjectProto(ctx, prototype);
  JS_FreeValue(ctx, prototype);
  return object;
}

static JSValue encode(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv) {
  (void)this_value, (void)argc;
  if (JS_IsUndefined(argv[0]))
    return new_bytes(ctx, "", 0);
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, argv[0]);
  if (!text)
    return JS_EXCEPTION;
  JSValue result = new_bytes(ctx, text, length);
  JS_FreeCString(ctx, text);
  struct bytes bytes;
  if (JS_IsException(result) || !read_bytes(ctx, result, "encoded", SIZE_MAX, &bytes))
    return JS_EXCEPTION;
  utf8_replace_surrogates((uint8_t *)bytes.data, bytes.length);
  return result;
}

/* new TextDecoder('utf-8', { fatal }): the option is kept on the object. */
static JSValue decoder_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv) {
  static const char *const labels[] = {"utf-8", "utf8", "UTF-8", NULL};
  int label;
  bool fatal = false;
  if ((!JS_IsUndefined(argv[0]) && !read_choice(ctx, argv[0], "label", labels, &label)) ||
      (!JS_IsUndefined(argv[1]) && !field_boolean(ctx, argv[1], "fatal", OPTIONAL, &fatal)))
    return JS_EXCEPTION;
  JSValue object = encoder_new(ctx, new_target, argc, argv);
  result_set(ctx, &object, "fatal", JS_NewBool(ctx, fatal));
  return object;
}

static JSValue decode(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv) {
  (void)argc;
  bool fatal = false;
  struct bytes bytes = {(const uint8_t *)"", 0};
  if (!JS_IsUndefined(argv[1]))
    return throw_argument(ctx, "decode() takes no options: it does not stream");
  if (!field_boolean(ctx, this_value, "fatal", OPTIONAL, &fatal) ||
      (!JS_IsUndefined(argv[0]) && !read_bytes(ctx, argv[0], "bytes", SIZE_MAX, &bytes)))
    return JS_EXCEPTION;
  size_t length;
  bool valid;
  char *text = utf8_decode(bytes.data, bytes.length, &length, &valid);
  if (!text)
    return throw_errno(ctx, NULL);
  JSValue result = fatal && !valid ? JS_ThrowTypeError(ctx, "The encoded data was not valid for encoding utf-8")
                                   : JS_NewStringLen(ctx, text, length);
  free(text);
  return result;
}

static void define(JSContext *ctx, JSValue *object, const char *name, JSCFunction *call, int arity) {
  result_set(ctx, object, name, JS_NewCFunction(ctx, call, name, arity));
}

/* A constructor with one method and a constant `encoding`. */
static void define_codec(JSContext *ctx, JSValue *global, const char *name, JSCFunction *constructor, int arity,
                         const char *method, JSCFunction *call) {
  JSValue prototype = JS_NewObject(ctx);
  result_set(ctx, &prototype, "encoding", JS_NewString(ctx, "utf-8"));
  define(ctx, &prototype, method, call, 2);
  JSValue function = JS_NewCFunction2(ctx, constructor, name, arity, JS_CFUNC_constructor, 0);
  if (!JS_IsException(function) && !JS_IsException(prototype))
    JS_SetConstructor(ctx, function, prototype);
  JS_FreeValue(ctx, prototype);
  result_set(ctx, global, name, function);
}

int globals_register(JSContext *ctx) {
  JSValue global = JS_GetGlobalObject(ctx);
  JSValue console = JS_NewObject(ctx);
  define(ctx, &console, "log", console_log, 1);
  define(ctx, &console, "error", console_log, 1);
  result_set(ctx, &global, "console", console);
  define(ctx, &global, "setTimeout", set_timeout, 2);
  define(ctx, &global, "clearTimeout", clear_timeout, 1);
  define(ctx, &global, "queueMicrotask", queue_microtask, 1);
  define_codec(ctx, &global, "TextEncoder", encoder_new, 0, "encode", encode);
  define_codec(ctx, &global, "TextDecoder", decoder_new, 2, "decode", decode);
  bool good = !JS_IsException(global);
  JS_FreeValue(ctx, global);
  return good ? 0 : -1;
}
