/*
 * ennead-rt: what its files share.
 *
 * Every function that JavaScript can call reads its arguments through argument.h, which checks type and range,
 * and only then acts. Nothing here keeps a pointer into the JavaScript heap across a call.
 */
#ifndef RT_H
#define RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <quickjs.h>

#define RT_MODULE "ennead:rt"
#define RT_EXIT_FAILURE 70 /* uncaught exception, unhandled rejection, unreadable program (EX_SOFTWARE) */
#define RT_PAGE_SIZE 4096

/* argv holds at least `arity` values; those not given are undefined. */
typedef JSValue rt_function(JSContext *ctx, JSValueConst *argv);

struct rt_export {
  const char *name;
  int arity;
  rt_function *call;
};

/* One table per file, ended by a NULL name; module.c lists them. */
extern const struct rt_export program_exports[], loop_exports[], file_exports[], path_exports[], system_exports[],
    process_exports[], socket_exports[], network_exports[], block_exports[], event_channel_exports[], region_exports[],
    domain_exports[], domain_build_exports[], device_exports[], host_exports[], rollback_exports[];

/* module.c */
int module_register(JSContext *ctx);
const char *module_current_op(void); /* name of the exported function that runs */
extern JSClassID module_uint8_class;
extern int program_argc;
extern char **program_argv; /* what follows the program's file name */

/* globals.c */
int globals_register(JSContext *ctx);

/* log.c: one line to stderr (/dev/kmsg under process 1), cut at RT_LOG_MAX bytes; control characters become spaces. */
#define RT_LOG_MAX 900
void log_line(const char *line, size_t length);
void log_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* failure.c */
void failure_log(JSContext *ctx, const char *where); /* logs and clears the pending exception, with its stack */

/* box.c: the recovery box, shared with the supervisor's next child. */
bool box_create(void);
extern const struct rt_export box_exports[];

/* supervisor.c: runs `program` in a child, again and again; returns the exit status when not process 1. */
int supervisor_run(int (*program)(void));

double clock_monotonic_ms(void);

#endif
