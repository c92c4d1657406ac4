/*
 * Shared memory: grants mapped, grants given, foreign frames, and files where there is no Xen. JavaScript names a region
 * by a number and reaches its bytes by copies and aligned 32-bit words only; a view that another domain can change under
 * a check does not exist.
 */
#include "xen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>

#define REGIONS_MAX 1024
#define PAGES_MAX 1024 /* in one region */
#define COPY_MAX (PAGES_MAX * PAGE_BYTES)
#define GENERATION_MAX (INT32_MAX / REGIONS_MAX)
#define FRAME_LAST ((1ll << 40) - 1)

enum kind_of_region { UNUSED, GRANT_MAPPED, GRANT_SHARED, GRANT_KEPT, FOREIGN, FILE_MAPPED };

static struct region {
  enum kind_of_region kind;
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

static void region_fill(struct region *region, enum kind_of_region kind, void *base, size_t pages, bool writable) {
  uint32_t generation = region->generation < GENERATION_MAX - 1 ? region->generation + 1 : 0;
  *region = (struct region){kind, writable, (uint32_t)pages, generation, base};
}

/* NULL with an exception pending when the number names no open region. */
static struct region *region_named(JSContext *ctx, const struct argument *a) {
  struct region *region = &regions[a->integer % REGIONS_MAX];
  if (region->kind != UNUSED && region->generation == a->integer / REGIONS_MAX)
    return region;
  throw_error(ctx, EBADF, "region %lld is not open", (long long)a->integer);
  return NULL;
}

static size_t region_bytes(const struct region *region) { return (size_t)region->pages * PAGE_BYTES; }

static int protection(bool writable) { return PROT_READ | (writable ? PROT_WRITE : 0); }

static JSValue grant_map(JSContext *ctx, const struct argument *a) {
  uint32_t refs[PAGES_MAX];
  size_t count = a[1].length;
  struct region *region = region_free(ctx);
  if (!region)
    return JS_EXCEPTION;
  for (size_t i = 0; i < count; i++)
    refs[i] = (uint32_t)a[1].integers[i];
  xen_clear();
  if (!grant_device && !(grant_device = xengnttab_open(xen_logger(), 0)))
    return xen_throw(ctx);
  void *base = xengnttab_map_domain_grant_refs(grant_device, (uint32_t)count, (uint32_t)a[0].integer, refs,
                                               protection(a[2].integer));
  if (!base)
    return xen_throw(ctx);
  region_fill(region, GRANT_MAPPED, base, count, a[2].integer);
  return region_number(ctx, region);
}

static JSValue share_result(JSContext *ctx, const struct region *region, const uint32_t *refs) {
  JSValue list = JS_NewArray(ctx), result = JS_NewObject(ctx);
  for (uint32_t i = 0; i < region->pages; i++)
    result_append(ctx, &list, i, JS_NewUint32(ctx, refs[i]));
  result_set(ctx, &result, "region", region_number(ctx, region));
  result_set(ctx, &result, "refs", list);
  return result;
}

static JSValue grant_share(JSContext *ctx, const struct argument *a) {
  uint32_t refs[PAGES_MAX];
  int count = (int)a[1].integer;
  struct region *region = region_free(ctx);
  if (!region)
    return JS_EXCEPTION;
  xen_clear();
  if (!share_device && !(share_device = xengntshr_open(xen_logger(), 0)))
    return xen_throw(ctx);
  /* The kernel zeroes the pages. */
  void *base = xengntshr_share_pages(share_device, (uint32_t)a[0].integer, count, refs, (int)a[2].integer);
  if (!base)
    return xen_throw(ctx);
  region_fill(region, GRANT_SHARED, base, (size_t)count, true);
  return share_result(ctx, region, refs);
}

static JSValue grant_keep(JSContext *ctx, const struct argument *a) {
  const uint32_t *refs;
  uint32_t count = (uint32_t)a[1].integer;
  struct region *region = region_free(ctx);
  if (!region)
    return JS_EXCEPTION;
  void *base = kept_map((uint32_t)a[0].integer, count, &refs);
  if (base == MAP_FAILED)
    return throw_errno(ctx, NULL);
  region_fill(region, GRANT_KEPT, base, count, true);
  return share_result(ctx, region, refs);
}

static JSValue foreign_map(JSContext *ctx, const struct argument *a) {
  struct region *region = region_free(ctx);
  if (!region)
    return JS_EXCEPTION;
  xen_clear();
  if (!foreign_device && !(foreign_device = xenforeignmemory_open(xen_logger(), 0)))
    return xen_throw(ctx);
  void *base = xenforeignmemory_map(foreign_device, (uint32_t)a[0].integer, protection(a[2].integer), a[1].length,
                                    a[1].integers, NULL);
  if (!base)
    return xen_throw(ctx);
  region_fill(region, FOREIGN, base, a[1].length, a[2].integer);
  return region_number(ctx, region);
}

static void *file_pages(const char *path, size_t bytes, bool writable) {
  int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status;
  if (fd < 0)
    return MAP_FAILED;
  void *base = MAP_FAILED;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= (off_t)bytes)
    base = mmap(NULL, bytes, protection(writable), MAP_SHARED, fd, 0);
  else
    errno = EINVAL;
  int error = errno;
  close(fd);
  errno = error;
  return base;
}

