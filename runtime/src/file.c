/* Open files: descriptors, and whole files at once. */
#include "argument.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define IO_MAX (1 << 20)              /* one read or write */
#define WHOLE_FILE_MAX (64l << 20)
#define FILE_MODE 0600
#define MODE_MAX 07777

static uint8_t io_buffer[IO_MAX]; /* what read(2) fills before JavaScript gets its copy */

static const char *const open_flags[] = {"r", "w", "a", "r+", "rw", NULL};
static const int open_bits[] = {O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND, O_RDWR,
                                O_RDWR | O_CREAT};

static bool read_mode(JSContext *ctx, JSValueConst v, int64_t *mode) {
  return JS_IsUndefined(v) || read_integer(ctx, v, "mode", 0, MODE_MAX, mode);
}

static JSValue open_(JSContext *ctx, JSValueConst *argv) {
  char path[PATH_MAX];
  int flags;
  int64_t mode = FILE_MODE;
  if (!read_path(ctx, argv[0], "path", path) || !read_choice(ctx, argv[1], "flags", open_flags, &flags) ||
      !read_mode(ctx, argv[2], &mode))
    return JS_EXCEPTION;
  int fd = open(path, open_bits[flags] | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, (mode_t)mode);
  return fd < 0 ? throw_errno(ctx, path) : JS_NewInt32(ctx, fd);
}

static JSValue close_(JSContext *ctx, JSValueConst *argv) {
  int fd;
  if (!read_fd(ctx, argv[0], "fd", &fd))
    return JS_EXCEPTION;
  loop_forget_fd(ctx, fd);
  return close(fd) < 0 ? throw_errno(ctx, NULL) : JS_UNDEFINED;
}

static JSValue read_(JSContext *ctx, JSValueConst *argv) {
  int fd;
  int64_t length;
  if (!read_fd(ctx, argv[0], "fd", &fd) || !read_integer(ctx, argv[1], "length", 0, IO_MAX, &length))
    return JS_EXCEPTION;
  ssize_t got = TEMP_FAILURE_RETRY(read(fd, io_buffer, (size_t)length));
  if (got < 0)
    return errno == EAGAIN ? JS_NULL : throw_errno(ctx, NULL);
  return new_bytes(ctx, io_buffer, (size_t)got);
}

static JSValue write_(JSContext *ctx, JSValueConst *argv) {
  int fd;
  struct bytes bytes;
  if (!read_fd(ctx, argv[0], "fd", &fd) || !read_bytes(ctx, argv[1], "bytes", INTEGER_MAX, &bytes))
    return JS_EXCEPTION;
  ssize_t put = TEMP_FAILURE_RETRY(write(fd, bytes.data, bytes.length < IO_MAX ? bytes.length : IO_MAX));
  if (put < 0)
    return errno == EAGAIN ? JS_NewInt32(ctx, 0) : throw_errno(ctx, NULL);
  return JS_NewInt64(ctx, put);
}

static JSValue pread_(JSContext *ctx, JSValueConst *argv) {
  int fd;
  int64_t length, offset;
  if (!read_fd(ctx, argv[0], "fd", &fd) || !read_integer(ctx, argv[1], "length", 0, IO_MAX, &length) ||
      !read_integer(ctx, argv[2], "offset", 0, INTEGER_MAX, &offset))
    return JS_EXCEPTION;
  ssize_t got = TEMP_FAILURE_RETRY(pread(fd, io_buffer, (size_t)length, offset));
  return got < 0 ? throw_errno(ctx, NULL) : new_bytes(ctx, io_buffer, (size_t)got);
}

static JSValue pwrite_(JSContext *ctx, JSValueConst *argv) {
  int fd;
  int64_t offset;
  struct bytes bytes;
  if (!read_fd(ctx, argv[0], "fd", &fd) || !read_integer(ctx, argv[2], "offset", 0, INTEGER_MAX, &offset) ||
      !read_bytes(ctx, argv[1], "bytes", IO_MAX, &bytes))
    return JS_EXCEPTION;
  ssize_t put = TEMP_FAILURE_RETRY(pwrite(fd, bytes.data, bytes.length, offset));
  return put < 0 ? throw_errno(ctx, NULL) : JS_NewInt64(ctx, put);
}

