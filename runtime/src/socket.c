/* Pipes, byte-stream sockets on a path, and Linux's announcements of devices. */
#include "rt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG_MAX 128
#define UEVENT_GROUP 1 /* the kernel's own announcements, not udev's */
#define SOCKET_PATH STRING("path", 1, sizeof((struct sockaddr_un){0}).sun_path - 1)

static JSValue make_pipe(JSContext *ctx, const struct argument *a) {
  (void)a;
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
    return throw_errno(ctx, NULL);
  JSValue result = JS_NewObject(ctx);
  result_integer(ctx, &result, "readFd", fds[0]);
  result_integer(ctx, &result, "writeFd", fds[1]);
  return result;
}

static int open_socket(int family, int type, int protocol) {
  return socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

/* The descriptor when the calls so far succeeded; else it is closed and errno thrown. */
static JSValue socket_result(JSContext *ctx, int fd, bool succeeded, const char *subject) {
  if (succeeded)
    return JS_NewInt32(ctx, fd);
  JSValue result = throw_errno(ctx, subject);
  if (fd >= 0)
    close(fd);
  return result;
}

static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

static JSValue unix_listen(JSContext *ctx, const struct argument *a) {
  struct sockaddr_un address = address_of(a[0].text);
  int fd = open_socket(AF_UNIX, SOCK_STREAM, 0);
  bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
  return socket_result(ctx, fd, bound && listen(fd, (int)a[1].integer) == 0, a[0].text);
}

static JSValue unix_connect(JSContext *ctx, const struct argument *a) {
  struct sockaddr_un address = address_of(a[0].text);
  int fd = open_socket(AF_UNIX, SOCK_STREAM, 0);
  bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  return socket_result(ctx, fd, connected, a[0].text);
}

static JSValue unix_accept(JSContext *ctx, const struct argument *a) {
  int fd = accept4((int)a[0].integer, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
    return JS_NULL;
  return outcome_number(ctx, fd, NULL);
}

static JSValue shutdown_write(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, shutdown((int)a[0].integer, SHUT_WR), NULL);
}

static JSValue open_uevents(JSContext *ctx, const struct argument *a) {
  (void)a;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP};
  int fd = open_socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
  return socket_result(ctx, fd, fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0, NULL);
}

const struct rt_export socket_exports[] = {
    {"pipe", make_pipe, {}},
    {"unixListen", unix_listen, {SOCKET_PATH, INT("backlog", 1, BACKLOG_MAX)}},
    {"unixAccept", unix_accept, {FD}},
    {"unixConnect", unix_connect, {SOCKET_PATH}},
    {"shutdownWrite", shutdown_write, {FD}},
    {"openUevents", open_uevents, {}},
    {NULL, NULL, {}},
};
