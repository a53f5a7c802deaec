// Threads that step runs, and the signal that reaches them.
//
// Each worker has one POSIX timer on its own CPU time: a thread that waits gets no signals, so an idle host is idle.
// Deadlines and cancels come from the monitor thread by pthread_kill. Both are the same real-time signal, and all the
// handler does is to set flags, to arm the hook of the coroutine that is running, and, when the hook was not enough, to
// jump.
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "CLinux.h"
#include "internal.h"

static _Thread_local moon_worker *here;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;

moon_worker *moon_worker_here(void) { return here; }

int64_t moon_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t processor_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);   // async-signal-safe
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/// Whether the step has had a turn since it was first told to end. The grace is by the clock: a thread that had no
/// processor meanwhile gets its first signal when it is over, and may lose the processor again before its next
/// instruction. A hook that never had its turn has not failed, and unlike the jump it knows the line.
static bool has_had_turn(const moon_worker *w) {
  enum { TURN = 100000 };   // nanoseconds: thousands of instructions, and many times what a signal itself takes
  return processor_time() - w->told_at >= TURN;
}

static void on_signal(int signal, siginfo_t *info, void *context) {
  moon_worker *w = here;
  if (!w) return;
  // In a step or around it: what has had half a slice at least is not for real time.
  if (info->si_code == SI_TIMER && ++w->ticks > 1) linux_leave_real_time();
  atomic_store(&w->signalled, false);   // before the flags are read: who sets one from here on sends another signal
  moon_state *s = atomic_load_explicit(&w->running, memory_order_relaxed);
  if (!s) return;   // between two steps
  uint64_t epoch = atomic_load_explicit(&w->epoch, memory_order_relaxed);
  if (atomic_load(&w->stop_epoch) == epoch) {
    bool was_told = (s->pending & MOON_PENDING_STOP) != 0;
    bool is_hard = was_told && atomic_load(&w->hard_epoch) == epoch;
    s->why = atomic_load(&s->cancelled) ? MOON_STOP_CANCELLED : MOON_STOP_DEADLINE;
    s->pending |= MOON_PENDING_STOP;
    bool may_jump = !s->foreign && !s->no_jump && !s->allocating && s->guard;
    if (is_hard && !(may_jump && moon_in_liblua(context))) {
      atomic_fetch_add(&w->hard_misses, 1);
    } else if (is_hard && has_had_turn(w)) {
      s->stop.forced = true;
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, signal);
      pthread_sigmask(SIG_UNBLOCK, &set, NULL);   // the jump does not restore the mask
      moon_leave(s, (moon_stop_reason)s->why);
    }
    moon_arm(s->current);
    if (!was_told) w->told_at = processor_time();
  } else if (atomic_load_explicit(&s->runtime->others_waiting, memory_order_relaxed)) {
    // The timer's period is half a slice: the first tick that meets a step only notes it, the second ends the slice. So
    // a step gets between half a slice and a whole one without anybody reading a clock at its start.
    bool is_over = atomic_load(&w->slice_epoch) == epoch || (info->si_code == SI_TIMER && w->tick_epoch == epoch);
    if (info->si_code == SI_TIMER) w->tick_epoch = epoch;
    if (is_over) {
      s->pending |= MOON_PENDING_SLICE;
      moon_arm(s->current);
    }
  }
}

static void detach(void *worker) {
  moon_worker *w = worker;
  timer_delete(w->timer);
  moon_monitor_remove(w);
  here = NULL;
  free(w);
}

static void set_up_process(void) {
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
  action.sa_sigaction = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(MOON_SIGNAL, &action, NULL);
  pthread_key_create(&at_exit, detach);
  moon_has_backstop();   // finds liblua's code before a handler asks
}

/// Where C recursion has to end on this thread: enough above the end of the stack for 200 nested C calls of liblua.
static char *stack_limit(void) {
  enum { RESERVE = 320 << 10 };
  pthread_attr_t attributes;
  void *low = NULL;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return NULL;
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  return (char *)low + (size > 2 * RESERVE ? RESERVE : size / 2);
}

bool moon_worker_attach(void) {
  if (here) return true;
  pthread_once(&once, set_up_process);
  moon_worker *w = calloc(1, sizeof *w);
  if (!w) return false;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = MOON_SIGNAL};
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &w->timer) != 0) {
    free(w);
    return false;
  }
  w->thread = pthread_self();
  w->stack_limit = stack_limit();
  atomic_store(&w->deadline, INT64_MAX);
  here = w;
  pthread_setspecific(at_exit, w);
  moon_monitor_add(w);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, MOON_SIGNAL);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  return true;
}

bool moon_worker_begin(void) {
  if (!here || !here->slice) return false;
  here->ticks = 0;
  return true;
}

bool moon_worker_preempt(moon_worker *w) {
  uint64_t epoch = atomic_load(&w->epoch);
  if (!(epoch & 1)) return false;   // between two steps
  atomic_store(&w->slice_epoch, epoch);
  moon_worker_signal(w);
  return true;
}

void moon_worker_signal(moon_worker *w) {
  if (atomic_exchange(&w->signalled, true)) return;
  if (pthread_kill(w->thread, MOON_SIGNAL) != 0) atomic_store(&w->signalled, false);   // the queue of signals is full
}

