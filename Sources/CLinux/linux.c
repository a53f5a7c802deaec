#define _GNU_SOURCE
#include "CLinux.h"

#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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

void linux_trim_heap(void) { malloc_trim(0); }
