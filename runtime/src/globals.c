/* What service code finds besides the language: console, timers, queueMicrotask, TextEncoder, TextDecoder (UTF-8). */
#include "rt.h"
#include "loop.h"
#include "utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* String() of each argument, and the stack of an error. */
static JSValue console_log(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv) {
  (void)this_value;
  char text[LOG_LINE_MAX + 1] = "";
  size_t room = LOG_LINE_MAX;
  for (int i = 0; i < argc; i++) {
    JSValue stack = JS_IsError(ctx, argv[i]) ? JS_GetPropertyStr(ctx, argv[i], "stack") : JS_UNDEFINED;
    const char *message = JS_ToCString(ctx, argv[i]);
    const char *trace = message && JS_IsString(stack) ? JS_ToCString(ctx, stack) : NULL;
    const char *parts[] = {i ? " " : "", message ? message : "", trace ? "\n" : "", trace ? trace : ""};
    for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
      strncat(text, parts[part], room);
      room = LOG_LINE_MAX - strlen(text);
    }
    bool failed = !message;
    JS_FreeCString(ctx, trace);
    JS_FreeCString(ctx, message);
    JS_FreeValue(ctx, stack);
    if (failed)
      return JS_EXCEPTION;
  }
  log_text(text);
  return JS_UNDEFINED;
}

static JSValue run_microtask(JSContext *ctx, int argc, JSValueConst *argv) {
  (void)argc;
  return JS_Call(ctx, argv[0], JS_UNDEFINED, 0, NULL);
}

static JSValue queue_microtask(JSContext *ctx, const struct argument *a) {
  JSValueConst handler = a[0].value;
  return JS_EnqueueJob(ctx, run_microtask, 1, &handler) < 0 ? JS_EXCEPTION : JS_UNDEFINED;
}

static JSValue codec_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv) {
  (void)argc, (void)argv;
  JSValue prototype = JS_GetPropertyStr(ctx, new_target, "prototype");
  JSValue object = JS_IsException(prototype) ? prototype : JS_NewObjectProto(ctx, prototype);
  JS_FreeValue(ctx, prototype);
  return object;
}

static const char *const labels[] = {"utf-8", "utf8", "UTF-8", NULL};
static const struct parameter decoder_fields[] = {{.name = "fatal", .kind = BOOLEAN, .optional = true}, {0}};
static const struct parameter decoder_parameters[] = {
    {.name = "label", .kind = CHOICE, .choices = labels, .optional = true},
    {.name = "options", .kind = OPTIONS, .optional = true, .fields = decoder_fields},
};

/* new TextDecoder('utf-8', { fatal }): other labels and streaming do not exist here. */
static JSValue decoder_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv) {
  struct argument a[] = {{.value = argc > 0 ? argv[0] : JS_UNDEFINED}, {.value = argc > 1 ? argv[1] : JS_UNDEFINED}};
  JSValue object = arguments_read(ctx, decoder_parameters, a, 2) ? codec_new(ctx, new_target, 0, NULL) : JS_EXCEPTION;
  result_boolean(ctx, &object, "fatal", a[1].fields && a[1].fields[0].integer);
  arguments_free(ctx, decoder_parameters, a, 2);
  return object;
}

static JSValue encode(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv) {
  (void)this_value, (void)argc;
  size_t length = 0;
  const char *text = JS_IsUndefined(argv[0]) ? NULL : JS_ToCStringLen(ctx, &length, argv[0]);
  if (!text && !JS_IsUndefined(argv[0]))
    return JS_EXCEPTION;
  JSValue result = new_bytes(ctx, text ? text : "", length);
  JS_FreeCString(ctx, text);
  const uint8_t *bytes;
  if (!JS_IsException(result) && uint8_array(ctx, result, &bytes, &length))
    utf8_replace_surrogates((uint8_t *)bytes, length);
  return result;
}

static JSValue decode(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv) {
  (void)argc;
  size_t length = 0;
  const uint8_t *bytes = (const uint8_t *)"";
  JSValue fatal = JS_GetPropertyStr(ctx, this_value, "fatal");
  if (JS_IsException(fatal))
    return fatal;
  if (!JS_IsUndefined(argv[0]) && !uint8_array(ctx, argv[0], &bytes, &length))
    return throw_error(ctx, EINVAL, "bytes is not a Uint8Array");
  bool valid;
  char *text = utf8_decode(bytes, length, &length, &valid);
  if (!text)
    return throw_errno(ctx, NULL);
  bool refused = !valid && JS_IsBool(fatal) && JS_VALUE_GET_BOOL(fatal);
  JSValue result = refused ? JS_ThrowTypeError(ctx, "not valid UTF-8") : JS_NewStringLen(ctx, text, length);
  free(text);
  return result;
}

/* A constructor with one method and a constant `encoding`. */
static void define_codec(JSContext *ctx, JSValue *global, const char *name, JSCFunction *constructor,
                         const char *method, JSCFunction *call) {
  JSValue prototype = JS_NewObject(ctx);
  result_text(ctx, &prototype, "encoding", "utf-8");
  result_set(ctx, &prototype, method, JS_NewCFunction(ctx, call, method, 1));
  JSValue function = JS_NewCFunction2(ctx, constructor, name, 0, JS_CFUNC_constructor, 0);
  if (!JS_IsException(function) && !JS_IsException(prototype))
    JS_SetConstructor(ctx, function, prototype);
  JS_FreeValue(ctx, prototype);
  result_set(ctx, global, name, function);
}

static const struct rt_export microtask = {"queueMicrotask", queue_microtask, {HANDLER(FUNCTION)}};

int globals_register(JSContext *ctx) {
  JSValue global = JS_GetGlobalObject(ctx), console = JS_NewObject(ctx);
  result_set(ctx, &console, "log", JS_NewCFunction(ctx, console_log, "log", 1));
  result_set(ctx, &console, "error", JS_NewCFunction(ctx, console_log, "error", 1));
  result_set(ctx, &global, "console", console);
  for (const struct rt_export *export = loop_globals; export->name; export++)
    result_set(ctx, &global, export->name, module_function(ctx, export));
  result_set(ctx, &global, microtask.name, module_function(ctx, &microtask));
  define_codec(ctx, &global, "TextEncoder", codec_new, "encode", encode);
  define_codec(ctx, &global, "TextDecoder", decoder_new, "decode", decode);
  bool good = !JS_IsException(global);
  JS_FreeValue(ctx, global);
  return good ? 0 : -1;
}
