/* What exported functions give back: values and RtErrors. */
#ifndef RESULT_H
#define RESULT_H

#include <stddef.h>
#include <quickjs.h>

/* Throws an RtError: an Error with `code` and `op`. */
JSValue throw_error(JSContext *ctx, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
JSValue throw_errno(JSContext *ctx, const char *subject); /* from errno; subject may be NULL */
/* Of a system call: undefined, or throw_errno() when negative. */
JSValue outcome(JSContext *ctx, int result, const char *subject);
JSValue outcome_number(JSContext *ctx, long result, const char *subject);

JSValue new_bytes(JSContext *ctx, const void *data, size_t length);
/* These do nothing once *object is an exception, so that a caller checks nothing in between. They take `value`. */
void result_set(JSContext *ctx, JSValue *object, const char *name, JSValue value);
void result_integer(JSContext *ctx, JSValue *object, const char *name, long value);
void result_text(JSContext *ctx, JSValue *object, const char *name, const char *text);
void result_boolean(JSContext *ctx, JSValue *object, const char *name, unsigned long value);
void result_append(JSContext *ctx, JSValue *array, uint32_t index, JSValue value);

#endif
