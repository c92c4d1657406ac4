/* Checked argument readers and result builders. No reader converts: a number is a number, a string a string. */
#include "argument.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX 700

JSValue throw_error(JSContext *ctx, int error, const char *format, ...) {
  char detail[MESSAGE_MAX], message[MESSAGE_MAX + 100];
  va_list list;
  va_start(list, format);
  vsnprintf(detail, sizeof detail, format, list);
  va_end(list);

  const char *code = strerrorname_np(error);
  if (!code)
    code = "EIO";
  snprintf(message, sizeof message, "%s: %s: %s", module_current_op(), code, detail);

  JSValue object = JS_NewError(ctx);
  result_set(ctx, &object, "message", JS_NewString(ctx, message));
  result_set(ctx, &object, "code", JS_NewString(ctx, code));
  result_set(ctx, &object, "op", JS_NewString(ctx, module_current_op()));
  return JS_IsException(object) ? object : JS_Throw(ctx, object);
}

JSValue throw_errno(JSContext *ctx, const char *subject) {
  int error = errno;
  const char *text = strerrordesc_np(error);
  if (!text)
    text = "unknown error";
  return subject ? throw_error(ctx, error, "%s (%s)", text, subject) : throw_error(ctx, error, "%s", text);
}

bool read_number(JSContext *ctx, JSValueConst v, const char *name, double min, double max, double *out) {
  double number;
  if (!JS_IsNumber(v) || JS_ToFloat64(ctx, &number, v) < 0 || !(number >= min && number <= max)) {
    throw_argument(ctx, "%s is not a number in %.0f..%.0f", name, min, max);
    return false;
  }
  *out = number;
  return true;
}

bool read_integer(JSContext *ctx, JSValueConst v, const char *name, int64_t min, int64_t max, int64_t *out) {
  double number;
  if (!JS_IsNumber(v) || JS_ToFloat64(ctx, &number, v) < 0 || !(number >= (double)min && number <= (double)max) ||
      number != floor(number)) {
    throw_argument(ctx, "%s is not an integer in %lld..%lld", name, (long long)min, (long long)max);
    return false;
  }
  *out = (int64_t)number;
  return true;
}

bool read_boolean(JSContext *ctx, JSValueConst v, const char *name, bool *out) {
  if (!JS_IsBool(v)) {
    throw_argument(ctx, "%s is not a boolean", name);
    return false;
  }
  *out = JS_VALUE_GET_BOOL(v);
  return true;
}

bool read_string(JSContext *ctx, JSValueConst v, const char *name, size_t min, size_t max, char *out) {
  if (!JS_IsString(v)) {
    throw_argument(ctx, "%s is not a string", name);
    return false;
  }
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, v);
  if (!text)
    return false;
  bool good = length >= min && length <= max && !memchr(text, 0, length);
  if (good)
    memcpy(out, text, length + 1);
  JS_FreeCString(ctx, text);
  if (!good)
    throw_argument(ctx, "%s is not %zu..%zu bytes without NUL", name, min, max);
  return good;
}

bool read_path(JSContext *ctx, JSValueConst v, const char *name, char out[PATH_MAX]) {
  return read_string(ctx, v, name, 1, PATH_MAX - 1, out);
}

bool read_fd(JSContext *ctx, JSValueConst v, const char *name, int *out) {
  int64_t fd;
  if (!read_integer(ctx, v, name, 0, FD_LIMIT - 1, &fd))
    return false;
  *out = (int)fd;
  return true;
}

bool read_domid(JSContext *ctx, JSValueConst v, const char *name, uint32_t *out) {
  int64_t domid;
  if (!read_integer(ctx, v, name, 0, DOMID_LAST, &domid))
    return false;
  *out = (uint32_t)domid;
  return true;
}

bool read_choice(JSContext *ctx, JSValueConst v, const char *name, const char *const *choices, int *out) {
  char text[32];
  if (!read_string(ctx, v, name, 0, sizeof text - 1, text))
    return false;
  for (int i = 0; choices[i]; i++)
    if (strcmp(choices[i], text) == 0) {
      *out = i;
      return true;
    }
  throw_argument(ctx, "%s: '%s' is not one of its values", name, text);
  return false;
}

bool read_function(JSContext *ctx, JSValueConst v, const char *name, bool nullable) {
  if (JS_IsFunction(ctx, v) || (nullable && JS_IsNull(v)))
    return true;
  throw_argument(ctx, "%s is not a function%s", name, nullable ? " or null" : "");
  return false;
}

bool read_array(JSContext *ctx, JSValueConst v, const char *name, size_t min, size_t max, size_t *length) {
  int array = JS_IsArray(ctx, v);
  if (array < 0)
    return false;
  if (!array) {
    throw_argument(ctx, "%s is not an array", name);
    return false;
  }
  int64_t count;
  JSValue value = JS_GetPropertyStr(ctx, v, "length");
  bool good = !JS_IsException(value) && read_integer(ctx, value, name, (int64_t)min, (int64_t)max, &count);
  JS_FreeValue(ctx, value);
  if (good)
    *length = (size_t)count;
  return good;
}

