/*
 * Preloaded into Debian's xenstored, so that it starts where there is no Xen: its hypervisor has one domain, 0, that never says
 * anything, and /proc/xen is the folder $FAKE_PROC_XEN.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define PROC_XEN "/proc/xen/"

static int handle; /* what the opened devices are known by */

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *builder, unsigned flags) {
  (void)logger, (void)builder, (void)flags;
  return (xc_interface *)&handle;
}

int xc_interface_close(xc_interface *xch) { return (void)xch, 0; }

int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned max, xc_dominfo_t *info) {
  (void)xch, (void)max;
  memset(info, 0, sizeof *info);
  return first == 0;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned flags) {
  (void)logger, (void)flags;
  return (xengnttab_handle *)&handle;
}

int xengnttab_close(xengnttab_handle *grants) { return (void)grants, 0; }

int xengnttab_set_max_grants(xengnttab_handle *grants, uint32_t count) { return (void)grants, (void)count, 0; }

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned flags) {
  (void)logger, (void)flags;
  return (xenevtchn_handle *)&handle;
}

int xenevtchn_fd(xenevtchn_handle *channels) {
  static int silent = -1;
  (void)channels;
  return silent < 0 ? silent = eventfd(0, 0) : silent;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *channels, unsigned virq) {
  return (void)channels, (void)virq, 1;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *channels, uint32_t domid, evtchn_port_t port) {
  return (void)channels, (void)domid, (void)port, 2;
}

int xenevtchn_unbind(xenevtchn_handle *channels, evtchn_port_t port) { return (void)channels, (void)port, 0; }

int xenevtchn_notify(xenevtchn_handle *channels, evtchn_port_t port) { return (void)channels, (void)port, 0; }

int open(const char *path, int flags, ...) {
  static int (*next)(const char *, int, ...);
  char other[PATH_MAX];
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (!next)
    next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
  if (strncmp(path, PROC_XEN, strlen(PROC_XEN)) == 0) {
    snprintf(other, sizeof other, "%s/%s", getenv("FAKE_PROC_XEN"), path + strlen(PROC_XEN));
    path = other;
  }
  return next(path, flags, mode);
}
