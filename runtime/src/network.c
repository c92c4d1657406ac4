/* Bridges and interfaces, through the classic ioctls. */
#include "rt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define INTERFACE(label) STRING(label, 1, IFNAMSIZ - 1) /* which characters and names are good the kernel knows */

/* One ioctl on a throw-away socket. */
static JSValue socket_ioctl(JSContext *ctx, unsigned long request, void *argument, const char *subject) {
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  JSValue result = outcome(ctx, fd < 0 ? fd : ioctl(fd, request, argument), subject);
  if (fd >= 0)
    close(fd);
  return result;
}

static struct ifreq request_for(const char *interface) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
  return request;
}

static JSValue bridge_create(JSContext *ctx, const struct argument *a) {
  struct ifreq request = request_for(a[0].text);
  return socket_ioctl(ctx, SIOCBRADDBR, request.ifr_name, a[0].text);
}

static JSValue bridge_port(JSContext *ctx, const struct argument *a, unsigned long command) {
  struct ifreq request = request_for(a[0].text);
  request.ifr_ifindex = (int)if_nametoindex(a[1].text);
  return request.ifr_ifindex ? socket_ioctl(ctx, command, &request, a[1].text) : throw_errno(ctx, a[1].text);
}

static JSValue bridge_add_interface(JSContext *ctx, const struct argument *a) {
  return bridge_port(ctx, a, SIOCBRADDIF);
}

static JSValue bridge_remove_interface(JSContext *ctx, const struct argument *a) {
  return bridge_port(ctx, a, SIOCBRDELIF);
}

static JSValue interface_up(JSContext *ctx, const struct argument *a) {
  struct ifreq request = request_for(a[0].text);
  JSValue result = socket_ioctl(ctx, SIOCGIFFLAGS, &request, a[0].text);
  if (JS_IsException(result))
    return result;
  request.ifr_flags = (short)(a[1].integer ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  return socket_ioctl(ctx, SIOCSIFFLAGS, &request, a[0].text);
}

#define TUN_DEVICE "/dev/net/tun"
#define UID_LAST 65535

static JSValue tap_create(JSContext *ctx, const struct argument *a) {
  struct ifreq request = request_for(a[0].text);
  request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL); /* a new one; who opens it later chooses its flags anew */
  int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);
  bool done = fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 &&
              ioctl(fd, TUNSETOWNER, (unsigned long)a[1].integer) == 0 && ioctl(fd, TUNSETPERSIST, 1) == 0;
  JSValue result = outcome(ctx, done ? 0 : -1, a[0].text);
  if (fd >= 0)
    close(fd);
  return result;
}

const struct rt_export network_exports[] = {
    {"bridgeCreate", bridge_create, {INTERFACE("bridge")}},
    {"bridgeAddInterface", bridge_add_interface, {INTERFACE("bridge"), INTERFACE("name")}},
    {"bridgeRemoveInterface", bridge_remove_interface, {INTERFACE("bridge"), INTERFACE("name")}},
    {"interfaceUp", interface_up, {INTERFACE("name"), BOOL("up")}},
    {"tapCreate", tap_create, {INTERFACE("name"), UP_TO("uid", UID_LAST)}},
    {NULL, NULL, {}},
};
