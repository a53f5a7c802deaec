#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static struct timespec after(int64_t nanoseconds) {
  struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
  return time;
}

int linux_wall_timer(void) { return timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC); }

void linux_wall_timer_set(int timer, int64_t nanoseconds) {
  // Zero would disarm it; what was due before 1970 is due in any case.
  struct itimerspec setting = {.it_value = after(nanoseconds > 0 ? nanoseconds : 1)};
  (void)timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &setting, NULL);
}

int linux_event(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void linux_wait_either(int first, int second, int64_t timeout) {
  struct pollfd descriptors[2] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
  struct timespec limit = after(timeout < 0 ? 0 : timeout);
  if (ppoll(descriptors, 2, timeout < 0 ? NULL : &limit, NULL) <= 0) return;
  for (int i = 0; i < 2; i++) {
    uint64_t count;
    if (!descriptors[i].revents) continue;
    // EAGAIN: nothing was there. ECANCELED: the clock was set.
    if (read(descriptors[i].fd, &count, sizeof count) < 0) continue;
  }
}

void linux_sharpen_timers(void) { (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }

int linux_thread_id(void) { return gettid(); }

void linux_run_first(void) { (void)setpriority(PRIO_PROCESS, (id_t)gettid(), -10); }

void linux_run_later(void) {
  // Of the first thread: a thread has the value of the one that made it.
  int later = getpriority(PRIO_PROCESS, (id_t)getpid()) + 5;
  (void)setpriority(PRIO_PROCESS, (id_t)gettid(), later > 19 ? 19 : later);
}

#ifndef SCHED_FLAG_RESET_ON_FORK
#define SCHED_FLAG_RESET_ON_FORK 1
#endif

// struct sched_attr of linux/sched/types.h, which some C libraries have and some have not.
struct attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

static const uint64_t short_turn = 100000;   // nanoseconds

static void take_turns(uint64_t nanoseconds, uint64_t flags) {
  struct attributes own = {.size = sizeof own};
  if (syscall(SYS_sched_getattr, 0, &own, sizeof own, 0) != 0 || own.policy != SCHED_OTHER) return;
  own.size = sizeof own;
  own.flags = flags;
  own.runtime = nanoseconds;
  (void)syscall(SYS_sched_setattr, 0, &own, 0);
}

void linux_take_short_turns(void) { take_turns(short_turn, SCHED_FLAG_RESET_ON_FORK); }

void linux_take_long_turns(void) { take_turns(4000000, 0); }

static _Thread_local volatile sig_atomic_t in_real_time;

int linux_enter_real_time(int priority) {
  // All or nobody: who may have a low priority and not the highest would stand before those that should be first.
  for (int wanted = LINUX_REAL_TIME_PRIORITIES; wanted >= priority; wanted--) {
    struct sched_param param = {.sched_priority = wanted};
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) != 0) return -1;
    in_real_time = 1;
  }
  return 0;
}

bool linux_is_in_real_time(void) { return in_real_time; }

void linux_leave_real_time(void) {
  if (!in_real_time) return;
  int error = errno;
  struct attributes own = {.size = sizeof own, .policy = SCHED_OTHER, .flags = SCHED_FLAG_RESET_ON_FORK};
  // What it had before, which needs no right.
  own.nice = getpriority(PRIO_PROCESS, (id_t)gettid());
  own.runtime = short_turn;
  struct sched_param none = {.sched_priority = 0};
  if (syscall(SYS_sched_setattr, 0, &own, 0) == 0
      || sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) == 0)
    in_real_time = 0;
  errno = error;
}

void linux_trim_heap(void) { malloc_trim(0); }

static bool is_traced(void) {
  char text[2048];
  int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return true;
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  text[size < 0 ? 0 : size] = 0;
  return strstr(text, "TracerPid:\t0\n") == NULL;
}

// The first object is the program itself; what other libraries are made of is shared with the whole system.
static int forget(struct dl_phdr_info *object, size_t size, void *argument) {
  (void)size, (void)argument;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
    uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
    uintptr_t end = object->dlpi_addr + segment->p_vaddr + segment->p_memsz;
    madvise((void *)begin, end - begin, MADV_DONTNEED);   // a refusal costs nothing
  }
  return 1;
}

void linux_forget_code(void) {
  if (!is_traced()) dl_iterate_phdr(forget, NULL);
}
