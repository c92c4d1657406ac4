/* Names in the file system. */
#include "argument.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DIRECTORY_MODE 0755
#define MODE_MAX 07777
#define ENTRIES_MAX 16384

static const char *kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "link";
    case S_IFBLK: return "block";
    case S_IFCHR: return "char";
    case S_IFIFO: return "fifo";
    default: return "socket";
  }
}

static JSValue stat_(JSContext *ctx, JSValueConst *argv) {
  char path[PATH_MAX];
  struct stat st;
  if (!read_path(ctx, argv[0], "path", path))
    return JS_EXCEPTION;
  if (stat(path, &st) < 0)
    return errno == ENOENT || errno == ENOTDIR ? JS_NULL : throw_errno(ctx, path);
  JSValue result = JS_NewObject(ctx);
  result_set(ctx, &result, "kind", JS_NewString(ctx, kind_of(st.st_mode)));
  result_set(ctx, &result, "size", JS_NewInt64(ctx, st.st_size));
  result_set(ctx, &result, "blocks", JS_NewInt64(ctx, st.st_blocks));
  result_set(ctx, &result, "major", JS_NewUint32(ctx, major(st.st_rdev)));
  result_set(ctx, &result, "minor", JS_NewUint32(ctx, minor(st.st_rdev)));
  result_set(ctx, &result, "mtimeMs",
             JS_NewFloat64(ctx, (double)st.st_mtim.tv_sec * 1e3 + (double)(st.st_mtim.tv_nsec / 1000000)));
  return result;
}

static int not_dots(const struct dirent *entry) { return strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."); }

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static JSValue readdir_(JSContext *ctx, JSValueConst *argv) {
  char path[PATH_MAX];
  struct dirent **entries;
  if (!read_path(ctx, argv[0], "path", path))
    return JS_EXCEPTION;
  int count = scandir(path, &entries, not_dots, by_name);
  if (count < 0)
    return throw_errno(ctx, path);
  JSValue result = count > ENTRIES_MAX ? throw_error(ctx, E2BIG, "more than %d names (%s)", ENTRIES_MAX, path)
                                       : JS_NewArray(ctx);
  for (int i = 0; i < count; i++) {
    if (!JS_IsException(result))
      result_append(ctx, &result, (uint32_t)i, JS_NewString(ctx, entries[i]->d_name));
    free(entries[i]);
  }
  free(entries);
  return result;
}

static JSValue readlink_(JSContext *ctx, JSValueConst *argv) {
  char path[PATH_MAX], target[PATH_MAX];
  if (!read_path(ctx, argv[0], "path", path))
    return JS_EXCEPTION;
  ssize_t length = readlink(path, target, sizeof target);
  return length < 0 ? throw_errno(ctx, path) : JS_NewStringLen(ctx, target, (size_t)length);
}

/* mkdir(path, mode) and chmod(path, mode) */
static JSValue with_mode(JSContext *ctx, JSValueConst *argv, int64_t mode, int (*call)(const char *, mode_t)) {
  char path[PATH_MAX];
  bool defaulted = mode >= 0 && JS_IsUndefined(argv[1]);
  if (!read_path(ctx, argv[0], "path", path) ||
      (!defaulted && !read_integer(ctx, argv[1], "mode", 0, MODE_MAX, &mode)))
    return JS_EXCEPTION;
  return call(path, (mode_t)mode) < 0 ? throw_errno(ctx, path) : JS_UNDEFINED;
}

static JSValue mkdir_(JSContext *ctx, JSValueConst *argv) { return with_mode(ctx, argv, DIRECTORY_MODE, mkdir); }

static JSValue chmod_(JSContext *ctx, JSValueConst *argv) { return with_mode(ctx, argv, -1, chmod); }

static JSValue on_path(JSContext *ctx, JSValueConst *argv, int (*call)(const char *)) {
  char path[PATH_MAX];
  if (!read_path(ctx, argv[0], "path", path))
    return JS_EXCEPTION;
  return call(path) < 0 ? throw_errno(ctx, path) : JS_UNDEFINED;
}

static JSValue rmdir_(JSContext *ctx, JSValueConst *argv) { return on_path(ctx, argv, rmdir); }

static JSValue unlink_(JSContext *ctx, JSValueConst *argv) { return on_path(ctx, argv, unlink); }

static JSValue on_paths(JSContext *ctx, JSValueConst *argv, int (*call)(const char *, const char *)) {
  char first[PATH_MAX], second[PATH_MAX];
  if (!read_path(ctx, argv[0], "first path", first) || !read_path(ctx, argv[1], "second path", second))
    return JS_EXCEPTION;
  return call(first, second) < 0 ? throw_errno(ctx, second) : JS_UNDEFINED;
}

static JSValue symlink_(JSContext *ctx, JSValueConst *argv) { return on_paths(ctx, argv, symlink); }

static JSValue rename_(JSContext *ctx, JSValueConst *argv) { return on_paths(ctx, argv, rename); }

static JSValue statfs_(JSContext *ctx, JSValueConst *argv) {
  char path[PATH_MAX];
  struct statvfs fs;
  if (!read_path(ctx, argv[0], "path", path))
    return JS_EXCEPTION;
  if (statvfs(path, &fs) < 0)
    return throw_errno(ctx, path);
  JSValue result = JS_NewObject(ctx);
  result_set(ctx, &result, "totalBytes", JS_NewFloat64(ctx, (double)fs.f_blocks * (double)fs.f_frsize));
  result_set(ctx, &result, "freeBytes", JS_NewFloat64(ctx, (double)fs.f_bavail * (double)fs.f_frsize));
  return result;
}

const struct rt_export path_exports[] = {
    {"stat", 1, stat_},       {"readdir", 1, readdir_}, {"readlink", 1, readlink_}, {"symlink", 2, symlink_},
    {"mkdir", 2, mkdir_},     {"rmdir", 1, rmdir_},     {"unlink", 1, unlink_},     {"rename", 2, rename_},
    {"chmod", 2, chmod_},     {"statfs", 1, statfs_},   {NULL, 0, NULL},
};
