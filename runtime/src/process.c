/* Child processes. */
#include "confinement.h"
#include "rt.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64
#define ENVIRONMENT_MAX 64
#define PID_LAST 4194304 /* Linux's PID_MAX_LIMIT */
#define ID_LAST 65535
#define NOT_GIVEN (-1)
#define OPTIONAL_ID(label, last) {.name = label, .kind = INTEGER, .max = last, .optional = true, .fallback = NOT_GIVEN}

enum { STDIN, STDOUT, STDERR, UID, GID, CONFINED, ROOT, ARGV, ENVIRONMENT }; /* spawn's fields, in their order below */

/* In the child: 0, 1, 2 become what was asked for, blocking, whatever numbers they had. */
static bool child_descriptors(const struct argument *field) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC), high[3];
  for (int i = 0; i < 3; i++) {
    high[i] = fcntl(field[i].integer < 0 ? null : (int)field[i].integer, F_DUPFD_CLOEXEC, 3);
    if (high[i] < 0)
      return false;
  }
  for (int i = 0; i < 3; i++)
    if (dup2(high[i], i) < 0 || fcntl(i, F_SETFL, fcntl(i, F_GETFL) & ~O_NONBLOCK) < 0)
      return false;
  return close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0; /* also what this process itself was started with */
}

/* Only a working directory inside keeps the program inside. */
static bool child_root(const struct argument *root) {
  return !root->given || (chroot(root->text) == 0 && chdir("/") == 0);
}

static bool child_identity(int64_t uid, int64_t gid) {
  if ((uid != NOT_GIVEN || gid != NOT_GIVEN) && setgroups(0, NULL) < 0)
    return false;
  return (gid == NOT_GIVEN || setgid((gid_t)gid) == 0) && (uid == NOT_GIVEN || setuid((uid_t)uid) == 0);
}

static _Noreturn void child_run(const struct argument *field, int report) {
  static char *const empty[] = {NULL};
  char *const *argv = field[ARGV].texts, *const *env = field[ENVIRONMENT].texts;
  signal(SIGPIPE, SIG_DFL);
  if (child_descriptors(field) && child_root(&field[ROOT]) && child_identity(field[UID].integer, field[GID].integer) &&
      (!field[CONFINED].integer || confinement_begin(report)))
    execve(argv[0], argv, env ? env : empty);
  int error = errno;
  _exit(write(report, &error, sizeof error) < 0 ? 126 : 127);
}

/* Forks; the channel tells what went wrong before or in execve(2), its silence that nothing did. */
static pid_t start(const struct argument *field) {
  int report[2], error = 0;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0)
    return -1;
  int high = fcntl(report[1], F_DUPFD_CLOEXEC, 3); /* clear of 0, 1, 2, which the child overwrites */
  close(report[1]);
  pid_t pid = high < 0 ? -1 : fork();
  if (pid == 0)
    child_run(field, high);
  error = pid < 0 ? errno : 0;
  close(high);
  if (pid > 0 && (error = confinement_outcome(report[0])))
    waitpid(pid, NULL, 0);
  close(report[0]);
  errno = error;
  return error ? -1 : pid;
}

static JSValue spawn(JSContext *ctx, const struct argument *a) {
  const char *program = a[0].fields[ARGV].texts[0];
  if (program[0] != '/')
    return throw_error(ctx, EINVAL, "argv[0] is not an absolute path");
  pid_t pid = start(a[0].fields);
  if (pid < 0)
    return throw_errno(ctx, program);
  JSValue result = JS_NewObject(ctx);
  result_integer(ctx, &result, "pid", pid);
  result_set(ctx, &result, "pidfd", outcome_number(ctx, syscall(SYS_pidfd_open, pid, 0), NULL));
  return result;
}

static JSValue reap(JSContext *ctx, const struct argument *a) {
  int status;
  pid_t ended = waitpid((pid_t)a[0].integer, &status, WNOHANG);
  if (ended <= 0)
    return ended < 0 ? throw_errno(ctx, NULL) : JS_NULL;
  bool exited = WIFEXITED(status);
  JSValue result = JS_NewObject(ctx);
  result_set(ctx, &result, "status", exited ? JS_NewInt32(ctx, WEXITSTATUS(status)) : JS_NULL);
  result_set(ctx, &result, "signal", exited ? JS_NULL : JS_NewInt32(ctx, WTERMSIG(status)));
  return result;
}

static JSValue send_signal(JSContext *ctx, const struct argument *a) {
  return outcome(ctx, kill((pid_t)a[0].integer, (int)a[1].integer), NULL);
}

const struct rt_export process_exports[] = {
    {"spawn",
     spawn,
     {FIELDS(OPTIONAL_ID("stdin", FD_LIMIT - 1), OPTIONAL_ID("stdout", FD_LIMIT - 1),
             OPTIONAL_ID("stderr", FD_LIMIT - 1), OPTIONAL_ID("uid", ID_LAST), OPTIONAL_ID("gid", ID_LAST),
             {.name = "confined", .kind = BOOLEAN, .optional = true},
             {.name = "root", .kind = TEXT, .min = 1, .max = PATH_MAX - 1, .optional = true},
             {.name = "argv", .kind = TEXTS, .min = 1, .max = ARGUMENTS_MAX},
             {.name = "env", .kind = RECORD, .max = ENVIRONMENT_MAX, .optional = true})}},
    {"reap", reap, {INT("pid", 1, PID_LAST)}},
    {"kill", send_signal, {INT("pid", 1, PID_LAST), UP_TO("signal", 64)}},
    {NULL, NULL, {}},
};
