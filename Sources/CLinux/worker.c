// Starting a worker process of ours: a child whose bounds are set before it executes anything, with one socket to its
// host and a pipe for what it writes.
#define _GNU_SOURCE
#include "CLinux.h"
#include "birth.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

// The setting is added to the host's own niceness, which may be any.
static int add_nice(int more) {
  errno = 0;
  int own = getpriority(PRIO_PROCESS, 0);
  if (errno != 0) return -1;
  return setpriority(PRIO_PROCESS, 0, own + more > 19 ? 19 : own + more);
}

// The same for the session, among the sessions of the machine: where the kernel shares processors by session
// (sched_autogroup_enabled, sched(7)), the nice value of a process weighs only within its own, and setsid has made one.
// Whoever may not administrate the machine may do this ten times a second on all of it: a session for which that is
// used up keeps nice 0. Raw, since this is the child of a vfork.
static void add_session_nice(int nice) {
  if (nice < 1 || nice > 19) return;
  char text[2];
  size_t length = 0;
  if (nice > 9) text[length++] = '1';
  text[length++] = (char)('0' + nice % 10);
  long file = syscall(SYS_openat, AT_FDCWD, "/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  syscall(SYS_write, file, text, length);
  syscall(SYS_close, file);
}

// What the host was given to hand on (capabilities(7): ambient, inheritable) is not for worker processes. And nothing
// there may stand before others, by niceness or in real time, also when a root host gives it no user. Raw, since this
// is the child of a vfork. Who may not take these from itself has none of them to hand on.
static void inherit_no_capabilities(void) {
  prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &header, sets) != 0) return;
  for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) sets[i].inheritable = 0;
  syscall(SYS_capset, &header, sets);
}

static void become(const linux_worker *worker, pid_t parent, volatile linux_child_failure *failure) {
  failure->step = LINUX_CHILD_PREPARE;
  setsid();
  int input = open("/dev/null", O_RDONLY);
  if (linux_place_descriptors((int[]){input, worker->output, worker->output, worker->socket}, 4) != 0) goto fail;
  if (worker->nice != 0) {
    if (add_nice(worker->nice) != 0) goto fail;
    add_session_nice(getpriority(PRIO_PROCESS, 0));
    // Who is nice lets others in at once: a commit of the host's waits for threads of the kernel.
    linux_take_long_turns();
  }
  failure->step = LINUX_CHILD_USER;
  if (become_user(worker) != 0) goto fail;
  failure->step = LINUX_CHILD_PREPARE;
  // After the change of user, which takes the order back.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent) _exit(127);
  inherit_no_capabilities();
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) goto fail;
  if (limit(RLIMIT_CORE, 0) != 0 || limit(RLIMIT_NOFILE, worker->files) != 0
      || limit(RLIMIT_NPROC, worker->processes) != 0 || limit(RLIMIT_RTPRIO, 0) != 0)
    goto fail;
  failure->step = LINUX_CHILD_DIRECTORY;
  if (chdir("/") != 0) goto fail;
  failure->step = LINUX_CHILD_PROGRAM;
  linux_forget_signals();
  execve(worker->program, worker->arguments, worker->environment);
fail:
  failure->error = errno ? errno : EIO;
  _exit(127);
}

static void become_worker(const void *worker, pid_t parent, volatile linux_child_failure *failure) {
  become(worker, parent, failure);
}

int linux_spawn_worker(const linux_worker *worker, linux_child_failure *failure) {
  return linux_bear(become_worker, worker, failure);
}

bool linux_is_stopped(int process) {
  siginfo_t info = {.si_pid = 0};
  // It stays as it is: whoever continues it is not told by this look.
  if (waitid(P_PID, (id_t)process, &info, WSTOPPED | WNOHANG | WNOWAIT) != 0) return false;
  return info.si_pid == process && (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED);
}

bool linux_has_ended(int process) {
  siginfo_t info = {.si_pid = 0};
  int result;
  do result = waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT);
  while (result != 0 && errno == EINTR);
  // One that is nobody's child any more has ended as well.
  return result != 0 || info.si_pid == process;
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

// ---- what a process group uses --------------------------------------------------------------------------------------

static bool read_text(int directory, const char *name, const char *file, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "%s/%s", name, file);
  int descriptor = openat(directory, path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  ssize_t count = read(descriptor, text, size - 1);
  close(descriptor);
  if (count <= 0) return false;
  text[count] = 0;
  return true;
}

static bool look_at(int directory, const char *name, linux_process_usage *usage) {
  char text[1024];
  if (!read_text(directory, name, "stat", text, sizeof text)) return false;
  // The name of the program is in parentheses, and may have some of its own.
  const char *at = strrchr(text, ')');
  unsigned long long user = 0, system = 0;
  long long waited_user = 0, waited_system = 0;
  int group = 0;
  if (!at || sscanf(at + 1, " %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld", &group, &user, &system,
                    &waited_user, &waited_system) != 5)
    return false;
  int64_t tick = 1000000000 / sysconf(_SC_CLK_TCK);
  usage->group = group;
  usage->own_time = (int64_t)(user + system) * tick;
  usage->waited_time = (int64_t)(waited_user + waited_system) * tick;
  long long all = 0, resident = 0, shared = 0;
  if (read_text(directory, name, "statm", text, sizeof text)
      && sscanf(text, "%lld %lld %lld", &all, &resident, &shared) == 3 && resident > shared)
    usage->memory = (int64_t)(resident - shared) * sysconf(_SC_PAGESIZE);
  return true;
}

bool linux_usage(int process, linux_process_usage *usage) {
  char name[32];
  snprintf(name, sizeof name, "/proc/%d", process);
  usage->process = process;
  return look_at(AT_FDCWD, name, usage);
}

static bool is_among(int group, const int *groups, int count) {
  for (int i = 0; i < count; i++)
    if (groups[i] == group) return true;
  return false;
}

int linux_group_usage(const int *groups, int count, linux_process_usage *found, int most) {
  DIR *directory = opendir("/proc");
  if (!directory) return -1;
  int total = 0;
  for (struct dirent *entry; (entry = readdir(directory)) && total < most;) {
    linux_process_usage usage = {.process = atoi(entry->d_name)};
    // First what costs one call: each process of the machine whose files are opened pays for that again when it ends.
    if (usage.process <= 0 || !is_among(getpgid(usage.process), groups, count)) continue;
    if (!look_at(dirfd(directory), entry->d_name, &usage)) continue;
    if (is_among(usage.group, groups, count)) found[total++] = usage;
  }
  closedir(directory);
  return total;
}

int64_t linux_proportional_memory(int process) {
  char name[32], text[4096];
  snprintf(name, sizeof name, "/proc/%d", process);
  if (!read_text(AT_FDCWD, name, "smaps_rollup", text, sizeof text)) return -1;
  const char *at = strstr(text, "Pss_Anon:");
  long long kilobytes = 0;
  if (!at || sscanf(at, "Pss_Anon: %lld", &kilobytes) != 1) return -1;
  return (int64_t)kilobytes * 1024;
}