bool read_integers(JSContext *ctx, JSValueConst v, const char *name, size_t max, int64_t limit, uint64_t *out,
                   size_t *length) {
  if (!read_array(ctx, v, name, 1, max, length))
    return false;
  for (size_t i = 0; i < *length; i++) {
    int64_t number;
    JSValue value = JS_GetPropertyUint32(ctx, v, (uint32_t)i);
    bool good = !JS_IsException(value) && read_integer(ctx, value, name, 0, limit, &number);
    JS_FreeValue(ctx, value);
    if (!good)
      return false;
    out[i] = (uint64_t)number;
  }
  return true;
}

bool read_bytes(JSContext *ctx, JSValueConst v, const char *name, size_t max, struct bytes *out) {
  if (JS_GetClassID(v) != module_uint8_class) {
    throw_argument(ctx, "%s is not a Uint8Array", name);
    return false;
  }
  size_t offset, length, total;
  JSValue buffer = JS_GetTypedArrayBuffer(ctx, v, &offset, &length, NULL);
  if (JS_IsException(buffer))
    return false; /* detached */
  uint8_t *data = JS_GetArrayBuffer(ctx, &total, buffer);
  JS_FreeValue(ctx, buffer);
  if (offset > total || length > total - offset || length > max) {
    throw_argument(ctx, "%s is longer than %zu bytes", name, max);
    return false;
  }
  *out = (struct bytes){length ? data + offset : (const uint8_t *)"", length};
  return true;
}

/* The field's value; *absent only for an OPTIONAL one that is undefined. */
static bool field_get(JSContext *ctx, JSValueConst options, const char *name, enum presence presence, JSValue *value,
                      bool *absent) {
  *absent = false;
  if (!JS_IsObject(options)) {
    throw_argument(ctx, "options is not an object");
    return false;
  }
  *value = JS_GetPropertyStr(ctx, options, name);
  *absent = presence == OPTIONAL && JS_IsUndefined(*value);
  return !JS_IsException(*value);
}

bool field_present(JSContext *ctx, JSValueConst options, const char *name, bool *out) {
  JSValue value;
  if (!field_get(ctx, options, name, OPTIONAL, &value, out))
    return false;
  *out = !*out;
  JS_FreeValue(ctx, value);
  return true;
}

bool field_integer(JSContext *ctx, JSValueConst options, const char *name, enum presence presence, int64_t min,
                   int64_t max, int64_t *out) {
  JSValue value;
  bool absent;
  if (!field_get(ctx, options, name, presence, &value, &absent))
    return false;
  bool good = absent || read_integer(ctx, value, name, min, max, out);
  JS_FreeValue(ctx, value);
  return good;
}

bool field_boolean(JSContext *ctx, JSValueConst options, const char *name, enum presence presence, bool *out) {
  JSValue value;
  bool absent;
  if (!field_get(ctx, options, name, presence, &value, &absent))
    return false;
  bool good = absent || read_boolean(ctx, value, name, out);
  JS_FreeValue(ctx, value);
  return good;
}

bool field_string(JSContext *ctx, JSValueConst options, const char *name, enum presence presence, size_t min,
                  size_t max, char *out) {
  JSValue value;
  bool absent;
  if (!field_get(ctx, options, name, presence, &value, &absent))
    return false;
  bool good = absent || read_string(ctx, value, name, min, max, out);
  JS_FreeValue(ctx, value);
  return good;
}

bool field_bytes(JSContext *ctx, JSValueConst options, const char *name, uint8_t *out, size_t length) {
  JSValue value;
  bool absent;
  struct bytes bytes;
  if (!field_get(ctx, options, name, REQUIRED, &value, &absent))
    return false;
  bool good = read_bytes(ctx, value, name, length, &bytes);
  if (good && bytes.length != length) {
    throw_argument(ctx, "%s is not %zu bytes", name, length);
    good = false;
  }
  if (good)
    memcpy(out, bytes.data, length);
  JS_FreeValue(ctx, value);
  return good;
}

bool field_domid(JSContext *ctx, JSValueConst options, const char *name, uint32_t *out) {
  int64_t domid;
  if (!field_integer(ctx, options, name, REQUIRED, 0, DOMID_LAST, &domid))
    return false;
  *out = (uint32_t)domid;
  return true;
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

/* Defining (not assigning) keeps setters that a service put on Object.prototype out of the way. */
void result_set(JSContext *ctx, JSValue *object, const char *name, JSValue value) {
  if (JS_IsException(*object)) {
    JS_FreeValue(ctx, value);
  } else if (JS_IsException(value) || JS_DefinePropertyValueStr(ctx, *object, name, value, JS_PROP_C_W_E) < 0) {
    JS_FreeValue(ctx, *object);
    *object = JS_EXCEPTION;
  }
}

void result_append(JSContext *ctx, JSValue *array, uint32_t index, JSValue value) {
  if (JS_IsException(*array)) {
    JS_FreeValue(ctx, value);
  } else if (JS_IsException(value) || JS_DefinePropertyValueUint32(ctx, *array, index, value, JS_PROP_C_W_E) < 0) {
    JS_FreeValue(ctx, *array);
    *array = JS_EXCEPTION;
  }
}
