/* Names in the file system. */
#include "rt.h"

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
#define MODE_LAST 07777
#define NAMES_MAX 16384

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

static JSValue get_status(JSContext *ctx, const struct argument *a) {
  struct stat st;
  if (stat(a[0].text, &st) < 0)
    return errno == ENOENT || errno == ENOTDIR ? JS_NULL : throw_errno(ctx, a[0].text);
  JSValue result = JS_NewObject(ctx);
  result_text(ctx, &result, "kind", kind_of(st.st_mode));
  result_integer(ctx, &result, "size", st.st_size);
  result_integer(ctx, &result, "blocks", st.st_blocks);
  result_integer(ctx, &result, "major", major(st.st_rdev));
  result_integer(ctx, &result, "minor", minor(st.st_rdev));
  result_integer(ctx, &result, "mtimeMs", st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
  return result;
}

static int not_dots(const struct dirent *entry) { return strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."); }

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static JSValue list_directory(JSContext *ctx, const struct argument *a) {
  struct dirent **names;
  int count = scandir(a[0].text, &names, not_dots, by_name);
  if (count < 0)
    return throw_errno(ctx, a[0].text);
  JSValue result = count > NAMES_MAX ? throw_error(ctx, E2BIG, "more than %d names", NAMES_MAX) : JS_NewArray(ctx);
  for (int i = 0; i < count; i++) {
    if (!JS_IsException(result))
      result_append(ctx, &result, (uint32_t)i, JS_NewString(ctx, names[i]->d_name));
    free(names[i]);
  }
  free(names);
  return result;
}

static JSValue read_link(JSContext *ctx, const struct argument *a) {
  char target[PATH_MAX];
  ssize_t length = readlink(a[0].text, target, sizeof target);
  return length < 0 ? throw_errno(ctx, a[0].text) : JS_NewStringLen(ctx, target, (size_t)length);
}

static JSValue make_link(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, symlink(a[0].text, a[1].text), a[1].text);
}

static JSValue make_directory(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, mkdir(a[0].text, (mode_t)a[1].integer), a[0].text);
}

static JSValue remove_directory(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, rmdir(a[0].text), a[0].text);
}

static JSValue remove_name(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, unlink(a[0].text), a[0].text);
}

static JSValue rename_to(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, rename(a[0].text, a[1].text), a[0].text);
}

static JSValue change_mode(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, chmod(a[0].text, (mode_t)a[1].integer), a[0].text);
}

static JSValue get_space(JSContext *ctx, const struct argument *a) {
  struct statvfs fs;
  if (statvfs(a[0].text, &fs) < 0)
    return throw_errno(ctx, a[0].text);
  JSValue result = JS_NewObject(ctx);
  result_integer(ctx, &result, "totalBytes", (long)(fs.f_blocks * fs.f_frsize));
  result_integer(ctx, &result, "freeBytes", (long)(fs.f_bavail * fs.f_frsize));
  return result;
}

const struct rt_export path_exports[] = {
    {"stat", get_status, {PATH("path")}},
    {"readdir", list_directory, {PATH("path")}},
    {"readlink", read_link, {PATH("path")}},
    {"symlink", make_link, {PATH("target"), PATH("path")}},
    {"mkdir",
     make_directory,
     {PATH("path"), {.name = "mode", .kind = INTEGER, .max = MODE_LAST, .optional = true, .fallback = DIRECTORY_MODE}}},
    {"rmdir", remove_directory, {PATH("path")}},
    {"unlink", remove_name, {PATH("path")}},
    {"rename", rename_to, {PATH("from"), PATH("to")}},
    {"chmod", change_mode, {PATH("path"), UP_TO("mode", MODE_LAST)}},
    {"statfs", get_space, {PATH("path")}},
    {NULL, NULL, {}},
};
