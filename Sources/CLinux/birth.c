// The way from a fork to an exec that programs of scripts and workers share.
#define _GNU_SOURCE
#include "birth.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Raw calls, since the child of a vfork shares its parent's memory: a wrapper of a sanitizer would write down there
// that the parent handles no signals any more. The kernel's struct is shorter than this and all zero means SIG_DFL.
void linux_forget_signals(void) {
  static const char defaults[64];
  static const char none[8];
  for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, defaults, NULL, sizeof none);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, sizeof none);
}

int linux_place_descriptors(const int *list, int count) {
  int from[8];
  if (count > (int)(sizeof from / sizeof *from)) return -1;
  // First out of the way, so that none is overwritten before it was used.
  for (int i = 0; i < count; i++) from[i] = list[i] >= count ? list[i] : fcntl(list[i], F_DUPFD, count);
  for (int i = 0; i < count; i++)
    if (from[i] < 0 || dup2(from[i], i) < 0) return -1;
  closefrom(count);
  return 0;
}

int linux_bear(linux_become become, const void *child, linux_child_failure *failure) {
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
  failure->told = happened.told;
  failure->error = happened.error;
  failure->step = happened.step;
  return -1;
}
