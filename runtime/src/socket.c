/* Pipes and byte-stream sockets on a path. */
#include "argument.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG_MAX 128
#define UEVENT_GROUP 1

static JSValue pipe_(JSContext *ctx, JSValueConst *argv) {
  (void)argv;
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
    return throw_errno(ctx, NULL);
  JSValue result = JS_NewObject(ctx);
  result_set(ctx, &result, "readFd", JS_NewInt32(ctx, fds[0]));
  result_set(ctx, &result, "writeFd", JS_NewInt32(ctx, fds[1]));
  return result;
}

static bool read_address(JSContext *ctx, JSValueConst v, struct sockaddr_un *address) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  return read_string(ctx, v, "path", 1, sizeof address->sun_path - 1, address->sun_path);
}

/* Throws errno for `path` and closes `fd`. */
static JSValue fail(JSContext *ctx, int fd, const char *path) {
  JSValue result = throw_errno(ctx, path);
  if (fd >= 0)
    close(fd);
  return result;
}

static JSValue unix_listen(JSContext *ctx, JSValueConst *argv) {
  struct sockaddr_un address;
  int64_t backlog;
  if (!read_address(ctx, argv[0], &address) || !read_integer(ctx, argv[1], "backlog", 1, BACKLOG_MAX, &backlog))
    return JS_EXCEPTION;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, (int)backlog) < 0)
    return fail(ctx, fd, address.sun_path);
  return JS_NewInt32(ctx, fd);
}

static JSValue unix_accept(JSContext *ctx, JSValueConst *argv) {
  int fd;
  if (!read_fd(ctx, argv[0], "fd", &fd))
    return JS_EXCEPTION;
  int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (accepted < 0)
    return errno == EAGAIN || errno == ECONNABORTED ? JS_NULL : throw_errno(ctx, NULL);
  return JS_NewInt32(ctx, accepted);
}

static JSValue unix_connect(JSContext *ctx, JSValueConst *argv) {
  struct sockaddr_un address;
  if (!read_address(ctx, argv[0], &address))
    return JS_EXCEPTION;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
    return fail(ctx, fd, address.sun_path);
  return JS_NewInt32(ctx, fd);
}

static JSValue shutdown_write(JSContext *ctx, JSValueConst *argv) {
  int fd;
  if (!read_fd(ctx, argv[0], "fd", &fd))
    return JS_EXCEPTION;
  return shutdown(fd, SHUT_WR) < 0 ? throw_errno(ctx, NULL) : JS_UNDEFINED;
}

/* Linux's announcements of devices; the group is the kernel's own, not udev's. */
static JSValue open_uevents(JSContext *ctx, JSValueConst *argv) {
  (void)argv;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
    return fail(ctx, fd, NULL);
  return JS_NewInt32(ctx, fd);
}

const struct rt_export socket_exports[] = {
    {"openUevents", 0, open_uevents},
    {"pipe", 0, pipe_},
    {"unixListen", 2, unix_listen},
    {"unixAccept", 1, unix_accept},
    {"unixConnect", 1, unix_connect},
    {"shutdownWrite", 1, shutdown_write},
    {NULL, 0, NULL},
};
