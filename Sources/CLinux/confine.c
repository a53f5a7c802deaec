// The bounds that a worker process puts on itself before the first line of a script: none of them can be taken back.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool linux_die_with(int parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  return getppid() == parent;
}

// ---- system calls ---------------------------------------------------------------------------------------------------

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#define FOREIGN_NUMBERS 0x40000000u   // x32 has the same architecture, and other numbers
#elif defined(__aarch64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#define FOREIGN_NUMBERS 0xffffffffu
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define IF_ANY(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, yes, no)

#define ANSWER(number, value) IF_EQUAL(number, 0, 1), RETURN(value)
#define REFUSE(number) ANSWER(number, REFUSED)
// Only for the caller itself: its first word, the process, is 0.
#define OWN_ONLY(number) \
  IF_EQUAL(number, 0, 4), LOAD(args[0]), IF_EQUAL(0, 1, 0), RETURN(REFUSED), RETURN(SECCOMP_RET_ALLOW)
// The same behind a word that says what the second one is the number of; `users` is that for a user.
#define OWN_ONLY_BEHIND(number, users) \
  IF_EQUAL(number, 0, 6), LOAD(args[0]), IF_EQUAL(users, 2, 0), LOAD(args[1]), IF_EQUAL(0, 1, 0), RETURN(REFUSED), \
    RETURN(SECCOMP_RET_ALLOW)
#define WITHOUT(number, bits) \
  IF_EQUAL(number, 0, 4), LOAD(args[0]), IF_ANY(bits, 0, 1), RETURN(REFUSED), RETURN(SECCOMP_RET_ALLOW)

// What the headers of older systems do not name. These numbers are the same on all processors.
enum {
  IO_URING_SETUP = 425, IO_URING_ENTER, IO_URING_REGISTER, OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, FSPICK,
  CLONE_3 = 435, PIDFD_GETFD = 438, PROCESS_MADVISE = 440, MOUNT_SETATTR = 442, QUOTACTL_FD = 443, MEMFD_SECRET = 447,
  PROCESS_MRELEASE = 448, OPEN_TREE_ATTR = 467,
  NEW_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID
    | CLONE_NEWNET,
  PRIORITY_OF_USER = 2, IO_PRIORITY_OF_USER = 3,
};

