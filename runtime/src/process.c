/* Child processes. */
#include "argument.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64
#define ENVIRONMENT_MAX 64
#define STRINGS_BYTES_MAX 65536 /* argv and environment together */
#define PID_LAST 4194304        /* PID_MAX_LIMIT */
#define ID_NONE (-1)            /* no uid or gid given */

struct spawn {
  char *argv[ARGUMENTS_MAX + 1], *env[ENVIRONMENT_MAX + 1];
  int64_t fds[3], uid, gid;
  size_t used;
  char bytes[STRINGS_BYTES_MAX];
};

/* Copies a string into the pool; `prefix` may be NULL, else "prefix=value". */
static char *pool_add(JSContext *ctx, struct spawn *spawn, const char *prefix, JSValueConst v, const char *name) {
  char *start = spawn->bytes + spawn->used;
  size_t room = sizeof spawn->bytes - spawn->used, lead = prefix ? strlen(prefix) + 1 : 0;
  if (lead + 1 > room) {
    throw_error(ctx, E2BIG, "%s: more than %d bytes", name, STRINGS_BYTES_MAX);
    return NULL;
  }
  if (!read_string(ctx, v, name, 0, room - lead - 1, start + lead))
    return NULL;
  if (prefix) {
    memcpy(start, prefix, lead - 1);
    start[lead - 1] = '=';
  }
  spawn->used += lead + strlen(start + lead) + 1;
  return start;
}

static bool read_argv(JSContext *ctx, JSValueConst options, struct spawn *spawn) {
  size_t count;
  JSValue list = JS_GetPropertyStr(ctx, options, "argv");
  bool good = !JS_IsException(list) && read_array(ctx, list, "argv", 1, ARGUMENTS_MAX, &count);
  for (size_t i = 0; good && i < count; i++) {
    JSValue v = JS_GetPropertyUint32(ctx, list, (uint32_t)i);
    good = !JS_IsException(v) && (spawn->argv[i] = pool_add(ctx, spawn, NULL, v, "argv"));
    JS_FreeValue(ctx, v);
  }
  JS_FreeValue(ctx, list);
  if (good && spawn->argv[0][0] != '/') {
    throw_argument(ctx, "argv[0] is not an absolute path");
    good = false;
  }
  return good;
}

static bool read_variable(JSContext *ctx, JSValueConst env, JSAtom atom, struct spawn *spawn, uint32_t index) {
  const char *name = JS_AtomToCString(ctx, atom);
  if (!name)
    return false;
  bool good = name[0] && !strchr(name, '=');
  if (!good)
    throw_argument(ctx, "env has a bad name");
  JSValue v = good ? JS_GetProperty(ctx, env, atom) : JS_EXCEPTION;
  good = !JS_IsException(v) && (spawn->env[index] = pool_add(ctx, spawn, name, v, "env"));
  JS_FreeValue(ctx, v);
  JS_FreeCString(ctx, name);
  return good;
}

static bool read_environment(JSContext *ctx, JSValueConst options, struct spawn *spawn) {
  JSValue env = JS_GetPropertyStr(ctx, options, "env");
  if (JS_IsException(env) || JS_IsUndefined(env))
    return !JS_IsException(env);
  JSPropertyEnum *names = NULL;
  uint32_t count = 0;
  bool good = JS_IsObject(env);
  if (!good)
    throw_argument(ctx, "env is not an object");
  good = good && JS_GetOwnPropertyNames(ctx, &names, &count, env, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) == 0;
  if (good && count > ENVIRONMENT_MAX) {
    throw_error(ctx, E2BIG, "env has more than %d names", ENVIRONMENT_MAX);
    good = false;
  }
  for (uint32_t i = 0; good && i < count; i++)
    good = read_variable(ctx, env, names[i].atom, spawn, i);
  for (uint32_t i = 0; i < count; i++)
    JS_FreeAtom(ctx, names[i].atom);
  js_free(ctx, names);
  JS_FreeValue(ctx, env);
  return good;
}

static bool read_options(JSContext *ctx, JSValueConst options, struct spawn *spawn) {
  spawn->fds[0] = spawn->fds[1] = spawn->fds[2] = ID_NONE;
  spawn->uid = spawn->gid = ID_NONE;
  return field_integer(ctx, options, "stdin", OPTIONAL, 0, FD_LIMIT - 1, &spawn->fds[0]) &&
         field_integer(ctx, options, "stdout", OPTIONAL, 0, FD_LIMIT - 1, &spawn->fds[1]) &&
         field_integer(ctx, options, "stderr", OPTIONAL, 0, FD_LIMIT - 1, &spawn->fds[2]) &&
         field_integer(ctx, options, "uid", OPTIONAL, 0, 65535, &spawn->uid) &&
         field_integer(ctx, options, "gid", OPTIONAL, 0, 65535, &spawn->gid) && read_argv(ctx, options, spawn) &&
         read_environment(ctx, options, spawn);
}

