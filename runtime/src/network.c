/* Bridges and interfaces, through the classic ioctls. */
#include "argument.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A name the kernel would take: no slash, no colon, no blank, not "." or "..". */
static bool read_interface(JSContext *ctx, JSValueConst v, const char *name, char out[IFNAMSIZ]) {
  if (!read_string(ctx, v, name, 1, IFNAMSIZ - 1, out))
    return false;
  bool good = strcmp(out, ".") && strcmp(out, "..");
  for (const char *c = out; *c; c++)
    good = good && *c > ' ' && *c < 0x7f && *c != '/' && *c != ':';
  if (!good)
    throw_argument(ctx, "%s is not an interface name", name);
  return good;
}

/* One ioctl on a throw-away socket. */
static JSValue interface_ioctl(JSContext *ctx, unsigned long request, void *argument, const char *subject) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  JSValue result = fd < 0 || ioctl(fd, request, argument) < 0 ? throw_errno(ctx, subject) : JS_UNDEFINED;
  if (fd >= 0)
    close(fd);
  return result;
}

static JSValue bridge_create(JSContext *ctx, JSValueConst *argv) {
  char bridge[IFNAMSIZ] = "";
  if (!read_interface(ctx, argv[0], "bridge", bridge))
    return JS_EXCEPTION;
  return interface_ioctl(ctx, SIOCBRADDBR, bridge, bridge);
}

static JSValue bridge_port(JSContext *ctx, JSValueConst *argv, unsigned long request) {
  struct ifreq port = {0};
  char name[IFNAMSIZ];
  if (!read_interface(ctx, argv[0], "bridge", port.ifr_name) || !read_interface(ctx, argv[1], "name", name))
    return JS_EXCEPTION;
  port.ifr_ifindex = (int)if_nametoindex(name);
  return port.ifr_ifindex == 0 ? throw_errno(ctx, name) : interface_ioctl(ctx, request, &port, name);
}

static JSValue bridge_add_interface(JSContext *ctx, JSValueConst *argv) {
  return bridge_port(ctx, argv, SIOCBRADDIF);
}

static JSValue bridge_remove_interface(JSContext *ctx, JSValueConst *argv) {
  return bridge_port(ctx, argv, SIOCBRDELIF);
}

static JSValue interface_up(JSContext *ctx, JSValueConst *argv) {
  struct ifreq interface = {0};
  bool up;
  if (!read_interface(ctx, argv[0], "name", interface.ifr_name) || !read_boolean(ctx, argv[1], "up", &up))
    return JS_EXCEPTION;
  JSValue result = interface_ioctl(ctx, SIOCGIFFLAGS, &interface, interface.ifr_name);
  if (JS_IsException(result))
    return result;
  interface.ifr_flags = (short)(up ? interface.ifr_flags | IFF_UP : interface.ifr_flags & ~IFF_UP);
  return interface_ioctl(ctx, SIOCSIFFLAGS, &interface, interface.ifr_name);
}

const struct rt_export network_exports[] = {
    {"bridgeCreate", 1, bridge_create},
    {"bridgeAddInterface", 2, bridge_add_interface},
    {"bridgeRemoveInterface", 2, bridge_remove_interface},
    {"interfaceUp", 2, interface_up},
    {NULL, 0, NULL},
};
