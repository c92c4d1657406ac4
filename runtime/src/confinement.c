/*
 * Confinement: a program that reads what a hostile guest wrote (an emulator) gets no new privileges, and a filter of system calls.
 *
 * Whatever is not listed is refused with EPERM. What that gives: no network but Unix sockets, no other process, no other program, no mounts,
 * namespaces, tracing or keys, no io_uring (which would make calls that no filter sees), and no filter of its own. The calls of other
 * architectures, which have other numbers, end the process.
 *
 * What it does not give: which files the program may open is a matter of its user, what it may do to an open device is the device's (of
 * /dev/xen/privcmd: Linux's and Xen's), and a program that is taken over can still do what it was started for.
 *
 * The filter is there before execve(2), which therefore has to pass once. It does not pass by itself: it asks the parent, who says yes to the
 * first and then closes the descriptor that others could be answered through. Linux refuses them with ENOSYS from then on.
 */
#include "confinement.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <asm/prctl.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define X32_BIT 0x40000000u /* of the numbers of the third architecture that this kernel may know */

static const int allowed[] = {
    /* files and what is open */
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_lseek, SYS_open,
    SYS_openat, SYS_close, SYS_stat, SYS_fstat, SYS_lstat, SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_access,
    SYS_faccessat, SYS_faccessat2, SYS_readlink, SYS_readlinkat, SYS_getcwd, SYS_getdents64, SYS_unlink, SYS_ftruncate,
    SYS_fallocate, SYS_fadvise64, SYS_fsync, SYS_fdatasync, SYS_fcntl, SYS_ioctl, SYS_dup, SYS_dup2, SYS_dup3,
    /* memory */
    SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap, SYS_madvise, SYS_msync, SYS_brk,
    /* its own threads, signals and identity */
    SYS_futex, SYS_set_robust_list, SYS_rseq, SYS_set_tid_address, SYS_gettid, SYS_getpid, SYS_getppid, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_rt_sigreturn,
    SYS_sigaltstack, SYS_signalfd4, SYS_tgkill, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_prlimit64,
    SYS_getrlimit, SYS_getrusage, SYS_exit, SYS_exit_group,
    /* time, and waiting */
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_time, SYS_timer_create,
    SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun, SYS_timer_delete, SYS_timerfd_create, SYS_timerfd_settime,
    SYS_restart_syscall, SYS_poll, SYS_ppoll, SYS_select, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait,
    SYS_epoll_pwait, SYS_eventfd2, SYS_pipe2,
    /* sockets that `when` lets it make */
    SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_getsockname, SYS_getpeername, SYS_getsockopt,
    SYS_setsockopt, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_shutdown,
    /* about the machine */
    SYS_uname, SYS_sysinfo, SYS_getrandom,
};

#define THREAD                                                                                               \
  (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | \
   CLONE_CHILD_CLEARTID)

/* Allowed with one value of one argument, all of which Linux takes as 32 bits. */
static const struct when {
  int call, argument;
  uint32_t value;
} when[] = {
    {SYS_socket, 0, AF_UNIX},
    {SYS_socketpair, 0, AF_UNIX},
    {SYS_clone, 0, THREAD}, /* as the C library makes them */
    {SYS_prctl, 0, PR_SET_NAME},
    {SYS_prctl, 0, PR_SET_TIMERSLACK},
    {SYS_arch_prctl, 0, ARCH_SET_FS},
};

#define FIELD(name) ((uint32_t)offsetof(struct seccomp_data, name))
/* The lower half of an argument: this processor stores it first. */
#define ARGUMENT(number) (FIELD(args) + (uint32_t)(number) * (uint32_t)sizeof(uint64_t))
#define FILTER_MAX (16 + 2 * COUNT(allowed) + 5 * COUNT(when))

struct filter {
  struct sock_filter code[FILTER_MAX];
  unsigned short length;
};

static void load(struct filter *f, uint32_t offset) {
  f->code[f->length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
}

static void give(struct filter *f, uint32_t verdict) {
  f->code[f->length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict);
}

/* Skips the next `instructions` unless what was loaded is `value`. */
static void unless_equal(struct filter *f, uint32_t value, uint8_t instructions) {
  f->code[f->length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, instructions);
}

static void unless_at_least(struct filter *f, uint32_t value, uint8_t instructions) {
  f->code[f->length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, 0, instructions);
}

static void give_to(struct filter *f, int call, uint32_t verdict) {
  unless_equal(f, (uint32_t)call, 1);
  give(f, verdict);
}

static void write_filter(struct filter *f) {
  load(f, FIELD(arch));
  f->code[f->length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
  give(f, SECCOMP_RET_KILL_PROCESS);
  load(f, FIELD(nr));
  unless_at_least(f, X32_BIT, 1);
  give(f, SECCOMP_RET_KILL_PROCESS);
  for (size_t i = 0; i < COUNT(allowed); i++)
    give_to(f, allowed[i], SECCOMP_RET_ALLOW);
  give_to(f, SYS_execve, SECCOMP_RET_USER_NOTIF);
  give_to(f, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS); /* its flags lie in memory; the C library takes clone() then */
  for (size_t i = 0; i < COUNT(when); i++) {
    unless_equal(f, (uint32_t)when[i].call, 4);
    load(f, ARGUMENT(when[i].argument));
    unless_equal(f, when[i].value, 1);
    give(f, SECCOMP_RET_ALLOW);
    load(f, FIELD(nr));
  }
  give(f, SECCOMP_RET_ERRNO | EPERM);
}

/* A message of the child to its parent: an errno, or the descriptor that answers for its execve. */
struct report {
  int error;
  _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
  struct iovec data;
  struct msghdr message;
};

static struct msghdr *message_of(struct report *r) {
  r->data = (struct iovec){&r->error, sizeof r->error};
  r->message = (struct msghdr){
      .msg_iov = &r->data, .msg_iovlen = 1, .msg_control = r->control, .msg_controllen = sizeof r->control};
  return &r->message;
}

static bool send_descriptor(int channel, int fd) {
  struct report r = {0};
  struct msghdr *message = message_of(&r);
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  header->cmsg_len = CMSG_LEN(sizeof fd);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(channel, message, 0) == sizeof r.error;
}

bool confinement_begin(int channel) {
  struct filter f = {.length = 0};
  write_filter(&f);
  struct sock_fprog program = {f.length, f.code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return false;
  /* The descriptor is closed by the execve that it answers for. */
  long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  return listener >= 0 && send_descriptor(channel, (int)listener);
}

/* Without a request the child has ended, which the caller learns as of any child. */
static void let_execute(int listener) {
  struct pollfd asked = {.fd = listener, .events = POLLIN};
  struct seccomp_notif request = {0};
  if (TEMP_FAILURE_RETRY(poll(&asked, 1, -1)) == 1 && asked.revents & POLLIN &&
      ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) == 0) {
    struct seccomp_notif_resp answer = {.id = request.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  close(listener);
}

int confinement_outcome(int channel) {
  for (;;) {
    struct report r = {0};
    int listener;
    ssize_t length = TEMP_FAILURE_RETRY(recvmsg(channel, message_of(&r), MSG_CMSG_CLOEXEC));
    if (length != sizeof r.error)
      return length < 0 ? errno : 0;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&r.message);
    if (!header)
      return r.error;
    memcpy(&listener, CMSG_DATA(header), sizeof listener);
    let_execute(listener);
  }
}
