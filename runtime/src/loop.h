/* The event loop and the handlers it runs. */
#ifndef LOOP_H
#define LOOP_H

#include "rt.h"

/* loop.c */
bool loop_create(void);            /* after the arena, before any JavaScript */
bool loop_run(JSContext *ctx);     /* until nothing is registered; false when a handler failed for good */
void loop_forget_fd(JSContext *ctx, int fd); /* before close(2) */
void loop_after_rollback(void);    /* brings epoll in line with the restored tables */

extern const struct rt_export loop_globals[]; /* setTimeout, clearTimeout */

/* handler.c */
bool handler_create(JSRuntime *runtime);
/* Runs `function` (which it frees), then all promise jobs, then rolls back if asked to. False: the process must end. */
bool handler_run(JSContext *ctx, JSValue function, int argc, JSValueConst *argv);
/* The same for what was started outside a handler; `failed` tells that it already went wrong. */
bool handler_finish(JSContext *ctx, bool failed);

/* event-channel.c */
bool event_channel_create(void);
bool event_channel_listening(void); /* there is a handler */
bool event_channel_queued(void);
int event_channel_fd(void);         /* -1 before the first use */
void event_channel_unmask(void);    /* before every wait: lets in the events of ports that were delivered */
void event_channel_fill(void);      /* takes in every pending port; blocks while there is none */
bool event_channel_dispatch(JSContext *ctx); /* false as handler_run() */

#endif
