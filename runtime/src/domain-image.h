/* What loading domains of all kinds shares: files, the fields that they have, memory's layout, the result, the release. */
#ifndef DOMAIN_IMAGE_H
#define DOMAIN_IMAGE_H

#include "xen.h" /* first: xenguest.h counts on what it includes */

#include <sys/types.h>
#include <xenguest.h>

#define MEMORY_MAX_MIB (1 << 20)
#define RAMDISKS_MAX 16
#define RAMDISK_BYTES_MAX (1ull << 30) /* all together */
#define COMMAND_LINE_MAX 1023
#define FOUR_GIB (1ull << 32)
#define E820_RAM 1

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

/* The same of a build from a kernel, whose own fields follow from KERNEL_FIELDS_END on. */
enum { RAMDISKS = OWN_FIELDS, COMMAND_LINE, KERNEL_FIELDS_END };
#define KERNEL_FIELDS                                                                                             \
  IMAGE_FIELDS("kernel"), {.name = "ramdisks", .kind = TEXTS, .max = RAMDISKS_MAX}, STRING("cmdline", 0, COMMAND_LINE_MAX)

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
/* Puts the ramdisks behind each other, each from a page of its own on; the gaps are zero, as cpio allows between archives. */
bool image_map_ramdisks(JSContext *ctx, struct image *image);
/* Of a PVH or HVM domain: memory lies below where a PC has its devices, and what finds no room there from 4 GiB on. */
void image_lay_out_memory(struct image *image);

#endif
