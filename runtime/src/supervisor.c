/*
 * Process 1: reaps what others leave behind and runs the service in a child, afresh when it fails. A service that fails
 * too often takes the VM down: process 1 ends, Linux panics, and Xen reports the domain as crashed.
 */
#include "rt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RESTARTS_MAX 5
#define RESTART_WINDOW_MS 60000
#define RESTART_PAUSE_MS 200

static double starts[RESTARTS_MAX + 1]; /* a ring: when the last services were started */
static unsigned started;

/* True while fewer than RESTARTS_MAX restarts happened within the window. */
static bool may_start(void) {
  double now = clock_monotonic_ms(), *oldest = &starts[started % (RESTARTS_MAX + 1)];
  if (started > RESTARTS_MAX && now - *oldest < RESTART_WINDOW_MS)
    return false;
  *oldest = now;
  started++;
  return true;
}

static void log_end(int status) {
  if (WIFSIGNALED(status))
    log_format("supervisor: the service ended by signal %d", WTERMSIG(status));
  else
    log_format("supervisor: the service ended with status %d", WEXITSTATUS(status));
}

/* Runs the service once; its wait status. Orphans are reaped on the way. */
static int run_once(int (*program)(void)) {
  pid_t service = fork();
  if (service == 0)
    exit(program());
  int status = RT_EXIT_FAILURE << 8;
  while (service > 0) {
    pid_t ended = wait(&status);
    if (ended == service || (ended < 0 && errno != EINTR))
      break;
  }
  return status;
}

/* The supervisor's own needs: device nodes, and /dev/kmsg as standard output and error of everything. */
static void prepare_vm(void) {
  mkdir("/dev", 0755);
  mount("dev", "/dev", "devtmpfs", 0, NULL); /* fails when the kernel already did */
  int null = open("/dev/null", O_RDWR), kmsg = open("/dev/kmsg", O_WRONLY);
  dup2(null, STDIN_FILENO);
  dup2(kmsg < 0 ? null : kmsg, STDOUT_FILENO);
  dup2(kmsg < 0 ? null : kmsg, STDERR_FILENO);
  for (int fd = STDERR_FILENO + 1; fd <= null || fd <= kmsg; fd++)
    close(fd);
}

static int finish(bool is_init, int status) {
  if (is_init && status == 0) {
    sync();
    reboot(RB_POWER_OFF);
  }
  return status; /* of process 1: a panic */
}

int supervisor_run(int (*program)(void)) {
  bool is_init = getpid() == 1;
  if (is_init)
    prepare_vm();
  kept_open();
  while (may_start()) {
    int status = run_once(program);
    log_end(status);
    if (status == 0)
      return finish(is_init, 0);
    if (is_init)
      kill(-1, SIGKILL); /* what it had started would be in the next one's way */
    struct timespec pause = {.tv_nsec = RESTART_PAUSE_MS * 1000000l};
    nanosleep(&pause, NULL);
  }
  log_format("supervisor: more than %d restarts in %d s, giving up", RESTARTS_MAX, RESTART_WINDOW_MS / 1000);
  return finish(is_init, RT_EXIT_FAILURE);
}
