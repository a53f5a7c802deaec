// Starting a child: everything that has to happen between the fork and the exec, which posix_spawn has no word for.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int linux_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }

int linux_open_process(int process) {
#ifdef SYS_pidfd_open
  return (int)syscall(SYS_pidfd_open, process, 0);
#else
  (void)process;
  return -1;
#endif
}

int linux_peek_ended(void) {
  siginfo_t info = {.si_pid = 0};
  while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
    if (errno != EINTR) return 0;
  return info.si_pid;
}

bool linux_inherits_orphans(void) {
  int is_reaper = 0;
  if (getpid() == 1) return true;
  return prctl(PR_GET_CHILD_SUBREAPER, &is_reaper, 0, 0, 0) == 0 && is_reaper != 0;
}

// Raw calls, since the child of a vfork shares its parent's memory: a wrapper of a sanitizer would write down there
// that the parent handles no signals any more. The kernel's struct is shorter than this and all zero means SIG_DFL.
static void forget_signals(void) {
  static const char defaults[64];
  static const char none[8];
  for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, defaults, NULL, sizeof none);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, sizeof none);
}

static int above_standard(int descriptor) { return descriptor > 2 ? descriptor : fcntl(descriptor, F_DUPFD, 3); }

// The rest of the child's life here. Only calls that are safe after a fork; nothing that allocates, nothing that locks.
static void become(const linux_child *child, pid_t parent, volatile linux_child_failure *failure) {
  failure->step = LINUX_CHILD_PREPARE;
  setsid();
  if (child->dies_with_host) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // The host may have died before that took effect: then nobody would ever send the signal.
    if (getppid() != parent) _exit(127);
  }
  int input = child->input < 0 ? open("/dev/null", O_RDONLY) : child->input;
  // First out of the way, so that none is overwritten before it was used.
  int from[3] = {above_standard(input), above_standard(child->output), above_standard(child->errors)};
  for (int i = 0; i < 3; i++)
    if (from[i] < 0 || dup2(from[i], i) < 0) goto fail;
  closefrom(3);
  failure->step = LINUX_CHILD_DIRECTORY;
  if (chdir(child->directory) != 0) goto fail;
  failure->step = LINUX_CHILD_PROGRAM;
  forget_signals();
  execve(child->program, child->arguments, child->environment);
fail:
  failure->error = errno ? errno : EIO;
  _exit(127);
}

int linux_spawn(const linux_child *child, linux_child_failure *failure) {
  volatile linux_child_failure happened = {.error = 0};
  sigset_t every, before;
  pid_t parent = getpid();
  sigfillset(&every);
  // No handler of ours may run in the child, which is on this very stack.
  pthread_sigmask(SIG_SETMASK, &every, &before);
  // Not fork: copying the page tables of a host with ten thousand states takes milliseconds. This thread waits until
  // the exec.
  pid_t process = vfork();
  if (process == 0) become(child, parent, &happened);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (process < 0) happened.error = error, happened.step = LINUX_CHILD_PREPARE;
  if (process > 0 && happened.error != 0)
    while (waitpid(process, NULL, 0) < 0 && errno == EINTR) {}
  if (happened.error == 0) return process;
  failure->error = happened.error;
  failure->step = happened.step;
  return -1;
}
