/*
 * What exported functions take. Each export lists its parameters as data; before the function runs, every argument has
 * been checked against that list: type, range, length. Nothing is converted: a number is a number, a string a string.
 */
#ifndef ARGUMENT_H
#define ARGUMENT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <quickjs.h>

#define PARAMETERS_MAX 4     /* of one function */
#define FD_LIMIT 512         /* descriptors are 0..511; main.c sets RLIMIT_NOFILE to it */
#define DOMID_LAST 0x7fef    /* DOMID_FIRST_RESERVED - 1 */
#define PAGE_BYTES 4096
#define INTEGER_LAST ((1LL << 53) - 1)
#define DELAY_MAX_MS INT32_MAX
#define LIST_TEXT_MAX 65536  /* one string of a list */

enum kind {
  NOTHING, /* ends a list of parameters */
  INTEGER, /* min..max */
  MILLISECONDS, /* the same; a fraction is rounded up */
  BOOLEAN,
  TEXT,    /* UTF-8 without NUL, min..max bytes */
  LINE,    /* the same, but NUL may be in it */
  BYTES,   /* Uint8Array of min..max bytes, in place */
  CHOICE,  /* one of `choices`; .integer is the index */
  FUNCTION,
  FUNCTION_OR_NULL,
  INTEGERS, /* array of min..max in number, each 0..limit */
  TEXTS,    /* array of min..max in number */
  RECORD,   /* object of at most `max` strings; .texts are "name=value" */
  OPTIONS,  /* object with `fields` */
};

struct parameter {
  const char *name;
  enum kind kind;
  int64_t min, max, limit;
  bool optional;    /* may be undefined; `fallback` then */
  int64_t fallback; /* of INTEGER and BOOLEAN */
  const char *const *choices;
  const struct parameter *fields;
};

struct argument {
  bool given;
  int64_t integer; /* INTEGER, MILLISECONDS, BOOLEAN, CHOICE */
  const char *text; /* "" when not given */
  const char *held; /* what QuickJS keeps for `text` */
  const uint8_t *bytes;
  size_t length; /* of text, bytes, or the list */
  uint64_t *integers;
  char **texts; /* ends with NULL */
  JSValueConst value; /* as it came; FUNCTION uses it */
  struct argument *fields; /* OPTIONS: in the order of its parameters */
};

#define INT(label, low, high) {.name = label, .kind = INTEGER, .min = low, .max = high}
#define UP_TO(label, high) INT(label, 0, high)
#define FD {.name = "fd", .kind = INTEGER, .max = FD_LIMIT - 1}
#define DELAY(label) {.name = label, .kind = MILLISECONDS, .max = DELAY_MAX_MS}
#define DOMID(label) UP_TO(label, DOMID_LAST)
#define BOOL(label) {.name = label, .kind = BOOLEAN}
#define STRING(label, low, high) {.name = label, .kind = TEXT, .min = low, .max = high}
#define PATH(label) STRING(label, 1, PATH_MAX - 1)
#define BYTE_ARRAY(label, most) {.name = label, .kind = BYTES, .max = most}
#define HANDLER(which) {.name = "handler", .kind = which}
#define FIELDS(...) \
  {.name = "options", .kind = OPTIONS, .fields = (const struct parameter[]){__VA_ARGS__, {.kind = NOTHING}}}

/*
 * Checks the `value` of each and fills in the rest of it (zero until then); false with an exception pending. Either way
 * arguments_free() has to follow. Options come last and once: their bytes are checked before later parameters.
 */
bool arguments_read(JSContext *ctx, const struct parameter *parameters, struct argument *arguments, int count);
void arguments_free(JSContext *ctx, const struct parameter *parameters, struct argument *arguments, int count);

/* The bytes of a Uint8Array; false when it is none, or detached. */
bool uint8_array(JSContext *ctx, JSValueConst value, const uint8_t **bytes, size_t *length);

#endif
