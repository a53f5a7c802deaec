// The calls of Linux and glibc that Swift's Glibc module leaves out: timers and events as file descriptors, prctl
// (variadic), malloc_trim.
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// A timer on CLOCK_REALTIME as a descriptor (timerfd_create(2)), not inherited, not blocking. -1 on failure.
int linux_wall_timer(void);

/// Arms it for an absolute time in nanoseconds since the epoch; readable also when somebody sets the clock
/// (TFD_TIMER_CANCEL_ON_SET).
void linux_wall_timer_set(int timer, int64_t nanoseconds);

/// An event counter as a descriptor (eventfd(2)), not inherited, not blocking. -1 on failure.
int linux_event(void);

/// Waits until one of two descriptors is readable, or for `timeout` nanoseconds (negative: for ever), and empties both.
void linux_wait_either(int first, int second, int64_t timeout);

/// Makes this thread's sleeps as exact as the kernel can: the default slack of 50 us batches wake-ups
/// (PR_SET_TIMERSLACK).
void linux_sharpen_timers(void);

/// The kernel's number of the calling thread (gettid(2)), as `ps -L` and `top -H` show it.
int linux_thread_id(void);

/// Gives pages of the heap that nobody uses back to the system (malloc_trim(3)). Moves nothing that is in use.
void linux_trim_heap(void);

/// Takes the pages of the program's own code and constants out of this process's memory; they stay in the page cache
/// and come back one by one when they are used (madvise(2), MADV_DONTNEED on segments that are not writable). Does
/// nothing under a debugger, whose breakpoints are changes to such pages.
void linux_forget_code(void);

/// Lets this thread run before the others of the process when a processor is short (nice -10, setpriority(2), which is
/// per thread on Linux). For threads that decide and hand over in microseconds; without the right to do so nothing
/// changes.
void linux_run_first(void);

/// Lets this thread run after the others of the process when a processor is short (nice 5 more than the process has).
void linux_run_later(void);

/// Asks for shorter and earlier turns on a processor: of two threads that want one, the kernel lets the one with the
/// shorter slice run at once (sched_setattr(2) with `sched_runtime` for SCHED_OTHER, Linux 6.12 and later; EEVDF). The
/// slice is 0.1 ms, the shortest there is; the usual one is a millisecond and more. It takes nothing from the share of
/// others and needs no right; what this thread starts does not inherit it. An older kernel changes nothing.
void linux_take_short_turns(void);

/// The contrary: slices of 4 ms, more than anybody has by default. Whoever has the usual one runs at once when it wakes
/// up, also a thread of the kernel. What this thread starts inherits it.
void linux_take_long_turns(void);

/// Lets this thread run before every ordinary thread of the machine, at once when it wakes up: SCHED_RR (sched(7)) with
/// a priority, from 1 to 2. What it starts is ordinary, of niceness 0. 0; or -1 without the right to have priority 2
/// (CAP_SYS_NICE, or RLIMIT_RTPRIO of 2).
#define LINUX_REAL_TIME_PRIORITIES 2
int linux_enter_real_time(int priority);

/// Whether this thread is in real time by `linux_enter_real_time`.
bool linux_is_in_real_time(void);

/// Makes this thread an ordinary one again, with its former niceness and short turns. Nothing when it is one. May be
/// called in a signal handler.
void linux_leave_real_time(void);

/// A pipe that is closed in other programs from the beginning (pipe2(2), O_CLOEXEC). -1 on failure.
int linux_pipe(int *_Nonnull ends);

/// A descriptor that is readable when the process has ended (pidfd_open(2)); -1 when the kernel has no such thing
/// (before 5.3).
int linux_open_process(int process);

/// A child of this process that has ended and was not waited for; 0 when there is none. It stays as it is (waitid(2),
/// WNOWAIT).
int linux_peek_ended(void);

/// Whether orphans become children of this process: it is the first of its PID namespace, or a subreaper
/// (PR_SET_CHILD_SUBREAPER).
bool linux_inherits_orphans(void);

/// What a child is to be. All texts are terminated, both lists end with NULL.
typedef struct {
  const char *_Nonnull program;                       // a path; nothing is searched
  char *_Nullable const *_Nonnull arguments;
  char *_Nullable const *_Nonnull environment;
  const char *_Nonnull directory;
  int input, output, errors;                          // become 0, 1, 2; an input of -1 is /dev/null
  bool dies_with_host;                                // SIGKILL when the calling *thread* ends (PR_SET_PDEATHSIG)
  int keeper;                                         // told "+ NUMBER" before the program begins; -1: nobody
} linux_child;

typedef enum {
  LINUX_CHILD_PREPARE, LINUX_CHILD_DIRECTORY, LINUX_CHILD_PROGRAM, LINUX_CHILD_USER
} linux_child_step;

/// Why there is no child: an errno, and where; and its number, when the keeper was told of it.
typedef struct {
  int error;
  linux_child_step step;
  int told;
} linux_child_failure;

/// Starts a child as the leader of a session and a process group of its own (so /dev/tty is nobody's terminal), with
/// default signal handling, nothing masked, and no descriptor of ours but its three.
///
/// Returns its number, or -1 with `failure` set. Blocks until the program was loaded.
int linux_spawn(const linux_child *_Nonnull child, linux_child_failure *_Nonnull failure);

// ---- Worker processes -----------------------------------------------------------------------------------------------

/// A connected pair of stream sockets, closed in other programs from the beginning (socketpair(2)). -1 on failure.
int linux_socket_pair(int *_Nonnull ends);

