/* Checks arguments against their parameters. */
#include "rt.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHOICE_BYTES_MAX 32

static bool refuse(JSContext *ctx, const struct parameter *p, const char *expected) {
  throw_error(ctx, EINVAL, "%s is not %s", p->name, expected);
  return false;
}

static bool read_integer(JSContext *ctx, const struct parameter *p, JSValueConst v, int64_t min, int64_t max,
                         int64_t *out) {
  double number;
  bool good = JS_IsNumber(v) && JS_ToFloat64(ctx, &number, v) == 0;
  if (good && p->kind == MILLISECONDS)
    number = ceil(number);
  if (!good || number != floor(number) || !(number >= (double)min && number <= (double)max)) {
    throw_error(ctx, EINVAL, "%s is not an integer in %lld..%lld", p->name, (long long)min, (long long)max);
    return false;
  }
  *out = (int64_t)number;
  return true;
}

/* QuickJS keeps the UTF-8 form until arguments_free(). */
static bool read_text(JSContext *ctx, const struct parameter *p, JSValueConst v, int64_t min, int64_t max,
                      struct argument *out) {
  if (!JS_IsString(v))
    return refuse(ctx, p, "a string");
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, v);
  if (!text)
    return false;
  if ((int64_t)length < min || (int64_t)length > max || (p->kind != LINE && memchr(text, 0, length))) {
    JS_FreeCString(ctx, text);
    throw_error(ctx, EINVAL, "%s is not %lld..%lld bytes without NUL", p->name, (long long)min, (long long)max);
    return false;
  }
  out->text = out->held = text;
  out->length = length;
  return true;
}

bool uint8_array(JSContext *ctx, JSValueConst v, const uint8_t **bytes, size_t *length) {
  static JSClassID uint8_class;
  if (!uint8_class) {
    JSValue sample = new_bytes(ctx, "", 0);
    uint8_class = JS_GetClassID(sample);
    JS_FreeValue(ctx, sample);
  }
  if (uint8_class == JS_INVALID_CLASS_ID || JS_GetClassID(v) != uint8_class)
    return false;
  size_t offset, total;
  JSValue buffer = JS_GetTypedArrayBuffer(ctx, v, &offset, length, NULL);
  const uint8_t *data = JS_IsException(buffer) ? NULL : JS_GetArrayBuffer(ctx, &total, buffer);
  JS_FreeValue(ctx, buffer);
  if (!data || offset > total || *length > total - offset) {
    JS_FreeValue(ctx, JS_GetException(ctx));
    return false;
  }
  *bytes = data + offset;
  return true;
}

static bool read_bytes(JSContext *ctx, const struct parameter *p, JSValueConst v, struct argument *out) {
  if (!uint8_array(ctx, v, &out->bytes, &out->length))
    return refuse(ctx, p, "a Uint8Array");
  if ((int64_t)out->length < p->min || (int64_t)out->length > p->max) {
    throw_error(ctx, EINVAL, "%s is not %lld..%lld bytes", p->name, (long long)p->min, (long long)p->max);
    return false;
  }
  return true;
}

static bool read_choice(JSContext *ctx, const struct parameter *p, JSValueConst v, struct argument *out) {
  if (!read_text(ctx, p, v, 0, CHOICE_BYTES_MAX, out))
    return false;
  for (out->integer = 0; p->choices[out->integer]; out->integer++)
    if (strcmp(p->choices[out->integer], out->text) == 0)
      return true;
  return refuse(ctx, p, "one of its values");
}

static bool no_memory(JSContext *ctx, const struct parameter *p) {
  throw_error(ctx, ENOMEM, "%s", p->name);
  return false;
}

static bool read_length(JSContext *ctx, const struct parameter *p, JSValueConst v, int64_t *out) {
  int is_array = JS_IsArray(ctx, v);
  if (is_array <= 0)
    return is_array == 0 && refuse(ctx, p, "an array");
  JSValue length = JS_GetPropertyStr(ctx, v, "length");
  bool good = !JS_IsException(length) && read_integer(ctx, p, length, p->min, p->max, out);
  JS_FreeValue(ctx, length);
  return good;
}

static bool read_item(JSContext *ctx, const struct parameter *p, JSValueConst v, uint32_t index,
                      struct argument *out) {
  struct argument text = {0};
  JSValue item = JS_GetPropertyUint32(ctx, v, index);
  bool good = !JS_IsException(item);
  if (good && p->kind == INTEGERS)
    good = read_integer(ctx, p, item, 0, p->limit, (int64_t *)&out->integers[index]);
  else if (good && (good = read_text(ctx, p, item, 0, LIST_TEXT_MAX, &text)))
    good = (out->texts[index] = strdup(text.text)) || no_memory(ctx, p);
  JS_FreeCString(ctx, text.held);
  JS_FreeValue(ctx, item);
  return good;
}

static bool read_list(JSContext *ctx, const struct parameter *p, JSValueConst v, struct argument *out) {
  int64_t count;
  if (!read_length(ctx, p, v, &count))
    return false;
  if (p->kind == TEXTS)
    out->texts = calloc((size_t)count + 1, sizeof *out->texts);
  else
    out->integers = calloc((size_t)count + 1, sizeof *out->integers);
  if (!out->texts && !out->integers)
    return no_memory(ctx, p);
  for (; (int64_t)out->length < count; out->length++)
    if (!read_item(ctx, p, v, (uint32_t)out->length, out))
      return false;
  return true;
}