static JSValue region_file(JSContext *ctx, const struct argument *a) {
  struct region *region = region_free(ctx);
  if (!region)
    return JS_EXCEPTION;
  void *base = file_pages(a[0].text, (size_t)a[1].integer * PAGE_BYTES, a[2].integer);
  if (base == MAP_FAILED)
    return throw_errno(ctx, a[0].text);
  region_fill(region, FILE_MAPPED, base, (size_t)a[1].integer, a[2].integer);
  return region_number(ctx, region);
}

static JSValue region_close(JSContext *ctx, const struct argument *a) {
  struct region *region = region_named(ctx, &a[0]);
  if (!region)
    return JS_EXCEPTION;
  enum kind_of_region kind = region->kind;
  region->kind = UNUSED;
  if (kind == FILE_MAPPED || kind == GRANT_KEPT)
    return outcome(ctx, munmap(region->base, region_bytes(region)), NULL);
  xen_clear();
  if (kind == GRANT_MAPPED)
    return xen_outcome(ctx, xengnttab_unmap(grant_device, region->base, region->pages));
  if (kind == GRANT_SHARED)
    return xen_outcome(ctx, xengntshr_unshare(share_device, region->base, region->pages));
  return xen_outcome(ctx, xenforeignmemory_unmap(foreign_device, region->base, region->pages));
}

static JSValue region_size(JSContext *ctx, const struct argument *a) {
  struct region *region = region_named(ctx, &a[0]);
  return region ? JS_NewInt64(ctx, (int64_t)region_bytes(region)) : JS_EXCEPTION;
}

/* `length` bytes at offset a[1] of region a[0], or NULL with an exception pending. */
static uint8_t *region_range(JSContext *ctx, const struct argument *a, size_t length, size_t alignment, bool writing) {
  struct region *region = region_named(ctx, &a[0]);
  size_t offset = (size_t)a[1].integer;
  if (!region)
    return NULL;
  if (length > region_bytes(region) || offset > region_bytes(region) - length || offset % alignment != 0) {
    throw_error(ctx, EINVAL, "%zu bytes at %zu: not in a region of %zu bytes, or not aligned", length, offset,
                region_bytes(region));
    return NULL;
  }
  if (writing && !region->writable) {
    throw_error(ctx, EACCES, "the region is mapped for reading only");
    return NULL;
  }
  return region->base + offset;
}

static JSValue region_read(JSContext *ctx, const struct argument *a) {
  const uint8_t *from = region_range(ctx, a, (size_t)a[2].integer, 1, false);
  return from ? new_bytes(ctx, from, (size_t)a[2].integer) : JS_EXCEPTION;
}

static JSValue region_write(JSContext *ctx, const struct argument *a) {
  uint8_t *to = region_range(ctx, a, a[2].length, 1, true);
  if (!to)
    return JS_EXCEPTION;
  memcpy(to, a[2].bytes, a[2].length);
  return JS_UNDEFINED;
}

static JSValue region_load32(JSContext *ctx, const struct argument *a) {
  uint8_t *word = region_range(ctx, a, sizeof(uint32_t), sizeof(uint32_t), false);
  return word ? JS_NewUint32(ctx, __atomic_load_n((uint32_t *)word, __ATOMIC_SEQ_CST)) : JS_EXCEPTION;
}

static JSValue region_store32(JSContext *ctx, const struct argument *a) {
  uint8_t *word = region_range(ctx, a, sizeof(uint32_t), sizeof(uint32_t), true);
  if (!word)
    return JS_EXCEPTION;
  /* Whoever looks at the peer's index after moving its own must see what the peer moved before it looked. */
  __atomic_store_n((uint32_t *)word, (uint32_t)a[2].integer, __ATOMIC_SEQ_CST);
  return JS_UNDEFINED;
}

#define FRAMES(label, last) {.name = label, .kind = INTEGERS, .min = 1, .max = PAGES_MAX, .limit = last}
#define REGION UP_TO("region", INT32_MAX)
#define OFFSET UP_TO("offset", COPY_MAX)

const struct rt_export region_exports[] = {
    {"grantMap", grant_map, {DOMID("domid"), FRAMES("refs", UINT32_MAX), BOOL("writable")}},
    {"grantShare", grant_share, {DOMID("domid"), INT("pages", 1, PAGES_MAX), BOOL("writable")}},
    {"grantKeep", grant_keep, {DOMID("domid"), INT("pages", 1, KEPT_PAGES_MAX)}},
    {"foreignMap", foreign_map, {UP_TO("domid", DOMID_SELF), FRAMES("gfns", FRAME_LAST), BOOL("writable")}},
    {"regionFile", region_file, {PATH("path"), INT("pages", 1, PAGES_MAX), BOOL("writable")}},
    {"regionClose", region_close, {REGION}},
    {"regionSize", region_size, {REGION}},
    {"regionRead", region_read, {REGION, OFFSET, UP_TO("length", COPY_MAX)}},
    {"regionWrite", region_write, {REGION, OFFSET, BYTE_ARRAY("bytes", COPY_MAX)}},
    {"regionLoad32", region_load32, {REGION, OFFSET}},
    {"regionStore32", region_store32, {REGION, OFFSET, UP_TO("value", UINT32_MAX)}},
    {NULL, NULL, {}},
};
