// The thread that knows when a run has had its time.
//
// It sleeps until the earliest deadline of the steps going on, or for ever. A step that has passed its deadline, or
// whose state was cancelled, gets a signal (soft: the hook); after the grace another kind (hard: the backstop may
// jump); if that does not help either, the owner is told that its worker is stuck. Signals are repeated every 2 ms
// until the step has ended: each is an attempt, and one that lands at a bad moment costs nothing. The next one is sent
// only when the last one was handled: real-time signals queue, and a queue of them would leave the thread no time for
// anything else.
//
// A process has one of it, as it has one signal disposition.
#define _GNU_SOURCE
#include <limits.h>
#include <time.h>
#include "internal.h"

enum {
  RETRY = 2000000,   // nanoseconds
  MISSES_MIN = 3,    // hard signals that a run has to have withstood to be called stuck
};

// Recursive, so that a `stuck` callback may cancel other runs.
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t changed;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static moon_worker *workers;                       // guarded by `lock`
static bool poked;                                 // guarded by `lock`
static bool started;                               // guarded by `lock`
static _Atomic int64_t wake_time = INT64_MAX;      // when the thread will look again without being poked

int64_t moon_monitor_wake_time(void) { return atomic_load(&wake_time); }
void moon_monitor_lock(void) { pthread_mutex_lock(&lock); }
void moon_monitor_unlock(void) { pthread_mutex_unlock(&lock); }

/// Looks at one worker. Returns when it wants to be looked at again. The lock is held, so the worker is not going away;
/// its step may end at any moment, which the epoch tells.
static int64_t look(moon_worker *w, int64_t now) {
  uint64_t epoch = atomic_load(&w->epoch);
  if (!(epoch & 1)) return INT64_MAX;
  int64_t deadline = atomic_load_explicit(&w->deadline, memory_order_relaxed);
  moon_state *s = atomic_load_explicit(&w->running, memory_order_relaxed);
  bool cancelled = s && atomic_load(&s->cancelled);
  if (atomic_load(&w->epoch) != epoch) return now;   // another step by now: look again at once
  if (atomic_load(&w->stop_epoch) != epoch) {
    if (!cancelled && now < deadline) return deadline;
    w->stop_since = now;
    w->told_stuck = false;
    atomic_store(&w->hard_misses, 0);
    atomic_store(&w->stop_epoch, epoch);
  } else if (now - w->stop_since >= w->grace) {
    atomic_store(&w->hard_epoch, epoch);
    // A thread that got no processor was not asked: on a crowded machine that is not the run's fault.
    bool was_asked = atomic_load(&w->hard_misses) >= MISSES_MIN;
    bool is_hosting = s && atomic_load_explicit(&s->hosting, memory_order_relaxed) > 0;
    int64_t patience = is_hosting || (s && !was_asked) ? w->host_patience : w->stuck_after;
    if (now - w->stop_since >= w->grace + patience && !w->told_stuck && s) {
      // The step that we speak of has not ended: it would have to take our lock first. So its state and owner are
      // there.
      if (atomic_load(&w->epoch) == epoch) {
        w->told_stuck = true;
        s->runtime->options.callbacks.stuck(s->owner);
      }
    }
  }
  moon_worker_signal(w);
  return now + RETRY;
}

static void *monitor(void *unused) {
  (void)unused;
  pthread_setname_np(pthread_self(), "lua-monitor");
  pthread_mutex_lock(&lock);
  for (;;) {
    poked = false;
    int64_t now = moon_now(), next = INT64_MAX;
    // while we look nobody needs to poke: those we have passed are looked at below
    atomic_store(&wake_time, INT64_MIN);
    for (moon_worker *w = workers; w; w = w->next) {
      int64_t t = look(w, now);
      if (t < next) next = t;
    }
    atomic_store(&wake_time, next);
    // A step that began while we looked compared its deadline with the old wake time: look once more with the new one
    // out.
    bool again = false;
    for (moon_worker *w = workers; w && !again; w = w->next) {
      uint64_t epoch = atomic_load(&w->epoch);
      again = (epoch & 1) && atomic_load(&w->stop_epoch) != epoch && atomic_load(&w->deadline) < next;
    }
    if (again || poked) continue;
    if (next == INT64_MAX) {
      while (!poked) pthread_cond_wait(&changed, &lock);
    } else {
      struct timespec t = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
      while (!poked && pthread_cond_timedwait(&changed, &lock, &t) == 0) {}
    }
  }
  return NULL;
}

static void set_up(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&changed, &attributes);
}

void moon_monitor_add(moon_worker *w) {
  pthread_once(&once, set_up);
  pthread_mutex_lock(&lock);
  w->next = workers;
  workers = w;
  if (!started) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t all, before;   // signals of the process are for others
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    started = pthread_create(&thread, &attributes, monitor, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
  }
  pthread_mutex_unlock(&lock);
}

void moon_monitor_remove(moon_worker *w) {
  pthread_mutex_lock(&lock);
  for (moon_worker **p = &workers; *p; p = &(*p)->next) {
    if (*p == w) {
      *p = w->next;
      break;
    }
  }
  pthread_mutex_unlock(&lock);
}

void moon_monitor_poke(void) {
  pthread_once(&once, set_up);
  pthread_mutex_lock(&lock);
  poked = true;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
}