static bool read_entry(JSContext *ctx, const struct parameter *p, JSValueConst v, JSAtom name, char **out) {
  struct argument key = {0}, text = {0};
  JSValue key_value = JS_AtomToString(ctx, name), item = JS_GetProperty(ctx, v, name);
  bool good = !JS_IsException(key_value) && !JS_IsException(item) &&
              read_text(ctx, p, key_value, 1, LIST_TEXT_MAX, &key) &&
              read_text(ctx, p, item, 0, LIST_TEXT_MAX, &text);
  if (good && strchr(key.text, '='))
    good = refuse(ctx, p, "a record whose names have no =");
  if (good && asprintf(out, "%s=%s", key.text, text.text) < 0) {
    *out = NULL;
    good = no_memory(ctx, p);
  }
  JS_FreeCString(ctx, key.held);
  JS_FreeCString(ctx, text.held);
  JS_FreeValue(ctx, key_value);
  JS_FreeValue(ctx, item);
  return good;
}

static bool read_record(JSContext *ctx, const struct parameter *p, JSValueConst v, struct argument *out) {
  JSPropertyEnum *names = NULL;
  uint32_t count = 0;
  if (!JS_IsObject(v))
    return refuse(ctx, p, "an object");
  if (JS_GetOwnPropertyNames(ctx, &names, &count, v, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
    return false;
  bool good = count <= p->max || refuse(ctx, p, "small enough");
  good = good && ((out->texts = calloc(count + 1, sizeof *out->texts)) || no_memory(ctx, p));
  for (uint32_t i = 0; i < count; i++) {
    good = good && read_entry(ctx, p, v, names[i].atom, &out->texts[i]);
    JS_FreeAtom(ctx, names[i].atom);
  }
  js_free(ctx, names);
  return good;
}

static int parameter_count(const struct parameter *parameters) {
  int count = 0;
  while (parameters[count].kind != NOTHING)
    count++;
  return count;
}

/* The fields' values stay referenced until arguments_free(): a getter may have made them for us alone. */
static bool read_options(JSContext *ctx, const struct parameter *p, JSValueConst v, struct argument *out) {
  if (!JS_IsObject(v))
    return refuse(ctx, p, "an object");
  int count = parameter_count(p->fields);
  out->fields = calloc((size_t)count, sizeof *out->fields);
  if (!out->fields)
    return no_memory(ctx, p);
  for (int i = 0; i < count; i++) {
    out->fields[i].value = JS_GetPropertyStr(ctx, v, p->fields[i].name);
    if (JS_IsException(out->fields[i].value))
      return false;
  }
  return arguments_read(ctx, p->fields, out->fields, count);
}

static bool read_boolean(JSContext *ctx, const struct parameter *p, JSValueConst v, int64_t *out) {
  *out = JS_IsBool(v) && JS_VALUE_GET_BOOL(v);
  return JS_IsBool(v) || refuse(ctx, p, "a boolean");
}

static bool read_one(JSContext *ctx, const struct parameter *p, JSValueConst v, struct argument *out) {
  switch (p->kind) {
    case INTEGER:
    case MILLISECONDS: return read_integer(ctx, p, v, p->min, p->max, &out->integer);
    case BOOLEAN: return read_boolean(ctx, p, v, &out->integer);
    case TEXT:
    case LINE: return read_text(ctx, p, v, p->min, p->max, out);
    case CHOICE: return read_choice(ctx, p, v, out);
    case FUNCTION: return JS_IsFunction(ctx, v) || refuse(ctx, p, "a function");
    case FUNCTION_OR_NULL: return JS_IsNull(v) || JS_IsFunction(ctx, v) || refuse(ctx, p, "a function or null");
    case INTEGERS:
    case TEXTS: return read_list(ctx, p, v, out);
    case RECORD: return read_record(ctx, p, v, out);
    case OPTIONS: return read_options(ctx, p, v, out);
    default: return true; /* BYTES: see below */
  }
}

bool arguments_read(JSContext *ctx, const struct parameter *parameters, struct argument *arguments, int count) {
  for (int i = 0; i < count; i++) {
    struct argument *a = &arguments[i];
    a->text = "";
    a->integer = parameters[i].fallback;
    a->given = !(parameters[i].optional && JS_IsUndefined(a->value));
    if (a->given && !read_one(ctx, &parameters[i], a->value, a))
      return false;
  }
  /* Last, as getters of an options object may detach a buffer: from here on no JavaScript runs. */
  for (int i = 0; i < count; i++)
    if (arguments[i].given && parameters[i].kind == BYTES &&
        !read_bytes(ctx, &parameters[i], arguments[i].value, &arguments[i]))
      return false;
  return true;
}

void arguments_free(JSContext *ctx, const struct parameter *parameters, struct argument *arguments, int count) {
  for (int i = 0; i < count; i++) {
    struct argument *a = &arguments[i];
    int fields = a->fields ? parameter_count(parameters[i].fields) : 0;
    for (int field = 0; field < fields; field++)
      JS_FreeValue(ctx, a->fields[field].value);
    arguments_free(ctx, parameters[i].fields, a->fields, fields);
    for (char **text = a->texts; text && *text; text++)
      free(*text);
    JS_FreeCString(ctx, a->held);
    free(a->texts);
    free(a->integers);
    free(a->fields);
  }
}
