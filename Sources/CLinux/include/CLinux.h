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
} linux_child;

typedef enum { LINUX_CHILD_PREPARE, LINUX_CHILD_DIRECTORY, LINUX_CHILD_PROGRAM } linux_child_step;

/// Why there is no child: an errno, and where.
typedef struct {
  int error;
  linux_child_step step;
} linux_child_failure;

/// Starts a child as the leader of a session and a process group of its own (so /dev/tty is nobody's terminal), with
/// default signal handling, nothing masked, and no descriptor of ours but its three.
///
/// Returns its number, or -1 with `failure` set. Blocks until the program was loaded.
int linux_spawn(const linux_child *_Nonnull child, linux_child_failure *_Nonnull failure);