static JSValue fsync_(JSContext *ctx, JSValueConst *argv) {
  int fd;
  if (!read_fd(ctx, argv[0], "fd", &fd))
    return JS_EXCEPTION;
  return fsync(fd) < 0 ? throw_errno(ctx, NULL) : JS_UNDEFINED;
}

static JSValue ftruncate_(JSContext *ctx, JSValueConst *argv) {
  int fd;
  int64_t length;
  if (!read_fd(ctx, argv[0], "fd", &fd) || !read_integer(ctx, argv[1], "length", 0, INTEGER_MAX, &length))
    return JS_EXCEPTION;
  return ftruncate(fd, length) < 0 ? throw_errno(ctx, NULL) : JS_UNDEFINED;
}

/* Everything up to the end, at most `max` bytes (else EFBIG), in *out (to be freed). The length, or -1 with errno. */
static ssize_t read_to_end(int fd, size_t max, uint8_t **out) {
  size_t length = 0, room = 0;
  *out = NULL;
  for (;;) {
    if (length == room) {
      room = room ? room * 2 : 65536; /* procfs and sysfs files have no size to ask for */
      uint8_t *larger = realloc(*out, room);
      if (!larger)
        return -1;
      *out = larger;
    }
    ssize_t got = TEMP_FAILURE_RETRY(read(fd, *out + length, room - length));
    if (got <= 0)
      return got < 0 ? -1 : (ssize_t)length;
    length += (size_t)got;
    if (length > max) {
      errno = EFBIG;
      return -1;
    }
  }
}

static JSValue read_file(JSContext *ctx, JSValueConst *argv) {
  char path[PATH_MAX];
  int64_t max;
  if (!read_path(ctx, argv[0], "path", path) || !read_integer(ctx, argv[1], "maxBytes", 0, WHOLE_FILE_MAX, &max))
    return JS_EXCEPTION;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return throw_errno(ctx, path);
  uint8_t *data;
  ssize_t length = read_to_end(fd, (size_t)max, &data);
  JSValue result = length < 0 ? throw_errno(ctx, path) : new_bytes(ctx, data, (size_t)length);
  free(data);
  close(fd);
  return result;
}

static bool write_all(int fd, const uint8_t *data, size_t length) {
  do { /* sysfs wants its write(2) even when it is empty */
    ssize_t put = TEMP_FAILURE_RETRY(write(fd, data, length));
    if (put < 0)
      return false;
    data += put;
    length -= (size_t)put;
  } while (length);
  return true;
}

static JSValue write_file(JSContext *ctx, JSValueConst *argv) {
  char path[PATH_MAX];
  int64_t mode = FILE_MODE;
  struct bytes bytes;
  if (!read_path(ctx, argv[0], "path", path) || !read_mode(ctx, argv[2], &mode) ||
      !read_bytes(ctx, argv[1], "bytes", WHOLE_FILE_MAX, &bytes))
    return JS_EXCEPTION;
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, (mode_t)mode);
  if (fd < 0)
    return throw_errno(ctx, path);
  bool written = write_all(fd, bytes.data, bytes.length);
  JSValue result = written ? JS_UNDEFINED : throw_errno(ctx, path);
  if (close(fd) < 0 && written)
    result = throw_errno(ctx, path);
  return result;
}

const struct rt_export file_exports[] = {
    {"open", 3, open_},       {"close", 1, close_},     {"read", 2, read_},
    {"write", 2, write_},     {"pread", 3, pread_},     {"pwrite", 3, pwrite_},
    {"fsync", 1, fsync_},     {"ftruncate", 2, ftruncate_}, {"readFile", 2, read_file},
    {"writeFile", 3, write_file}, {NULL, 0, NULL},
};
