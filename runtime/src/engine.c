/* The JavaScript engine: arena, runtime, context, the program's module. */
#include "engine.h"
#include "arena.h"
#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_DEFAULT_MIB 16
#define HEAP_MAX_MIB (ARENA_LIMIT_MAX >> 20)
#define HEAP_VARIABLE "ENNEAD_HEAP_MIB" /* Linux hands NAME=value of its command line to process 1 */
#define STACK_BYTES (1u << 20)
#define PROGRAM_BYTES_MAX (16 << 20)

static size_t heap_limit(void) {
  const char *text = getenv(HEAP_VARIABLE);
  char *rest = NULL;
  unsigned long mib = text ? strtoul(text, &rest, 10) : HEAP_DEFAULT_MIB;
  if (text && (rest == text || *rest || mib < 1 || mib > HEAP_MAX_MIB)) {
    log_format("%s=%s is not a number in 1..%lu; taking %d", HEAP_VARIABLE, text, HEAP_MAX_MIB, HEAP_DEFAULT_MIB);
    mib = HEAP_DEFAULT_MIB;
  }
  return mib << 20;
}

/* Everything JS_NewContext() has; without `compiler` there is no eval() and no Function(text). */
static JSContext *new_context(JSRuntime *runtime, bool compiler) {
  JSContext *ctx = JS_NewContextRaw(runtime);
  if (!ctx)
    return NULL;
  JS_AddIntrinsicBaseObjects(ctx);
  JS_AddIntrinsicDate(ctx);
  if (compiler)
    JS_AddIntrinsicEval(ctx);
  JS_AddIntrinsicStringNormalize(ctx);
  JS_AddIntrinsicRegExp(ctx);
  JS_AddIntrinsicJSON(ctx);
  JS_AddIntrinsicProxy(ctx);
  JS_AddIntrinsicMapSet(ctx);
  JS_AddIntrinsicTypedArrays(ctx);
  JS_AddIntrinsicPromise(ctx);
  JS_AddIntrinsicWeakRef(ctx);
  return ctx;
}

/* NULL after a log line. The heap is never torn down: it ends with the process. */
static JSContext *engine_create(bool compiler, int argc, char **argv) {
  JSRuntime *runtime = NULL;
  JSContext *ctx = NULL;
  if (arena_create(heap_limit()) && loop_create() && event_channel_create() && (runtime = heap_new_runtime())) {
    JS_SetMaxStackSize(runtime, STACK_BYTES);
    JS_SetStripInfo(runtime, JS_STRIP_SOURCE); /* line numbers stay, for stack traces */
    if (handler_create(runtime))
      ctx = new_context(runtime, compiler);
  }
  if (!ctx || module_register(ctx, argc, argv) < 0 || globals_register(ctx) < 0) {
    log_format("the JavaScript engine did not start: no memory?");
    return NULL;
  }
  return ctx;
}

/* The whole file, NUL-terminated, to be freed; NULL after a log line. Sized by the file: a small VM has no memory to spare. */
static char *load_program(const char *path, size_t *length) {
  FILE *file = fopen(path, "re");
  struct stat status;
  char *data = NULL;
  if (file && fstat(fileno(file), &status) == 0) {
    *length = (size_t)status.st_size;
    if (status.st_size > PROGRAM_BYTES_MAX)
      errno = EFBIG;
    else
      data = calloc(*length + 1, 1);
    if (data && fread(data, 1, *length, file) != *length) {
      errno = EIO;
      free(data);
      data = NULL;
    }
  }
  if (!data)
    log_format("%s: %s", path, strerrordesc_np(errno));
  if (file)
    fclose(file);
  return data;
}

static bool is_bytecode(const char *path) {
  size_t length = strlen(path);
  return length > 4 && strcmp(path + length - 4, ".qbc") == 0;
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path; /* the bytecode must not depend on where it was built */
}

static JSValue compile(JSContext *ctx, const char *path, const char *source, size_t length) {
  return JS_Eval(ctx, source, length, base_name(path), JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
}

/* The promise of the module's evaluation, or an exception. */
static JSValue start(JSContext *ctx, const char *path, const char *program, size_t length) {
  JSValue module = is_bytecode(path)
                       ? JS_ReadObject(ctx, (const uint8_t *)program, length, JS_READ_OBJ_BYTECODE)
                       : compile(ctx, path, program, length);
  if (JS_IsException(module))
    return module;
  if (JS_ResolveModule(ctx, module) < 0) {
    JS_FreeValue(ctx, module);
    return JS_EXCEPTION;
  }
  return JS_EvalFunction(ctx, module);
}

int engine_run(const char *path, int argc, char **argv) {
  size_t length;
  JSContext *ctx = engine_create(!is_bytecode(path), argc, argv);
  char *program = ctx ? load_program(path, &length) : NULL;
  if (!program)
    return RT_EXIT_FAILURE;
  JSValue evaluation = start(ctx, path, program, length);
  free(program);
  bool failed = JS_IsException(evaluation);
  if (failed)
    log_exception(ctx, path);
  if (!handler_finish(ctx, failed) || !loop_run(ctx))
    return RT_EXIT_FAILURE;
  if (JS_PromiseState(ctx, evaluation) == JS_PROMISE_PENDING) {
    log_format("%s: waits for a promise that nothing can settle any more", path);
    return RT_EXIT_FAILURE;
  }
  return 0;
}

int engine_compile(const char *source, const char *target) {
  size_t length, size;
  JSContext *ctx = engine_create(true, 0, NULL);
  char *program = ctx ? load_program(source, &length) : NULL;
  if (!program)
    return RT_EXIT_FAILURE;
  JSValue module = compile(ctx, source, program, length);
  free(program);
  uint8_t *bytecode =
      JS_IsException(module) ? NULL : JS_WriteObject(ctx, &size, module, JS_WRITE_OBJ_BYTECODE);
  if (!bytecode) {
    log_exception(ctx, source);
    return RT_EXIT_FAILURE;
  }
  FILE *file = fopen(target, "we");
  bool written = file && fwrite(bytecode, 1, size, file) == size;
  if (file && fclose(file) != 0)
    written = false;
  if (!written)
    log_format("%s: %s", target, strerrordesc_np(errno));
  return written ? 0 : RT_EXIT_FAILURE;
}
