/* The VM as a whole: mounts, host name, power. */
#include "argument.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#define MOUNT_DATA_MAX 1024
#define MOUNT_TYPE_MAX 31
#define HOSTNAME_MAX 64

static JSValue mount_(JSContext *ctx, JSValueConst *argv) {
  char source[PATH_MAX], target[PATH_MAX], type[MOUNT_TYPE_MAX + 1], data[MOUNT_DATA_MAX + 1] = "";
  bool read_only = false;
  if (!read_path(ctx, argv[0], "source", source) || !read_path(ctx, argv[1], "target", target) ||
      !read_string(ctx, argv[2], "type", 1, MOUNT_TYPE_MAX, type) ||
      !field_boolean(ctx, argv[3], "readOnly", OPTIONAL, &read_only) ||
      !field_string(ctx, argv[3], "data", OPTIONAL, 0, MOUNT_DATA_MAX, data))
    return JS_EXCEPTION;
  return mount(source, target, type, read_only ? MS_RDONLY : 0, data) < 0 ? throw_errno(ctx, target) : JS_UNDEFINED;
}

static JSValue umount_(JSContext *ctx, JSValueConst *argv) {
  char target[PATH_MAX];
  if (!read_path(ctx, argv[0], "target", target))
    return JS_EXCEPTION;
  return umount2(target, UMOUNT_NOFOLLOW) < 0 ? throw_errno(ctx, target) : JS_UNDEFINED;
}

static JSValue sync_(JSContext *ctx, JSValueConst *argv) {
  (void)ctx, (void)argv;
  sync();
  return JS_UNDEFINED;
}

static JSValue reboot_(JSContext *ctx, JSValueConst *argv) {
  static const char *const ways[] = {"poweroff", "halt", "restart", NULL};
  static const int commands[] = {RB_POWER_OFF, RB_HALT_SYSTEM, RB_AUTOBOOT};
  int way;
  if (!read_choice(ctx, argv[0], "how", ways, &way))
    return JS_EXCEPTION;
  return reboot(commands[way]) < 0 ? throw_errno(ctx, NULL) : JS_UNDEFINED;
}

static JSValue set_hostname(JSContext *ctx, JSValueConst *argv) {
  char name[HOSTNAME_MAX + 1];
  if (!read_string(ctx, argv[0], "name", 1, HOSTNAME_MAX, name))
    return JS_EXCEPTION;
  return sethostname(name, strlen(name)) < 0 ? throw_errno(ctx, NULL) : JS_UNDEFINED;
}

const struct rt_export system_exports[] = {
    {"mount", 4, mount_},   {"umount", 1, umount_},           {"sync", 0, sync_},
    {"reboot", 1, reboot_}, {"setHostname", 1, set_hostname}, {NULL, 0, NULL},
};
