// The bounds that a worker process puts on itself before the first line of a script: none of them can be taken back.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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

#define REFUSE(number) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

bool linux_refuse_calls(void) {
#ifdef THIS_ARCHITECTURE
  struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN_NUMBERS, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    // Nobody leaves the process group that is killed as one.
    REFUSE(SYS_setsid), REFUSE(SYS_setpgid),
    // Nobody looks into another process, or loads code into the kernel.
    REFUSE(SYS_ptrace), REFUSE(SYS_process_vm_readv), REFUSE(SYS_process_vm_writev), REFUSE(SYS_kexec_load),
    REFUSE(SYS_kexec_file_load), REFUSE(SYS_init_module), REFUSE(SYS_finit_module), REFUSE(SYS_delete_module),
    REFUSE(SYS_bpf), REFUSE(SYS_perf_event_open), REFUSE(SYS_userfaultfd), REFUSE(SYS_open_by_handle_at),
    // Nobody changes what the machine's directories are, or enters other namespaces.
    REFUSE(SYS_mount), REFUSE(SYS_umount2), REFUSE(SYS_pivot_root), REFUSE(SYS_chroot), REFUSE(SYS_setns),
    REFUSE(SYS_unshare), REFUSE(SYS_add_key), REFUSE(SYS_request_key), REFUSE(SYS_keyctl), REFUSE(SYS_reboot),
    REFUSE(SYS_swapon), REFUSE(SYS_swapoff), REFUSE(SYS_settimeofday), REFUSE(SYS_clock_settime),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
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

int linux_landlock_begin(bool files) {
  int version = linux_landlock_version();
  if (version == 0) return -1;
  // Signals and abstract sockets to processes outside end there, and so does ptrace, whatever the files are.
  ruleset rules = {.files = files ? handled(version) : 0};
  if (version >= 6) rules.scopes = SCOPE_SOCKETS | SCOPE_SIGNALS;
  if (rules.files == 0 && rules.scopes == 0) rules.files = REFER & handled(version);
  if (rules.files == 0 && rules.scopes == 0) return -1;
  size_t size = version >= 6 ? sizeof rules : version >= 4 ? 16 : 8;
  return (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
}

bool linux_landlock_allow(int rules, const char *path, linux_file_access access) {
  int file = open(path, __O_PATH | O_CLOEXEC);
  if (file < 0) return false;
  struct stat status;
  uint64_t all = handled(linux_landlock_version());
  uint64_t wanted = READ_FILE | READ_DIRECTORY;
  if (access & LINUX_MAY_EXECUTE) wanted |= EXECUTE;
  if (access & LINUX_MAY_WRITE) wanted = all & ~(uint64_t)EXECUTE;
  if ((access & LINUX_MAY_WRITE) && (access & LINUX_MAY_EXECUTE)) wanted = all;
  if (fstat(file, &status) == 0 && !S_ISDIR(status.st_mode)) wanted &= OF_FILES;
  beneath rule = {.access = wanted & all, .directory = file};
  bool is_done = syscall(SYS_landlock_add_rule, rules, 1, &rule, 0) == 0;
  close(file);
  return is_done;
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
  return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
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

void linux_inherit_orphans(void) { prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

bool linux_has_children(void) {
  siginfo_t info;
  int result;
  do result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
  while (result != 0 && errno == EINTR);
  return result == 0;
}
