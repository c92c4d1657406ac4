/* Loop devices: a volume's file as a block device. */
#include "rt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LOOP_PATH_MAX 31
#define ATTACH_ATTEMPTS 8 /* another process may take the free number first */

static void close_keeping_errno(int fd) {
  int error = errno;
  if (fd >= 0)
    close(fd);
  errno = error;
}

/* Opens the device that `control` says is free and attaches `config`'s file; -1 with errno. */
static int attach_once(int control, const struct loop_config *config, char path[LOOP_PATH_MAX + 1]) {
  int number = ioctl(control, LOOP_CTL_GET_FREE);
  if (number < 0)
    return -1;
  snprintf(path, LOOP_PATH_MAX + 1, "/dev/loop%d", number);
  int device = open(path, (config->info.lo_flags & LO_FLAGS_READ_ONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC);
  if (device < 0 || ioctl(device, LOOP_CONFIGURE, config) == 0)
    return device;
  close_keeping_errno(device);
  return -1;
}

static int attach(const struct loop_config *config, char path[LOOP_PATH_MAX + 1]) {
  int device = -1, control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0)
    return -1;
  for (int i = 0; i < ATTACH_ATTEMPTS && device < 0; i++)
    if ((device = attach_once(control, config, path)) < 0 && errno != EBUSY)
      break;
  close_keeping_errno(control);
  return device;
}

static JSValue loop_attach(JSContext *ctx, const struct argument *a) {
  bool read_only = a[1].fields[0].integer, direct_io = a[1].fields[1].integer;
  char path[LOOP_PATH_MAX + 1];
  struct stat st;
  int file = open(a[0].text, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0)
    return throw_errno(ctx, a[0].text);
  struct loop_config config = {.fd = (unsigned)file};
  config.info.lo_flags = (read_only ? LO_FLAGS_READ_ONLY : 0u) | (direct_io ? LO_FLAGS_DIRECT_IO : 0u);
  int device = attach(&config, path);
  close_keeping_errno(file); /* the device keeps it */
  JSValue result = device < 0 || fstat(device, &st) < 0 ? throw_errno(ctx, a[0].text) : JS_NewObject(ctx);
  close_keeping_errno(device);
  if (!JS_IsException(result)) {
    result_text(ctx, &result, "path", path);
    result_integer(ctx, &result, "major", major(st.st_rdev));
    result_integer(ctx, &result, "minor", minor(st.st_rdev));
  }
  return result;
}

static JSValue loop_detach(JSContext *ctx, const struct argument *a) {
  int device = open(a[0].text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  JSValue result = outcome(ctx, device < 0 ? device : ioctl(device, LOOP_CLR_FD), a[0].text);
  close_keeping_errno(device);
  return result;
}

const struct rt_export block_exports[] = {
    {"loopAttach", loop_attach, {PATH("path"), FIELDS(BOOL("readOnly"), BOOL("directIo"))}},
    {"loopDetach", loop_detach, {STRING("loopPath", 1, LOOP_PATH_MAX)}},
    {NULL, NULL, {}},
};
