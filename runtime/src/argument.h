/* Checked readers: each returns false with an exception pending when the value is not what the caller may pass. */
#ifndef ARGUMENT_H
#define ARGUMENT_H

#include <limits.h>
#include "rt.h"

#define FD_LIMIT 512           /* descriptors are 0..511; main.c sets RLIMIT_NOFILE to it */
#define DOMID_LAST 0x7fef      /* DOMID_FIRST_RESERVED - 1 */
#define INTEGER_MAX ((1LL << 53) - 1)

/* Throws an RtError: an Error with `code` and `op`. */
JSValue throw_error(JSContext *ctx, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
JSValue throw_errno(JSContext *ctx, const char *subject); /* from errno; subject may be NULL */
#define throw_argument(ctx, ...) throw_error(ctx, EINVAL, __VA_ARGS__)

bool read_integer(JSContext *ctx, JSValueConst v, const char *name, int64_t min, int64_t max, int64_t *out);
bool read_number(JSContext *ctx, JSValueConst v, const char *name, double min, double max, double *out);
bool read_boolean(JSContext *ctx, JSValueConst v, const char *name, bool *out);
/* UTF-8 without NUL, min..max bytes; `out` has max + 1 bytes. */
bool read_string(JSContext *ctx, JSValueConst v, const char *name, size_t min, size_t max, char *out);
bool read_path(JSContext *ctx, JSValueConst v, const char *name, char out[PATH_MAX]);
bool read_fd(JSContext *ctx, JSValueConst v, const char *name, int *out);
bool read_domid(JSContext *ctx, JSValueConst v, const char *name, uint32_t *out);
/* `choices` ends with NULL; *out is the index. */
bool read_choice(JSContext *ctx, JSValueConst v, const char *name, const char *const *choices, int *out);
bool read_function(JSContext *ctx, JSValueConst v, const char *name, bool nullable);
/* Array length, 0..max. */
bool read_array(JSContext *ctx, JSValueConst v, const char *name, size_t min, size_t max, size_t *length);
/* Array of integers; `out` has `max` places. */
bool read_integers(JSContext *ctx, JSValueConst v, const char *name, size_t max, int64_t limit, uint64_t *out,
                   size_t *length);

/*
 * A Uint8Array's bytes, in place: valid until the next call into QuickJS that may run JavaScript or allocate,
 * so read it last.
 */
struct bytes {
  const uint8_t *data;
  size_t length;
};
bool read_bytes(JSContext *ctx, JSValueConst v, const char *name, size_t max, struct bytes *out);

/* Fields of an options object. OPTIONAL leaves *out as it is when the field is undefined. */
enum presence { REQUIRED, OPTIONAL };
bool field_present(JSContext *ctx, JSValueConst options, const char *name, bool *out);
bool field_integer(JSContext *ctx, JSValueConst options, const char *name, enum presence presence, int64_t min,
                   int64_t max, int64_t *out);
bool field_boolean(JSContext *ctx, JSValueConst options, const char *name, enum presence presence, bool *out);
bool field_string(JSContext *ctx, JSValueConst options, const char *name, enum presence presence, size_t min,
                  size_t max, char *out);
bool field_bytes(JSContext *ctx, JSValueConst options, const char *name, uint8_t *out, size_t length);
bool field_domid(JSContext *ctx, JSValueConst options, const char *name, uint32_t *out);

/* Results. result_set() does nothing once *object is an exception, so a caller checks nothing in between. */
JSValue new_bytes(JSContext *ctx, const void *data, size_t length);
void result_set(JSContext *ctx, JSValue *object, const char *name, JSValue value);
void result_append(JSContext *ctx, JSValue *array, uint32_t index, JSValue value);

#endif
