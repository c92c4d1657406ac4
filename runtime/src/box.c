/*
 * The recovery box: one byte string in memory shared with the supervisor, so that neither rollback nor the end of the
 * process touches it. Two copies and an index that moves last: a process killed while writing leaves the old one.
 */
#include "rt.h"

#include <string.h>
#include <sys/mman.h>

#define BOX_MAX (256u << 10)

static struct box {
  uint32_t current; /* 0: never written; else copies[current - 1] */
  struct {
    uint32_t length;
    uint8_t bytes[BOX_MAX];
  } copies[2];
} *box;

bool box_create(void) {
  void *memory = mmap(NULL, sizeof *box, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  box = memory == MAP_FAILED ? NULL : memory;
  return box != NULL;
}

static JSValue box_write(JSContext *ctx, const struct argument *a) {
  (void)ctx;
  uint32_t target = box->current == 1 ? 1 : 0;
  box->copies[target].length = (uint32_t)a[0].length;
  memcpy(box->copies[target].bytes, a[0].bytes, a[0].length);
  __atomic_store_n(&box->current, target + 1, __ATOMIC_RELEASE);
  return JS_UNDEFINED;
}

static JSValue box_read(JSContext *ctx, const struct argument *a) {
  (void)a;
  if (box->current < 1 || box->current > 2)
    return JS_NULL;
  uint32_t length = box->copies[box->current - 1].length;
  return length > BOX_MAX ? JS_NULL : new_bytes(ctx, box->copies[box->current - 1].bytes, length);
}

const struct rt_export box_exports[] = {
    {"boxWrite", box_write, {BYTE_ARRAY("bytes", BOX_MAX)}},
    {"boxRead", box_read, {}},
    {NULL, NULL, {}},
};