/// The numbers of a user by its name (getpwnam_r(3)); false: there is none.
bool linux_find_user(const char *_Nonnull name, uint32_t *_Nonnull user, uint32_t *_Nonnull group);

/// The number of a group by its name (getgrnam_r(3)); false: there is none.
bool linux_find_group(const char *_Nonnull name, uint32_t *_Nonnull group);

/// What a worker process is to be. All texts are terminated, both lists end with NULL.
typedef struct {
  const char *_Nonnull program;                       // a path; nothing is searched
  char *_Nullable const *_Nonnull arguments;
  char *_Nullable const *_Nonnull environment;
  int socket, output;                                 // become 3, and 1 and 2; 0 is /dev/null
  int nice;                                           // added to the niceness of the calling thread
  int64_t files, processes;                           // RLIMIT_NOFILE, RLIMIT_NPROC; negative: as the host's
  bool has_user, has_group;                           // what is to be taken of the next two
  uint32_t user, group;
} linux_worker;

/// Starts a worker: leader of a session and process group of its own, SIGKILL when the calling *thread* ends, no new
/// privileges, its limits, no core file, no descriptor but its four, default signal handling, the root directory.
///
/// Returns its number, or -1 with `failure` set. Blocks until the program was loaded.
int linux_spawn_worker(const linux_worker *_Nonnull worker, linux_child_failure *_Nonnull failure);

/// Whether that child is stopped (SIGSTOP and the like) and was not continued. Nothing is reaped.
bool linux_is_stopped(int process);

/// Whether that child has ended. Nothing is reaped: its number stays its own.
bool linux_has_ended(int process);

/// How a child has ended.
typedef struct {
  int signal, code;
  int64_t peak_bytes;                                 // the largest resident size that it had
} linux_ending;

/// Waits for that child without blocking (wait4(2)); false: it has not ended.
bool linux_reap(int process, linux_ending *_Nonnull ending);

/// `SEGV`, `KILL`, …; `?` for a number that is no signal (sigabbrev_np(3)).
const char *_Nonnull linux_signal_name(int number);

/// What one process uses, as /proc has it. Nanoseconds, in the kernel's ticks of mostly 10 ms, and bytes.
typedef struct {
  int process, group;
  int64_t own_time;                                   // processor time of its threads
  int64_t waited_time;                                // and of children that have ended and were waited for
  int64_t memory;                                     // resident, without what files and shared mappings hold
} linux_process_usage;

/// What one process uses. False: there is none.
bool linux_usage(int process, linux_process_usage *_Nonnull usage);

/// What the processes of some process groups use: how many there are, `most` at the most; -1: there is no /proc.
int linux_group_usage(
  const int *_Nonnull groups, int count, linux_process_usage *_Nonnull found, int most);

/// Resident bytes of a process that no file holds, where what it shares with others counts by its share; -1: nobody
/// tells.
int64_t linux_proportional_memory(int process);

/// From now on the calling process is killed when the thread of `parent` ends that started it. False: it has already.
bool linux_die_with(int parent);

/// From now on the process, and what it starts, cannot leave its process group, look into other processes or change
/// their limits and priorities, load code into the kernel, mount, enter namespaces, set clocks, or make memory that no
/// limit counts: such calls are refused with EPERM (seccomp(2)). False: the kernel, or this processor, has no such
/// filter. After no_new_privs.
bool linux_refuse_calls(void);

/// The version of Landlock that the kernel has; 0: none.
int linux_landlock_version(void);

/// A set of rules; with `files` nothing may be opened that is not allowed, else everything is; in any case no process
/// outside can be signalled or traced, as far as the kernel's version has it. -1: the kernel has no Landlock, or one
/// that can do none of this.
int linux_landlock_begin(bool files);

/// What may be done below a path, beside reading.
typedef enum { LINUX_MAY_READ = 0, LINUX_MAY_EXECUTE = 1, LINUX_MAY_WRITE = 2 } linux_file_access;

/// False: there is nothing at that path.
bool linux_landlock_allow(int rules, const char *_Nonnull path, linux_file_access access);

/// From now on the calling thread and what it starts are bound by the rules: before there are other threads.
bool linux_landlock_enter(int rules);

/// Enters user, mount, network, IPC and UTS namespaces of its own, with no network but an inactive loopback, and gives
/// up the capabilities that one has in there. Before there are other threads. False: the kernel does not allow it.
bool linux_enter_namespaces(void);

/// All threads take their memory from one arena (mallopt(3), M_ARENA_MAX): another one reserves 64 MB of address space,
/// and whether a thread has made its own already is chance. Before there are other threads.
void linux_keep_one_arena(void);

/// The process may have so many bytes more than it has now (RLIMIT_AS, RLIMIT_DATA).
bool linux_limit_memory(int64_t bytes);

/// From now on the process may use so much more processor time, in whole seconds and one more, until SIGXCPU ends it;
/// negative: any (RLIMIT_CPU).
bool linux_limit_processor(int64_t nanoseconds);

/// Nanoseconds of processor time up to the bound that was set for good; INT64_MAX: there is none.
int64_t linux_processor_left(void);

/// The process, and each that it starts, may use so much more processor time until SIGKILL ends it, whatever it does.
bool linux_limit_processor_for_good(int64_t nanoseconds);

/// From now on what is left of programs that this process started becomes its child (PR_SET_CHILD_SUBREAPER).
void linux_inherit_orphans(void);

/// Whether the process has any child, ended or not.
bool linux_has_children(void);
