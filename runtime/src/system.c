/* The VM as a whole: mounts, host name, power. */
#include "rt.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#define MOUNT_DATA_MAX 1024
#define MOUNT_TYPE_MAX 31
#define HOSTNAME_MAX 64

static const char *const ways_down[] = {"poweroff", "halt", "restart", NULL};
static const int reboot_commands[] = {RB_POWER_OFF, RB_HALT_SYSTEM, RB_AUTOBOOT};

static JSValue mount_on(JSContext *ctx, const struct argument *a) {
  const struct argument *read_only = &a[3].fields[0], *data = &a[3].fields[1];
  unsigned long flags = read_only->integer ? MS_RDONLY : 0;
  return outcome(ctx, mount(a[0].text, a[1].text, a[2].text, flags, data->text), a[1].text);
}

static JSValue unmount(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, umount2(a[0].text, UMOUNT_NOFOLLOW), a[0].text);
}

static JSValue sync_all(JSContext *ctx, const struct argument *a) {
  (void)ctx, (void)a;
  sync();
  return JS_UNDEFINED;
}

static JSValue power(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, reboot(reboot_commands[a[0].integer]), NULL);
}

static JSValue set_hostname(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, sethostname(a[0].text, a[0].length), NULL);
}

const struct rt_export system_exports[] = {
    {"mount",
     mount_on,
     {PATH("source"), PATH("target"), STRING("type", 1, MOUNT_TYPE_MAX),
      FIELDS({.name = "readOnly", .kind = BOOLEAN, .optional = true},
             {.name = "data", .kind = TEXT, .max = MOUNT_DATA_MAX, .optional = true})}},
    {"umount", unmount, {PATH("target")}},
    {"sync", sync_all, {}},
    {"reboot", power, {{.name = "how", .kind = CHOICE, .choices = ways_down}}},
    {"setHostname", set_hostname, {STRING("name", 1, HOSTNAME_MAX)}},
    {NULL, NULL, {}},
};
