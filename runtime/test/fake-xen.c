/*
 * Stands in for the kernel's Xen devices in a test build, so that regions and event channels are tested without Xen:
 * a port notified is a port that fires, a mapping is anonymous memory, one foreign frame number always fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/gntalloc.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>

#define PAGE 4096
#define PORTS 64
#define BAD_FRAME 666

static int events[2]; /* equal before the device is opened */
static struct {
  int bound, masked, pending;
} ports[PORTS];
static int live_mappings;

static void *map(size_t pages, int prot) {
  void *base = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(base, 0xa5, pages * PAGE);
  live_mappings++;
  mprotect(base, pages * PAGE, prot);
  return base;
}

static int unmap(void *base, size_t pages) {
  live_mappings--;
  return munmap(base, pages * PAGE);
}

__attribute__((destructor)) static void no_mapping_is_left(void) {
  if (getenv("NO_MAPPING_LEFT") && live_mappings)
    abort();
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned flags) {
  (void)logger, (void)flags;
  return pipe2(events, O_CLOEXEC) < 0 ? NULL : (xenevtchn_handle *)events;
}

int xenevtchn_close(xenevtchn_handle *handle) {
  (void)handle;
  return 0;
}

int xenevtchn_fd(xenevtchn_handle *handle) {
  (void)handle;
  return events[0];
}

static int is_bound(evtchn_port_t port) {
  if (port < PORTS && ports[port].bound)
    return 1;
  errno = ENOTCONN;
  return 0;
}

static void deliver(evtchn_port_t port) {
  if (ports[port].masked || !ports[port].pending)
    return;
  ports[port].pending = 0;
  ports[port].masked = 1; /* until it is unmasked, as the driver does */
  if (write(events[1], &port, sizeof port) != sizeof port)
    abort();
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port) {
  (void)handle;
  if (!is_bound(port))
    return -1;
  ports[port].pending = 1;
  deliver(port);
  return 0;
}

static int bind_next(void) {
  for (int port = 1; port < PORTS; port++)
    if (!ports[port].bound) {
      ports[port].bound = 1;
      return port;
    }
  errno = ENOSPC;
  return -1;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *handle, uint32_t domid) {
  (void)handle, (void)domid;
  return bind_next();
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *handle, uint32_t domid, evtchn_port_t remote) {
  (void)handle, (void)domid, (void)remote;
  return bind_next();
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *handle, unsigned virq) {
  (void)handle, (void)virq;
  return bind_next();
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port) {
  (void)handle;
  if (!is_bound(port))
    return -1;
  memset(&ports[port], 0, sizeof ports[port]);
  return 0;
}

ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);

/* The device unmasks the ports that are written to it, and passes over those that are not bound. */
ssize_t __wrap_write(int fd, const void *bytes, size_t length) {
  if (fd != events[0] || events[0] == events[1])
    return __real_write(fd, bytes, length);
  for (const evtchn_port_t *port = bytes; (const char *)port < (const char *)bytes + length; port++)
    if (is_bound(*port)) {
      ports[*port].masked = 0;
      deliver(*port);
    }
  return (ssize_t)length;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned flags) {
  (void)logger, (void)flags;
  return (xengnttab_handle *)&live_mappings;
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *handle, uint32_t count, uint32_t domid, uint32_t *refs,
                                      int prot) {
  (void)handle, (void)domid, (void)refs;
  return map(count, prot);
}

int xengnttab_unmap(xengnttab_handle *handle, void *base, uint32_t count) {
  (void)handle;
  return unmap(base, count);
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned flags) {
  (void)logger, (void)flags;
  return (xengntshr_handle *)&live_mappings;
}

void *xengntshr_share_pages(xengntshr_handle *handle, uint32_t domid, int count, uint32_t *refs, int writable) {
  (void)handle, (void)domid, (void)writable;
  for (int i = 0; i < count; i++)
    refs[i] = 100 + (uint32_t)i;
  void *base = map((size_t)count, PROT_READ | PROT_WRITE);
  memset(base, 0, (size_t)count * PAGE);
  return base;
}

int xengntshr_unshare(xengntshr_handle *handle, void *base, uint32_t count) {
  (void)handle;
  return unmap(base, count);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

/* The device of pages that are kept: a file in memory, which processes inherit as they inherit the device. */
int __wrap_open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return strcmp(path, "/dev/xen/gntalloc") == 0 ? memfd_create("gntalloc", MFD_CLOEXEC) : __real_open(path, flags, mode);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (request != IOCTL_GNTALLOC_ALLOC_GREF)
    return __real_ioctl(fd, request, argument);
  struct ioctl_gntalloc_alloc_gref *asked = argument;
  asked->index = PAGE;
  uint32_t *refs = asked->gref_ids;
  for (uint32_t i = 0; i < asked->count; i++)
    refs[i] = 200 + i;
  return ftruncate(fd, (off_t)(asked->count + 1) * PAGE);
}

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger, unsigned flags) {
  (void)logger, (void)flags;
  return (xenforeignmemory_handle *)&live_mappings;
}

int xenforeignmemory_close(xenforeignmemory_handle *handle) {
  (void)handle;
  return 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *handle, uint32_t domid, int prot, size_t pages,
                           const xen_pfn_t frames[], int errors[]) {
  (void)handle, (void)domid, (void)errors;
  for (size_t i = 0; i < pages; i++)
    if (frames[i] == BAD_FRAME) {
      errno = EINVAL;
      return NULL;
    }
  return map(pages, prot);
}

int xenforeignmemory_unmap(xenforeignmemory_handle *handle, void *base, size_t pages) {
  (void)handle;
  return unmap(base, pages);
}