void moon_worker_detach(void) {
  if (!here) return;
  pthread_setspecific(at_exit, NULL);
  detach(here);
}

/// Runs the timer with the period that `runtime` wants, once per thread and change.
static void set_slice(moon_worker *w, int64_t slice) {
  if (w->slice == slice) return;
  w->slice = slice;
  int64_t half = slice / 2 > 100000 ? slice / 2 : 100000;
  struct timespec t = {.tv_sec = half / 1000000000, .tv_nsec = half % 1000000000};
  timer_settime(w->timer, 0, &(struct itimerspec){.it_interval = t, .it_value = t}, NULL);
}

/// The part of a step between the guard and its end. `volatile` is not needed: nothing here is read after a jump.
static moon_outcome advance(moon_state *s) {
  s->yield = MOON_YIELD_NONE;
  lua_State *co = s->run;
  int results = 0;
  int status = lua_resume(co, NULL, lua_status(co) == LUA_YIELD ? 0 : s->arguments, &results);
  if (status == LUA_OK) {
    s->results = results;
    return MOON_FINISHED;
  }
  if (status == LUA_YIELD) return s->yield == MOON_YIELD_SLICE ? MOON_SLICED : MOON_SUSPENDED;
  moon_error_record(s, co, status);   // may run a script's __tostring: still inside the step, so under its deadline
  return MOON_FAILED;
}

moon_outcome moon_step(moon_state *s, int64_t deadline) {
  if (!here && !moon_worker_attach()) {
    s->stop.reason = MOON_STOP_CANCELLED;
    return MOON_STOPPED;
  }
  moon_worker *w = here;
  const moon_options *o = &s->runtime->options;
  set_slice(w, o->slice);
  w->grace = o->grace;
  w->stuck_after = o->stuck_after;
  w->host_patience = o->host_patience;
  if (s->stop.reason != MOON_STOP_NONE) return MOON_STOPPED;

  s->current = s->run;
  s->stack_limit = w->stack_limit;
  s->pending = 0;
  s->blocked = 0;
  s->closing = 0;
  s->no_jump = 0;
  atomic_store_explicit(&s->hosting, 0, memory_order_relaxed);
  moon_guard guard;
  MOON_ENTER(s, guard);
  moon_outcome outcome;
  if (_setjmp(guard.jump) == 0) {
    atomic_store_explicit(&w->deadline, deadline, memory_order_relaxed);
    atomic_store_explicit(&w->running, s, memory_order_relaxed);
    uint64_t epoch = atomic_load_explicit(&w->epoch, memory_order_relaxed);
    // Sequentially consistent, as the monitor's and the canceller's side: either they see this step, or it sees them.
    atomic_store(&w->epoch, epoch + 1);
    if (MOON_UNLIKELY(deadline < moon_monitor_wake_time())) moon_monitor_poke();
    if (MOON_UNLIKELY(atomic_load(&s->cancelled))) {
      s->stop.reason = MOON_STOP_CANCELLED;
      outcome = MOON_STOPPED;
    } else {
      outcome = advance(s);
    }
  } else {
    outcome = MOON_STOPPED;
  }
  atomic_store_explicit(&w->running, NULL, memory_order_relaxed);   // the handler does nothing from here on
  uint64_t epoch = atomic_load_explicit(&w->epoch, memory_order_relaxed);
  bool was_stopped = atomic_load(&w->stop_epoch) == epoch;
  if (MOON_UNLIKELY(was_stopped)) moon_monitor_lock();   // the monitor may be telling that we are stuck: let it finish
  atomic_store_explicit(&w->epoch, epoch + 1, memory_order_release);
  if (MOON_UNLIKELY(was_stopped)) moon_monitor_unlock();
  MOON_EXIT(s, guard);
  // After a jump out of a C call the position was not recorded by the hook. The topmost call may be half made; those
  // below it are whole.
  if (outcome == MOON_STOPPED && s->stop.line == 0 && s->current)
    moon_record_place(s, s->current, s->stop.forced ? 1 : 0);
  if (outcome == MOON_STOPPED) moon_record_depth(s);
  s->current = NULL;
  // The signal came when the run had already ended by itself: it ended.
  if (outcome != MOON_STOPPED) s->stop = (moon_stop){0};
  s->pending = 0;
  return outcome;
}

moon_stop moon_state_stop(const moon_state *s) { return s->stop; }

bool moon_is_stopping(lua_State *L) {
  moon_state *s = state_of(L);
  return (s->pending & MOON_PENDING_STOP) != 0 || s->stop.reason != MOON_STOP_NONE || atomic_load(&s->cancelled);
}

bool moon_is_stopping_here(void) {
  moon_state *s = here ? atomic_load_explicit(&here->running, memory_order_relaxed) : NULL;
  return s && (s->pending & MOON_PENDING_STOP) != 0;
}

bool moon_block(lua_State *L, int64_t until) {
  struct timespec t = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
  for (;;) {
    if (moon_is_stopping(L)) return false;
    // The monitor repeats its signal until the step ends, so one that comes just before the sleep loses nothing.
    if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != EINTR) return !moon_is_stopping(L);
  }
}

void moon_state_cancel(moon_state *s) {
  atomic_store(&s->cancelled, true);
  moon_monitor_poke();
}

void moon_state_clear_cancel(moon_state *s) { atomic_store(&s->cancelled, false); }
