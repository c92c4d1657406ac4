/* What a confined program can do and cannot: run by confinement.test.mjs. Prints "ok" or an errno's name for each attempt. */
#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *nothing(void *argument) { return argument; }

static long thread(void) {
  pthread_t id;
  errno = pthread_create(&id, NULL, nothing, NULL);
  return errno ? -1 : pthread_join(id, NULL);
}

static long unix_sockets(void) {
  int ends[2];
  char byte = 'x';
  return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || write(ends[0], &byte, 1) < 0 ? -1 : read(ends[1], &byte, 1);
}

static long memory(void) {
  char *bytes = malloc(8 << 20);
  if (!bytes)
    return -1;
  memset(bytes, 1, 8 << 20);
  free(bytes);
  return 0;
}

/* A child that there should not be ends at once; the parent has to say that there was one. */
static long forked(long pid) {
  if (pid == 0)
    _exit(0);
  return pid;
}

static long execute(long call, const char *path) {
  char *const argv[] = {(char *)(uintptr_t)path, NULL}, *const env[] = {NULL};
  return call == SYS_execve ? syscall(SYS_execve, path, argv, env) : syscall(SYS_execveat, 0, path, argv, env, 0);
}

static char self[4096];
static const char *const nowhere = "/nonexistent/ennead";
static const int nobody = -2; /* as a process */
static char *const bad = (char *)1;

/* Each with an argument that makes it fail in another way, or do nothing, should Linux let it pass: this runs on somebody's machine. */
#define ATTEMPTS(X)                                                                            \
  X(memory, memory())                                                                          \
  X(thread, thread())                                                                          \
  X(unix_sockets, unix_sockets())                                                              \
  X(unix_socket, socket(AF_UNIX, SOCK_DGRAM, 0))                                               \
  X(thread_name, prctl(PR_SET_NAME, "name"))                                                   \
  X(inet_socket, socket(AF_INET, SOCK_STREAM, 0))                                              \
  X(inet_socket_with_high_bits, syscall(SYS_socket, 1ul << 32 | AF_INET, SOCK_STREAM, 0))      \
  X(inet6_socket, socket(AF_INET6, SOCK_DGRAM, 0))                                             \
  X(netlink_socket, socket(AF_NETLINK, SOCK_RAW, 0))                                           \
  X(inet_socket_pair, socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){0}))                        \
  X(ptrace, ptrace(PTRACE_CONT, nobody, NULL, NULL))                                           \
  X(read_memory_of_others, syscall(SYS_process_vm_readv, nobody, NULL, 0, NULL, 0, 0))         \
  X(mount, syscall(SYS_mount, bad, bad, bad, 0, NULL))                                         \
  X(unshare, unshare(1))                                                                       \
  X(fork, forked(syscall(SYS_fork)))                                                           \
  X(clone_process, forked(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)))                            \
  X(clone_user_namespace, syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0))  \
  X(clone3, syscall(SYS_clone3, NULL, 0))                                                      \
  X(execve, execute(SYS_execve, nowhere))                                                      \
  X(execveat, execute(SYS_execveat, nowhere))                                                  \
  X(setuid, setuid((uid_t)-1))                                                                 \
  X(kill, syscall(SYS_kill, getppid(), 0))                                                     \
  X(io_uring, syscall(SYS_io_uring_setup, 0, NULL))                                            \
  X(bpf, syscall(SYS_bpf, -1, NULL, 0))                                                        \
  X(filter, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL))                            \
  X(filter_that_listens, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, NULL)) \
  X(dumpable, prctl(PR_SET_DUMPABLE, -1))                                                      \
  X(execve_itself, execute(SYS_execve, self)) /* ends at once; last, as nothing comes after */

static void say(const char *what, long result) {
  printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
  fflush(stdout);
}

/* prctl(2) does not answer a confined program that asks. */
static void say_privileges(void) {
  char line[256];
  int none;
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status))
    if (sscanf(line, "NoNewPrivs: %d", &none) == 1)
      printf("no-new-privileges: %d\n", none);
}

int main(int argc, char **argv) {
  if (argc < 2)
    return 0;
  const char *what = argv[1];
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
    return 1;
  if (strcmp(what, "all") == 0) {
#define TRY(name, expression) say(#name, expression);
    ATTEMPTS(TRY)
  } else if (strcmp(what, "other-architecture") == 0) {
    long result = 20; /* getpid of 32-bit programs */
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    say(what, result);
  } else if (strcmp(what, "x32") == 0) {
    say(what, syscall(0x40000000 | SYS_getpid));
  } else if (strcmp(what, "no-new-privileges") == 0) {
    say_privileges();
  } else {
    return 1;
  }
  return 0;
}
