/* The JavaScript engine: from a program's file to its exit status. */
#ifndef ENGINE_H
#define ENGINE_H

/* Runs bytecode (.qbc) or a script (anything else) until nothing is registered any more. */
int engine_run(const char *path);
/* Writes the module `source` as bytecode. */
int engine_compile(const char *source, const char *target);

#endif
