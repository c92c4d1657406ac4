/* Loop devices: a volume's file as a block device. */
#include "argument.h"

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

/* Opens a free device, attaches `file`; the device's path in `path`. -1 with errno. */
static int attach(int file, bool read_only, bool direct_io, char path[LOOP_PATH_MAX + 1]) {
  struct loop_config config = {.fd = (unsigned)file};
  config.info.lo_flags = (read_only ? LO_FLAGS_READ_ONLY : 0u) | (direct_io ? LO_FLAGS_DIRECT_IO : 0u);
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0)
    return -1;
  int device = -1;
  for (int i = 0; i < ATTACH_ATTEMPTS && device < 0; i++) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0)
      break;
    snprintf(path, LOOP_PATH_MAX + 1, "/dev/loop%d", number);
    device = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (device < 0)
      break;
    if (ioctl(device, LOOP_CONFIGURE, &config) < 0) {
      int error = errno;
      close(device);
      device = -1;
      errno = error;
      if (error != EBUSY)
        break;
    }
  }
  int error = errno;
  close(control);
  errno = error;
  return device;
}

static JSValue loop_attach(JSContext *ctx, JSValueConst *argv) {
  char file_path[PATH_MAX], path[LOOP_PATH_MAX + 1];
  bool read_only, direct_io;
  if (!read_path(ctx, argv[0], "path", file_path) ||
      !field_boolean(ctx, argv[1], "readOnly", REQUIRED, &read_only) ||
      !field_boolean(ctx, argv[1], "directIo", REQUIRED, &direct_io))
    return JS_EXCEPTION;
  int file = open(file_path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0)
    return throw_errno(ctx, file_path);
  int device = attach(file, read_only, direct_io, path);
  struct stat st;
  JSValue result = device < 0 || fstat(device, &st) < 0 ? throw_errno(ctx, file_path) : JS_NewObject(ctx);
  close(file);
  if (device < 0)
    return result;
  close(device); /* the device keeps the file */
  result_set(ctx, &result, "path", JS_NewString(ctx, path));
  result_set(ctx, &result, "major", JS_NewUint32(ctx, major(st.st_rdev)));
  result_set(ctx, &result, "minor", JS_NewUint32(ctx, minor(st.st_rdev)));
  return result;
}

static JSValue loop_detach(JSContext *ctx, JSValueConst *argv) {
  char path[LOOP_PATH_MAX + 1];
  if (!read_string(ctx, argv[0], "loopPath", 1, LOOP_PATH_MAX, path))
    return JS_EXCEPTION;
  if (strncmp(path, "/dev/loop", 9) != 0)
    return throw_argument(ctx, "loopPath is not a loop device's");
  int device = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  JSValue result = device < 0 || ioctl(device, LOOP_CLR_FD) < 0 ? throw_errno(ctx, path) : JS_UNDEFINED;
  if (device >= 0)
    close(device);
  return result;
}

const struct rt_export block_exports[] = {
    {"loopAttach", 2, loop_attach},
    {"loopDetach", 1, loop_detach},
    {NULL, 0, NULL},
};