/* In the child: 0, 1, 2 become what was asked for, blocking, whatever numbers they had. */
static bool child_descriptors(const struct spawn *spawn) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC), high[3];
  for (int i = 0; i < 3; i++) {
    high[i] = fcntl(spawn->fds[i] < 0 ? null : (int)spawn->fds[i], F_DUPFD_CLOEXEC, 3);
    if (high[i] < 0)
      return false;
  }
  for (int i = 0; i < 3; i++) {
    int flags = fcntl(high[i], F_GETFL);
    if (dup2(high[i], i) < 0 || fcntl(i, F_SETFL, flags & ~O_NONBLOCK) < 0)
      return false;
  }
  return true;
}

static bool child_identity(const struct spawn *spawn) {
  if ((spawn->uid >= 0 || spawn->gid >= 0) && setgroups(0, NULL) < 0)
    return false;
  return (spawn->gid < 0 || setgid((gid_t)spawn->gid) == 0) && (spawn->uid < 0 || setuid((uid_t)spawn->uid) == 0);
}

static _Noreturn void child_run(struct spawn *spawn, int report) {
  signal(SIGPIPE, SIG_DFL);
  if (child_descriptors(spawn) && child_identity(spawn))
    execve(spawn->argv[0], spawn->argv, spawn->env);
  int error = errno;
  if (write(report, &error, sizeof error) < 0)
    _exit(127);
  _exit(127);
}

/* Forks; the pipe tells what went wrong before or in execve(2), its silence that nothing did. */
static pid_t start(struct spawn *spawn) {
  int report[2], error = 0;
  if (pipe2(report, O_CLOEXEC) < 0)
    return -1;
  if (report[1] < 3) { /* keep it clear of 0, 1, 2, which the child overwrites */
    errno = EBADF;
    return -1;
  }
  pid_t pid = fork();
  if (pid == 0)
    child_run(spawn, report[1]);
  error = pid < 0 ? errno : 0;
  close(report[1]);
  if (pid > 0 && TEMP_FAILURE_RETRY(read(report[0], &error, sizeof error)) == sizeof error)
    waitpid(pid, NULL, 0);
  close(report[0]);
  errno = error;
  return error ? -1 : pid;
}

static JSValue spawn_(JSContext *ctx, JSValueConst *argv) {
  struct spawn *spawn = calloc(1, sizeof *spawn);
  if (!spawn)
    return throw_errno(ctx, NULL);
  if (!read_options(ctx, argv[0], spawn)) {
    free(spawn);
    return JS_EXCEPTION;
  }
  pid_t pid = start(spawn);
  JSValue result = pid < 0 ? throw_errno(ctx, spawn->argv[0]) : JS_NewObject(ctx);
  free(spawn);
  if (pid < 0)
    return result;
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
  result_set(ctx, &result, "pid", JS_NewInt32(ctx, pid));
  result_set(ctx, &result, "pidfd", pidfd < 0 ? throw_errno(ctx, NULL) : JS_NewInt32(ctx, pidfd));
  return result;
}

static JSValue reap(JSContext *ctx, JSValueConst *argv) {
  int64_t pid;
  if (!read_integer(ctx, argv[0], "pid", 1, PID_LAST, &pid))
    return JS_EXCEPTION;
  int status;
  pid_t ended = waitpid((pid_t)pid, &status, WNOHANG);
  if (ended <= 0)
    return ended < 0 ? throw_errno(ctx, NULL) : JS_NULL;
  bool exited = WIFEXITED(status);
  JSValue result = JS_NewObject(ctx);
  result_set(ctx, &result, "status", exited ? JS_NewInt32(ctx, WEXITSTATUS(status)) : JS_NULL);
  result_set(ctx, &result, "signal", exited ? JS_NULL : JS_NewInt32(ctx, WTERMSIG(status)));
  return result;
}

static JSValue kill_(JSContext *ctx, JSValueConst *argv) {
  int64_t pid, signal_number;
  if (!read_integer(ctx, argv[0], "pid", 1, PID_LAST, &pid) ||
      !read_integer(ctx, argv[1], "signal", 0, SIGRTMAX, &signal_number))
    return JS_EXCEPTION;
  return kill((pid_t)pid, (int)signal_number) < 0 ? throw_errno(ctx, NULL) : JS_UNDEFINED;
}

const struct rt_export process_exports[] = {
    {"spawn", 1, spawn_}, {"reap", 1, reap}, {"kill", 2, kill_}, {NULL, 0, NULL},
};
