/* Open files: descriptors, and whole files at once. */
#include "rt.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define IO_MAX (1 << 20) /* one read or write */
#define WHOLE_FILE_MAX (64l << 20)
#define FILE_MODE 0600
#define MODE {.name = "mode", .kind = INTEGER, .max = 07777, .optional = true, .fallback = FILE_MODE}

static uint8_t io_buffer[IO_MAX]; /* what read(2) fills before JavaScript gets its copy */

static const char *const open_flags[] = {"r", "w", "a", "r+", "rw", NULL};
static const int open_bits[] = {O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND, O_RDWR,
                                O_RDWR | O_CREAT};

static JSValue open_file(JSContext *ctx, const struct argument *a) {
  int flags = open_bits[a[1].integer] | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  return outcome_number(ctx, open(a[0].text, flags, (mode_t)a[2].integer), a[0].text);
}

static JSValue close_file(JSContext *ctx, const struct argument *a) {
  loop_forget_fd(ctx, (int)a[0].integer);
  return outcome(ctx, close((int)a[0].integer), NULL);
}

static JSValue read_some(JSContext *ctx, const struct argument *a) {
  ssize_t got = TEMP_FAILURE_RETRY(read((int)a[0].integer, io_buffer, (size_t)a[1].integer));
  if (got < 0)
    return errno == EAGAIN ? JS_NULL : throw_errno(ctx, NULL);
  return new_bytes(ctx, io_buffer, (size_t)got);
}

static JSValue write_some(JSContext *ctx, const struct argument *a) {
  size_t length = a[1].length < IO_MAX ? a[1].length : IO_MAX;
  ssize_t put = TEMP_FAILURE_RETRY(write((int)a[0].integer, a[1].bytes, length));
  return put < 0 && errno == EAGAIN ? JS_NewInt32(ctx, 0) : outcome_number(ctx, put, NULL);
}

static JSValue read_at(JSContext *ctx, const struct argument *a) {
  ssize_t got = TEMP_FAILURE_RETRY(pread((int)a[0].integer, io_buffer, (size_t)a[1].integer, a[2].integer));
  return got < 0 ? throw_errno(ctx, NULL) : new_bytes(ctx, io_buffer, (size_t)got);
}

static JSValue write_at(JSContext *ctx, const struct argument *a) {
  ssize_t put = TEMP_FAILURE_RETRY(pwrite((int)a[0].integer, a[1].bytes, a[1].length, a[2].integer));
  return outcome_number(ctx, put, NULL);
}

static JSValue sync_file(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, fsync((int)a[0].integer), NULL);
}

static JSValue truncate_file(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, ftruncate((int)a[0].integer, a[1].integer), NULL);
}

/* Everything up to the end, at most `max` bytes (else EFBIG), in *out (to be freed). The length, or -1 with errno. */
static ssize_t read_to_end(int fd, size_t max, uint8_t **out) {
  size_t length = 0, room = 0;
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

static JSValue read_file(JSContext *ctx, const struct argument *a) {
  int fd = open(a[0].text, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return throw_errno(ctx, a[0].text);
  uint8_t *data = NULL;
  ssize_t length = read_to_end(fd, (size_t)a[1].integer, &data);
  JSValue result = length < 0 ? throw_errno(ctx, a[0].text) : new_bytes(ctx, data, (size_t)length);
  free(data);
  close(fd);
  return result;
}

static int write_all(int fd, const uint8_t *data, size_t length) {
  do { /* sysfs wants its write(2) even when it is empty */
    ssize_t put = TEMP_FAILURE_RETRY(write(fd, data, length));
    if (put < 0)
      return -1;
    data += put;
    length -= (size_t)put;
  } while (length);
  return 0;
}

static JSValue write_file(JSContext *ctx, const struct argument *a) {
  int fd = open(a[0].text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, (mode_t)a[2].integer);
  if (fd < 0)
    return throw_errno(ctx, a[0].text);
  JSValue result = outcome(ctx, write_all(fd, a[1].bytes, a[1].length), a[0].text);
  int closed = close(fd);
  return JS_IsException(result) ? result : outcome(ctx, closed, a[0].text);
}

const struct rt_export file_exports[] = {
    {"open", open_file, {PATH("path"), {.name = "flags", .kind = CHOICE, .choices = open_flags}, MODE}},
    {"close", close_file, {FD}},
    {"read", read_some, {FD, UP_TO("length", IO_MAX)}},
    {"write", write_some, {FD, BYTE_ARRAY("bytes", INTEGER_LAST)}},
    {"pread", read_at, {FD, UP_TO("length", IO_MAX), UP_TO("offset", INTEGER_LAST)}},
    {"pwrite", write_at, {FD, BYTE_ARRAY("bytes", IO_MAX), UP_TO("offset", INTEGER_LAST)}},
    {"fsync", sync_file, {FD}},
    {"ftruncate", truncate_file, {FD, UP_TO("length", INTEGER_LAST)}},
    {"readFile", read_file, {PATH("path"), UP_TO("maxBytes", WHOLE_FILE_MAX)}},
    {"writeFile", write_file, {PATH("path"), BYTE_ARRAY("bytes", WHOLE_FILE_MAX), MODE}},
    {NULL, NULL, {}},
};
