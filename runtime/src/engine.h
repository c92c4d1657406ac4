/* The JavaScript engine: from a program's file to its exit status. */
#ifndef ENGINE_H
#define ENGINE_H

#include <quickjs.h>

/* heap.c: a runtime whose memory is the arena. */
JSRuntime *heap_new_runtime(void);

/* engine.c: runs bytecode (.qbc) or a script (anything else) until nothing is registered any more. */
int engine_run(const char *path, int argc, char **argv);
/* Writes the module `source` as bytecode. */
int engine_compile(const char *source, const char *target);

#endif