bool linux_refuse_calls(void) {
#ifdef THIS_ARCHITECTURE
  struct sock_filter filter[] = {
    LOAD(arch), IF_EQUAL(THIS_ARCHITECTURE, 1, 0), RETURN(REFUSED),
    LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN_NUMBERS, 0, 1), RETURN(REFUSED),
    // Nobody leaves the process group that is killed as one, nor has children that count as the host's. What a newer
    // `clone` is told lies where no filter can look; without it programs use the older one.
    REFUSE(SYS_setsid), REFUSE(SYS_setpgid), ANSWER(CLONE_3, SECCOMP_RET_ERRNO | ENOSYS),
    WITHOUT(SYS_clone, NEW_NAMESPACES | CLONE_PARENT),
    // Nor lives on when its host is gone: that order may be given anew, and not be taken back.
    IF_EQUAL(SYS_prctl, 0, 6), LOAD(args[0]), IF_EQUAL(PR_SET_PDEATHSIG, 0, 3), LOAD(args[1]),
    IF_EQUAL(SIGKILL, 1, 0), RETURN(REFUSED), RETURN(SECCOMP_RET_ALLOW),
    // Nobody looks into another process, takes what it has open, or changes its limits, priorities and memory.
    REFUSE(SYS_ptrace), REFUSE(SYS_process_vm_readv), REFUSE(SYS_process_vm_writev), REFUSE(SYS_kcmp),
    REFUSE(PIDFD_GETFD), REFUSE(PROCESS_MADVISE), REFUSE(PROCESS_MRELEASE), REFUSE(SYS_move_pages),
    REFUSE(SYS_migrate_pages), OWN_ONLY(SYS_prlimit64), OWN_ONLY(SYS_sched_setscheduler), OWN_ONLY(SYS_sched_setparam),
    OWN_ONLY(SYS_sched_setattr), OWN_ONLY(SYS_sched_setaffinity), OWN_ONLY_BEHIND(SYS_setpriority, PRIORITY_OF_USER),
    OWN_ONLY_BEHIND(SYS_ioprio_set, IO_PRIORITY_OF_USER),
    // Nobody loads code into the kernel, or comes to files by ways that no path leads along.
    REFUSE(SYS_kexec_load), REFUSE(SYS_kexec_file_load), REFUSE(SYS_init_module), REFUSE(SYS_finit_module),
    REFUSE(SYS_delete_module), REFUSE(SYS_bpf), REFUSE(SYS_perf_event_open), REFUSE(SYS_userfaultfd),
    REFUSE(SYS_open_by_handle_at), REFUSE(SYS_fanotify_init), REFUSE(IO_URING_SETUP), REFUSE(IO_URING_ENTER),
    REFUSE(IO_URING_REGISTER),
    // Nobody changes what the machine's directories are, or enters other namespaces.
    REFUSE(SYS_mount), REFUSE(SYS_umount2), REFUSE(SYS_pivot_root), REFUSE(SYS_chroot), REFUSE(SYS_setns),
    REFUSE(SYS_unshare), REFUSE(OPEN_TREE), REFUSE(OPEN_TREE_ATTR), REFUSE(MOVE_MOUNT), REFUSE(FSOPEN),
    REFUSE(FSCONFIG), REFUSE(FSMOUNT), REFUSE(FSPICK), REFUSE(MOUNT_SETATTR),
    // Nobody changes the machine.
    REFUSE(SYS_add_key), REFUSE(SYS_request_key), REFUSE(SYS_keyctl), REFUSE(SYS_reboot), REFUSE(SYS_swapon),
    REFUSE(SYS_swapoff), REFUSE(SYS_settimeofday), REFUSE(SYS_clock_settime), REFUSE(SYS_clock_adjtime),
    REFUSE(SYS_adjtimex), REFUSE(SYS_sethostname), REFUSE(SYS_setdomainname), REFUSE(SYS_acct), REFUSE(SYS_quotactl),
    REFUSE(QUOTACTL_FD), REFUSE(SYS_syslog), REFUSE(SYS_vhangup),
#ifdef SYS_iopl
    REFUSE(SYS_iopl), REFUSE(SYS_ioperm),
#endif
    // Nobody has memory that no limit counts, or that stays behind.
    REFUSE(SYS_memfd_create), REFUSE(MEMFD_SECRET), REFUSE(SYS_shmget), REFUSE(SYS_semget), REFUSE(SYS_msgget),
    REFUSE(SYS_mq_open),
    RETURN(SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
#else
  return false;
#endif
}

// ---- files ----------------------------------------------------------------------------------------------------------

// Landlock's own header is older than the kernel on many machines; what is used of it is said here.
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#ifndef __O_PATH
#define __O_PATH 010000000
#endif

typedef struct {
  uint64_t files, network, scopes;
} ruleset;

typedef struct {
  uint64_t access;
  int32_t directory;
} __attribute__((packed)) beneath;

enum {
  EXECUTE = 1 << 0, WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, READ_DIRECTORY = 1 << 3,
  ALL_OF_VERSION_1 = (1 << 13) - 1, REFER = 1 << 13, TRUNCATE = 1 << 14, IOCTL = 1 << 15,
  SCOPE_SOCKETS = 1 << 0, SCOPE_SIGNALS = 1 << 1,
  OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL,
};

int linux_landlock_version(void) {
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
  return version < 0 ? 0 : (int)version;
}

static uint64_t handled(int version) {
  uint64_t access = ALL_OF_VERSION_1;
  if (version >= 2) access |= REFER;
  if (version >= 3) access |= TRUNCATE;
  if (version >= 5) access |= IOCTL;
  return access;
}

static bool allow(int rules, const char *path, uint64_t access) {
  int file = open(path, __O_PATH | O_CLOEXEC);
  if (file < 0) return false;
  struct stat status;
  if (fstat(file, &status) == 0 && !S_ISDIR(status.st_mode)) access &= OF_FILES;
  beneath rule = {.access = access, .directory = file};
  bool is_done = syscall(SYS_landlock_add_rule, rules, 1, &rule, 0) == 0;
  close(file);
  return is_done;
}

int linux_landlock_begin(bool files) {
  int version = linux_landlock_version();
  // Signals and abstract sockets to processes outside end there, and so does ptrace, whatever the files are. A set of
  // rules needs something to be about; and to move a file to another directory is refused by every set that does not
  // allow it.
  ruleset rules = {.files = files ? handled(version) : handled(version) & REFER};
  if (version >= 6) rules.scopes = SCOPE_SOCKETS | SCOPE_SIGNALS;
  if (version == 0 || rules.files == 0) return -1;
  size_t size = version >= 6 ? sizeof rules : version >= 4 ? 16 : 8;
  int made = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
  if (made >= 0 && !files && !allow(made, "/", REFER)) {
    close(made);
    return -1;
  }
  return made;
}

bool linux_landlock_allow(int rules, const char *path, linux_file_access access) {
  uint64_t all = handled(linux_landlock_version());
  uint64_t wanted = READ_FILE | READ_DIRECTORY;
  if (access & LINUX_MAY_EXECUTE) wanted |= EXECUTE;
  if (access & LINUX_MAY_WRITE) wanted = all & ~(uint64_t)EXECUTE;
  if ((access & LINUX_MAY_WRITE) && (access & LINUX_MAY_EXECUTE)) wanted = all;
  return allow(rules, path, wanted & all);
}

bool linux_landlock_enter(int rules) { return syscall(SYS_landlock_restrict_self, rules, 0) == 0; }

// ---- namespaces -----------------------------------------------------------------------------------------------------

static bool write_text(const char *path, const char *text) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  bool is_done = write(file, text, strlen(text)) == (ssize_t)strlen(text);
  close(file);
  return is_done;
}

