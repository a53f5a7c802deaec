// Starting a child: everything that has to happen between the fork and the exec, which posix_spawn has no word for.
#define _GNU_SOURCE
#include "CLinux.h"
#include "birth.h"

#include <errno.h>
#include <fcntl.h>
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

// The keeper knows of this process before its program begins, so that there is no moment at which the host may die and
// leave behind what the program has started.
static int tell(int keeper) {
  char line[16];
  int end = sizeof line, own = getpid();
  line[--end] = '\n';
  for (int rest = own; rest > 0; rest /= 10) line[--end] = (char)('0' + rest % 10);
  line[--end] = ' ';
  line[--end] = '+';
  return write(keeper, line + end, sizeof line - end) > 0 ? own : 0;
}

// The rest of the child's life here. Only calls that are safe after a fork; nothing that allocates, nothing that locks.
static void become(const linux_child *child, pid_t parent, volatile linux_child_failure *failure) {
  failure->step = LINUX_CHILD_PREPARE;
  setsid();
  if (child->dies_with_host) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // The host may have died before that took effect: then nobody would ever send the signal.
    if (getppid() != parent) _exit(127);
  }
  if (child->keeper >= 0) failure->told = tell(child->keeper);
  int input = child->input < 0 ? open("/dev/null", O_RDONLY) : child->input;
  if (linux_place_descriptors((int[]){input, child->output, child->errors}, 3) != 0) goto fail;
  failure->step = LINUX_CHILD_DIRECTORY;
  if (chdir(child->directory) != 0) goto fail;
  failure->step = LINUX_CHILD_PROGRAM;
  linux_forget_signals();
  execve(child->program, child->arguments, child->environment);
fail:
  failure->error = errno ? errno : EIO;
  _exit(127);
}

static void become_program(const void *child, pid_t parent, volatile linux_child_failure *failure) {
  become(child, parent, failure);
}

int linux_spawn(const linux_child *child, linux_child_failure *failure) {
  return linux_bear(become_program, child, failure);
}
