/*
 * Shared memory: grants mapped, grants given, foreign frames. JavaScript names a region by a number and reaches its
 * bytes by copies and aligned 32-bit words only; a view that another domain can change under a check does not exist.
 */
#include "argument.h"
#include "xen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>

#define REGIONS_MAX 1024
#define PAGES_MAX 1024 /* in one region */
#define COPY_MAX (PAGES_MAX * RT_PAGE_SIZE)
#define GENERATION_MAX (INT32_MAX / REGIONS_MAX)
#define FRAME_LAST ((1ll << 40) - 1)

enum kind { UNUSED, GRANT_MAPPED, GRANT_SHARED, FOREIGN };

static struct region {
  enum kind kind;
  bool writable;
  uint32_t pages, generation; /* the generation is part of the number: a closed region's number names nothing */
  uint8_t *base;
} regions[REGIONS_MAX];

static xengnttab_handle *grant_device;
static xengntshr_handle *share_device;
static xenforeignmemory_handle *foreign_device;

static struct region *region_free(JSContext *ctx) {
  for (int i = 0; i < REGIONS_MAX; i++)
    if (regions[i].kind == UNUSED)
      return &regions[i];
  throw_error(ctx, ENOSPC, "more than %d regions", REGIONS_MAX);
  return NULL;
}

static JSValue region_number(JSContext *ctx, const struct region *region) {
  return JS_NewInt32(ctx, (int32_t)(region->generation * REGIONS_MAX + (uint32_t)(region - regions)));
}

static void region_fill(struct region *region, enum kind kind, void *base, size_t pages, bool writable) {
  uint32_t generation = region->generation < GENERATION_MAX - 1 ? region->generation + 1 : 0;
  *region = (struct region){kind, writable, (uint32_t)pages, generation, base};
}

static struct region *read_region(JSContext *ctx, JSValueConst v) {
  int64_t number;
  if (!read_integer(ctx, v, "region", 0, INT32_MAX, &number))
    return NULL;
  struct region *region = &regions[number % REGIONS_MAX];
  if (region->kind != UNUSED && region->generation == number / REGIONS_MAX)
    return region;
  throw_error(ctx, EBADF, "region %lld is not open", (long long)number);
  return NULL;
}

static size_t region_bytes(const struct region *region) { return (size_t)region->pages * RT_PAGE_SIZE; }

static JSValue grant_map(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid, refs[PAGES_MAX];
  uint64_t numbers[PAGES_MAX];
  size_t count;
  bool writable;
  struct region *region;
  if (!read_domid(ctx, argv[0], "domid", &domid) ||
      !read_integers(ctx, argv[1], "refs", PAGES_MAX, UINT32_MAX, numbers, &count) ||
      !read_boolean(ctx, argv[2], "writable", &writable) || !(region = region_free(ctx)))
    return JS_EXCEPTION;
  for (size_t i = 0; i < count; i++)
    refs[i] = (uint32_t)numbers[i];
  xen_clear();
  if (!grant_device && !(grant_device = xengnttab_open(xen_logger(), 0)))
    return xen_throw(ctx);
  void *base = xengnttab_map_domain_grant_refs(grant_device, (uint32_t)count, domid, refs,
                                               PROT_READ | (writable ? PROT_WRITE : 0));
  if (!base)
    return xen_throw(ctx);
  region_fill(region, GRANT_MAPPED, base, count, writable);
  return region_number(ctx, region);
}

static JSValue grant_share(JSContext *ctx, JSValueConst *argv) {
  uint32_t domid, refs[PAGES_MAX];
  int64_t pages;
  bool writable;
  struct region *region;
  if (!read_domid(ctx, argv[0], "domid", &domid) || !read_integer(ctx, argv[1], "pages", 1, PAGES_MAX, &pages) ||
      !read_boolean(ctx, argv[2], "writable", &writable) || !(region = region_free(ctx)))
    return JS_EXCEPTION;
  xen_clear();
  if (!share_device && !(share_device = xengntshr_open(xen_logger(), 0)))
    return xen_throw(ctx);
  void *base = xengntshr_share_pages(share_device, domid, (int)pages, refs, writable); /* the kernel zeroes them */
  if (!base)
    return xen_throw(ctx);
  region_fill(region, GRANT_SHARED, base, (size_t)pages, true);
  JSValue list = JS_NewArray(ctx);
  for (uint32_t i = 0; i < pages; i++)
    result_append(ctx, &list, i, JS_NewUint32(ctx, refs[i]));
  JSValue result = JS_NewObject(ctx);
  result_set(ctx, &result, "region", region_number(ctx, region));
  result_set(ctx, &result, "refs", list);
  return result;
}

