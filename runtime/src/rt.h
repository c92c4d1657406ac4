/* ennead-rt: what its files share. Nothing keeps a pointer into the JavaScript heap from one call to the next. */
#ifndef RT_H
#define RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <quickjs.h>
#include "argument.h"
#include "result.h"

#define RT_EXIT_FAILURE 70 /* uncaught exception, unhandled rejection, unreadable program (EX_SOFTWARE) */

/* `a` has been checked against the export's parameters. */
typedef JSValue rt_function(JSContext *ctx, const struct argument *a);

struct rt_export {
  const char *name;
  rt_function *call;
  struct parameter parameters[PARAMETERS_MAX + 1];
};

/* One table per file, ended by a NULL name; module.c lists them. */
extern const struct rt_export program_exports[], loop_exports[], file_exports[], path_exports[], system_exports[],
    process_exports[], socket_exports[], network_exports[], block_exports[], event_channel_exports[], region_exports[],
    domain_exports[], domain_build_pv_exports[], domain_build_pvh_exports[], domain_build_hvm_exports[], device_exports[], host_exports[], handler_exports[], box_exports[];

/* module.c */
int module_register(JSContext *ctx, int argc, char **argv);
const char *module_current_op(void); /* name of the exported function that runs */
JSValue module_function(JSContext *ctx, const struct rt_export *export); /* with checked arguments */

/* globals.c */
int globals_register(JSContext *ctx);

/* log.c: a line to stderr (/dev/kmsg under process 1), cut at LOG_LINE_MAX bytes; control characters become spaces. */
#define LOG_LINE_MAX 900
void log_line(const char *line, size_t length);
void log_text(const char *text); /* one log line per line */
void log_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_exception(JSContext *ctx, const char *where); /* the pending one, which it clears, with its stack */
double clock_monotonic_ms(void);
double clock_coarse_ms(void); /* the same, late by a tick of Linux at most, without a system call */

/* box.c: the recovery box, shared with the supervisor's next child. */
bool box_create(void);

/* kept.c: the one share of a VM that outlives its service's process. */
#define KEPT_PAGES_MAX 16
bool kept_create(void);
void kept_open(void); /* in process 1, before the service's process is made */
/* MAP_FAILED with errno; EBUSY: something else was granted before. */
void *kept_map(uint32_t domid, uint32_t pages, const uint32_t **refs);

/* supervisor.c: runs `program` in a child, afresh when it fails; returns the exit status when not process 1. */
int supervisor_run(int (*program)(void));

#endif