// Who makes a user namespace has every capability in it. The bounds are lowered as well, so that no program that is
// executed there has one again.
static bool drop_capabilities(void) {
  for (int number = 0; number < 64; number++) prctl(PR_CAPBSET_DROP, number, 0, 0, 0);   // EINVAL: there is none
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
  return syscall(SYS_capset, &header, none) == 0;
}

bool linux_enter_namespaces(void) {
  unsigned user = geteuid(), group = getegid();
  char text[64];
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0) return false;
  // The user keeps its number, and nobody else is in there.
  write_text("/proc/self/setgroups", "deny");
  snprintf(text, sizeof text, "%u %u 1\n", user, user);
  if (!write_text("/proc/self/uid_map", text)) return false;
  snprintf(text, sizeof text, "%u %u 1\n", group, group);
  if (!write_text("/proc/self/gid_map", text)) return false;
  return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && drop_capabilities();
}

// ---- processor, memory, children ------------------------------------------------------------------------------------

static int64_t field_of_status(const char *name) {
  char text[8192];
  int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  if (size <= 0) return -1;
  text[size] = 0;
  const char *at = strstr(text, name);
  long long kilobytes = -1;
  if (!at || sscanf(at + strlen(name), " %lld", &kilobytes) != 1) return -1;
  return (int64_t)kilobytes * 1024;
}

static bool lower(int resource, int64_t most) {
  struct rlimit former;
  if (getrlimit((__rlimit_resource_t)resource, &former) != 0) return false;
  rlim_t bound = (rlim_t)most;
  if (former.rlim_max != RLIM_INFINITY && bound > former.rlim_max) bound = former.rlim_max;
  struct rlimit both = {.rlim_cur = bound, .rlim_max = bound};
  return setrlimit((__rlimit_resource_t)resource, &both) == 0;
}

void linux_keep_one_arena(void) { mallopt(M_ARENA_MAX, 1); }

bool linux_limit_memory(int64_t bytes) {
  int64_t space = field_of_status("VmSize:"), data = field_of_status("VmData:");
  if (space < 0 || data < 0) return false;
  return lower(RLIMIT_AS, space + bytes) && lower(RLIMIT_DATA, data + bytes);
}

bool linux_limit_processor(int64_t nanoseconds) {
  struct rusage usage;
  struct rlimit limits;
  if (getrusage(RUSAGE_SELF, &usage) != 0 || getrlimit(RLIMIT_CPU, &limits) != 0) return false;
  int64_t used = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1;
  rlim_t bound = (rlim_t)(used + (nanoseconds + 999999999) / 1000000000);
  if (nanoseconds < 0) bound = limits.rlim_max;
  if (limits.rlim_max != RLIM_INFINITY && bound > limits.rlim_max) bound = limits.rlim_max;
  limits.rlim_cur = bound;
  return setrlimit(RLIMIT_CPU, &limits) == 0;
}

int64_t linux_processor_left(void) {
  struct rusage usage;
  struct rlimit limits;
  if (getrusage(RUSAGE_SELF, &usage) != 0 || getrlimit(RLIMIT_CPU, &limits) != 0) return 0;
  if (limits.rlim_max == RLIM_INFINITY) return INT64_MAX;
  int64_t left = (int64_t)limits.rlim_max - usage.ru_utime.tv_sec - usage.ru_stime.tv_sec - 2;
  return left < 0 ? 0 : left > INT64_MAX / 1000000000 ? INT64_MAX : left * 1000000000;
}

bool linux_limit_processor_for_good(int64_t nanoseconds) {
  struct rusage usage;
  struct rlimit limits;
  if (getrusage(RUSAGE_SELF, &usage) != 0 || getrlimit(RLIMIT_CPU, &limits) != 0) return false;
  rlim_t bound = (rlim_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1 + nanoseconds / 1000000000);
  if (bound < limits.rlim_max) limits.rlim_max = bound;
  if (limits.rlim_cur > limits.rlim_max) limits.rlim_cur = limits.rlim_max;
  return setrlimit(RLIMIT_CPU, &limits) == 0;
}

void linux_inherit_orphans(void) { prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

bool linux_has_children(void) {
  siginfo_t info;
  int result;
  do result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
  while (result != 0 && errno == EINTR);
  return result == 0;
}