static JSValue foreign_map(JSContext *ctx, JSValueConst *argv) {
  int64_t domid;
  uint64_t gfns[PAGES_MAX];
  size_t count;
  bool writable;
  struct region *region;
  if (!read_integer(ctx, argv[0], "domid", 0, DOMID_SELF, &domid) ||
      !read_integers(ctx, argv[1], "gfns", PAGES_MAX, FRAME_LAST, gfns, &count) ||
      !read_boolean(ctx, argv[2], "writable", &writable) || !(region = region_free(ctx)))
    return JS_EXCEPTION;
  xen_clear();
  if (!foreign_device && !(foreign_device = xenforeignmemory_open(xen_logger(), 0)))
    return xen_throw(ctx);
  void *base = xenforeignmemory_map(foreign_device, (uint32_t)domid, PROT_READ | (writable ? PROT_WRITE : 0), count,
                                    gfns, NULL);
  if (!base)
    return xen_throw(ctx);
  region_fill(region, FOREIGN, base, count, writable);
  return region_number(ctx, region);
}

static JSValue region_close(JSContext *ctx, JSValueConst *argv) {
  struct region *region = read_region(ctx, argv[0]);
  if (!region)
    return JS_EXCEPTION;
  enum kind kind = region->kind;
  region->kind = UNUSED;
  xen_clear();
  if (kind == GRANT_MAPPED)
    return xen_result(ctx, xengnttab_unmap(grant_device, region->base, region->pages));
  if (kind == GRANT_SHARED)
    return xen_result(ctx, xengntshr_unshare(share_device, region->base, region->pages));
  return xen_result(ctx, xenforeignmemory_unmap(foreign_device, region->base, region->pages));
}

static JSValue region_size(JSContext *ctx, JSValueConst *argv) {
  struct region *region = read_region(ctx, argv[0]);
  return region ? JS_NewInt64(ctx, (int64_t)region_bytes(region)) : JS_EXCEPTION;
}

/* `length` bytes at argv[1] of an open region, or NULL with an exception pending. */
static uint8_t *region_range(JSContext *ctx, JSValueConst *argv, size_t length, size_t alignment, bool writing) {
  struct region *region = read_region(ctx, argv[0]);
  int64_t offset;
  if (!region || !read_integer(ctx, argv[1], "offset", 0, COPY_MAX, &offset))
    return NULL;
  if (length > region_bytes(region) || (size_t)offset > region_bytes(region) - length ||
      (size_t)offset % alignment != 0) {
    throw_argument(ctx, "%zu bytes at %lld: not in a region of %zu bytes, or not aligned", length, (long long)offset,
                   region_bytes(region));
    return NULL;
  }
  if (writing && !region->writable) {
    throw_error(ctx, EACCES, "the region is mapped for reading only");
    return NULL;
  }
  return region->base + offset;
}

static JSValue region_read(JSContext *ctx, JSValueConst *argv) {
  int64_t length;
  if (!read_integer(ctx, argv[2], "length", 0, COPY_MAX, &length))
    return JS_EXCEPTION;
  const uint8_t *from = region_range(ctx, argv, (size_t)length, 1, false);
  return from ? new_bytes(ctx, from, (size_t)length) : JS_EXCEPTION;
}

static JSValue region_write(JSContext *ctx, JSValueConst *argv) {
  struct bytes bytes;
  if (!read_bytes(ctx, argv[2], "bytes", COPY_MAX, &bytes))
    return JS_EXCEPTION;
  uint8_t *to = region_range(ctx, argv, bytes.length, 1, true);
  if (!to)
    return JS_EXCEPTION;
  memcpy(to, bytes.data, bytes.length);
  return JS_UNDEFINED;
}

static JSValue region_load32(JSContext *ctx, JSValueConst *argv) {
  uint8_t *word = region_range(ctx, argv, sizeof(uint32_t), sizeof(uint32_t), false);
  return word ? JS_NewUint32(ctx, __atomic_load_n((uint32_t *)word, __ATOMIC_ACQUIRE)) : JS_EXCEPTION;
}

static JSValue region_store32(JSContext *ctx, JSValueConst *argv) {
  int64_t value;
  if (!read_integer(ctx, argv[2], "value", 0, UINT32_MAX, &value))
    return JS_EXCEPTION;
  uint8_t *word = region_range(ctx, argv, sizeof(uint32_t), sizeof(uint32_t), true);
  if (!word)
    return JS_EXCEPTION;
  __atomic_store_n((uint32_t *)word, (uint32_t)value, __ATOMIC_RELEASE);
  return JS_UNDEFINED;
}

static JSValue barrier(JSContext *ctx, JSValueConst *argv) {
  (void)ctx, (void)argv;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  return JS_UNDEFINED;
}

const struct rt_export region_exports[] = {
    {"grantMap", 3, grant_map},
    {"grantShare", 3, grant_share},
    {"foreignMap", 3, foreign_map},
    {"regionClose", 1, region_close},
    {"regionSize", 1, region_size},
    {"regionRead", 3, region_read},
    {"regionWrite", 3, region_write},
    {"regionLoad32", 2, region_load32},
    {"regionStore32", 3, region_store32},
    {"barrier", 0, barrier},
    {NULL, 0, NULL},
};
