/* The Xen libraries' handle and log. They print nothing: the last error goes into the exception. */
#include "xen.h"

#include <errno.h>
#include <stdio.h>

#define ERROR_TEXT_MAX 400

static char error_text[ERROR_TEXT_MAX];

static void keep_error(xentoollog_logger *logger, xentoollog_level level, int errnoval, const char *context,
                       const char *format, va_list list) {
  (void)logger, (void)errnoval, (void)context;
  int error = errno;
  if (level >= XTL_ERROR)
    vsnprintf(error_text, sizeof error_text, format, list);
  errno = error;
}

static void no_progress(xentoollog_logger *logger, const char *context, const char *what, int percent,
                        unsigned long done, unsigned long total) {
  (void)logger, (void)context, (void)what, (void)percent, (void)done, (void)total;
}

static void no_destroy(xentoollog_logger *logger) { (void)logger; }

xentoollog_logger *xen_logger(void) {
  static xentoollog_logger logger = {keep_error, no_progress, no_destroy};
  return &logger;
}

void xen_clear(void) {
  error_text[0] = 0;
  errno = 0;
}

JSValue xen_throw(JSContext *ctx) {
  if (errno == 0)
    errno = EIO; /* libxenguest often fails without one */
  return throw_errno(ctx, error_text[0] ? error_text : NULL);
}

JSValue xen_outcome(JSContext *ctx, int result) { return result < 0 ? xen_throw(ctx) : JS_UNDEFINED; }

JSValue xen_outcome_number(JSContext *ctx, int result) {
  return result < 0 ? xen_throw(ctx) : JS_NewInt32(ctx, result);
}

xc_interface *xen_control(JSContext *ctx) {
  static xc_interface *handle;
  xen_clear();
  if (!handle && !(handle = xc_interface_open(xen_logger(), xen_logger(), 0)))
    xen_throw(ctx);
  return handle;
}
