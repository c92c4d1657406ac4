/* What loading a PV domain and an HVM domain share: files, the fields that both have, the result, the release. */
#ifndef DOMAIN_IMAGE_H
#define DOMAIN_IMAGE_H

#include "xen.h" /* first: xenguest.h counts on what it includes */

#include <sys/types.h>
#include <xenguest.h>

#define MEMORY_MAX_MIB (1 << 20)

struct image {
  const struct argument *field; /* of the options */
  uint8_t *files;               /* mapped behind each other; NULL without any */
  size_t files_length;          /* in whole pages */
  struct xc_dom_image *dom;
};

/* The fields of every build, first in its options; each kind's own follow from OWN_FIELDS on. */
enum { DOMAIN, MEMORY, KERNEL, STORE_DOMAIN, STORE_PORT, CONSOLE_DOMAIN, CONSOLE_PORT, OWN_FIELDS };

#define PORT_LAST INT32_MAX
#define IMAGE_FIELDS(kernel)                                                                                      \
  DOMID("domid"), INT("memoryMib", 1, MEMORY_MAX_MIB), PATH(kernel), DOMID("storeDomid"),                         \
      UP_TO("storePort", PORT_LAST), DOMID("consoleDomid"), UP_TO("consolePort", PORT_LAST)

struct recipe {
  bool (*map)(JSContext *ctx, struct image *image); /* its files, before anything is asked of Xen; false with an exception pending */
  bool (*load)(struct image *image, xc_interface *xch); /* false with errno or the library's error text */
};

/* Runs a recipe; gives the frames of the XenStore page and the console page. */
JSValue image_build(JSContext *ctx, const struct argument *field, const struct recipe *recipe);

/* The size of a regular file of at most `max` bytes, or -1 with errno. */
off_t image_file_size(const char *path, uint64_t max);
/* Makes room for `files_length` bytes of files. */
bool image_reserve(JSContext *ctx, struct image *image);
/* Puts a file of exactly `size` bytes at `at`, in the room that was made. */
bool image_map_file(JSContext *ctx, const char *path, uint8_t *at, size_t size);
/* In whole pages. */
size_t image_padded(off_t size);

#endif
