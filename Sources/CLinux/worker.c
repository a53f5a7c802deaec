// Starting a worker process of ours: a child whose bounds are set before it executes anything, with one socket to its
// host and a pipe for what it writes.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int linux_socket_pair(int *ends) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends); }

bool linux_find_user(const char *name, uint32_t *user, uint32_t *group) {
  char buffer[16384];
  struct passwd entry, *found = NULL;
  if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || !found) return false;
  *user = found->pw_uid;
  *group = found->pw_gid;
  return true;
}

bool linux_find_group(const char *name, uint32_t *group) {
  char buffer[16384];
  struct group entry, *found = NULL;
  if (getgrnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || !found) return false;
  *group = found->gr_gid;
  return true;
}

// Raw calls, since the child of a vfork shares its parent's memory: glibc's setuid would tell all threads of the
// parent to change as well.
static int become_user(const linux_worker *worker) {
  if (worker->has_user || worker->has_group) {
    if (syscall(SYS_setgroups, 0, NULL) != 0) return -1;
    if (syscall(SYS_setresgid, worker->group, worker->group, worker->group) != 0) return -1;
  }
  if (worker->has_user && syscall(SYS_setresuid, worker->user, worker->user, worker->user) != 0) return -1;
  return 0;
}

static int limit(int resource, int64_t most) {
  if (most < 0) return 0;
  struct rlimit former;
  if (getrlimit((__rlimit_resource_t)resource, &former) != 0) return -1;
  rlim_t bound = (rlim_t)most;
  // What the host itself may not have, its child may not have either.
  if (former.rlim_max != RLIM_INFINITY && bound > former.rlim_max) bound = former.rlim_max;
  struct rlimit both = {.rlim_cur = bound, .rlim_max = bound};
  return setrlimit((__rlimit_resource_t)resource, &both);
}

static int above_three(int descriptor) { return descriptor > 3 ? descriptor : fcntl(descriptor, F_DUPFD, 4); }

static int arrange_descriptors(const linux_worker *worker) {
  int input = open("/dev/null", O_RDONLY);
  // First out of the way, so that none is overwritten before it was used.
  int from[4] = {above_three(input), above_three(worker->output), above_three(worker->output),
                 above_three(worker->socket)};
  for (int i = 0; i < 4; i++)
    if (from[i] < 0 || dup2(from[i], i) < 0) return -1;
  closefrom(4);
  return 0;
}

static void forget_signals(void) {
  static const char defaults[64];
  static const char none[8];
  for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, defaults, NULL, sizeof none);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, sizeof none);
}

static void become(const linux_worker *worker, pid_t parent, volatile linux_child_failure *failure) {
  failure->step = LINUX_CHILD_PREPARE;
  setsid();
  if (arrange_descriptors(worker) != 0) goto fail;
  if (worker->nice != 0 && setpriority(PRIO_PROCESS, 0, worker->nice) != 0) goto fail;
  failure->step = LINUX_CHILD_USER;
  if (become_user(worker) != 0) goto fail;
  failure->step = LINUX_CHILD_PREPARE;
  // After the change of user, which takes the order back.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent) _exit(127);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) goto fail;
  if (limit(RLIMIT_CORE, 0) != 0 || limit(RLIMIT_NOFILE, worker->files) != 0
      || limit(RLIMIT_NPROC, worker->processes) != 0)
    goto fail;
  failure->step = LINUX_CHILD_DIRECTORY;
  if (chdir("/") != 0) goto fail;
  failure->step = LINUX_CHILD_PROGRAM;
  forget_signals();
  execve(worker->program, worker->arguments, worker->environment);
fail:
  failure->error = errno ? errno : EIO;
  _exit(127);
}

int linux_spawn_worker(const linux_worker *worker, linux_child_failure *failure) {
  volatile linux_child_failure happened = {.error = 0};
  sigset_t every, before;
  pid_t parent = getpid();
  sigfillset(&every);
  // No handler of ours may run in the child, which is on this very stack.
  pthread_sigmask(SIG_SETMASK, &every, &before);
  pid_t process = vfork();
  if (process == 0) become(worker, parent, &happened);
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

bool linux_is_stopped(int process) {
  siginfo_t info = {.si_pid = 0};
  // It stays as it is: whoever continues it is not told by this look.
  if (waitid(P_PID, (id_t)process, &info, WSTOPPED | WNOHANG | WNOWAIT) != 0) return false;
  return info.si_pid == process && (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED);
}

bool linux_reap(int process, linux_ending *ending) {
  int status = 0;
  struct rusage usage;
  pid_t found;
  do found = wait4(process, &status, WNOHANG, &usage);
  while (found < 0 && errno == EINTR);
  if (found == 0) return false;
  ending->signal = found > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  ending->code = found > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  ending->peak_bytes = found > 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
  return true;
}

const char *linux_signal_name(int number) {
  const char *name = sigabbrev_np(number);
  return name ? name : "?";
}
