public import Glibc

/// Nanoseconds of `CLOCK_MONOTONIC`: the clock of every wait and every span in this module.
///
/// About 25 ns on a machine whose clock source is the time stamp counter; read once per step, not per decision.
public func monotonicNow() -> Int64 {
  var time = timespec()
  // Safe: the call writes the one struct it is given, and cannot fail for a clock that every Linux has.
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}

/// A value that threads share: one lock around it, and one condition to wait for a change of it.
///
///     let inbox = Monitor([Int]())
///     inbox.withLock { $0.append(7) }
///     inbox.signal()
///     let first = inbox.wait { $0.popLast() }      // 7; blocks while there is none
///
/// Invariant: the state is touched only inside the closures, by one thread at a time. A closure must not use the same
/// monitor again (that deadlocks), and should be short: nothing in it blocks, and it calls nobody who might.
///
/// Why not `Synchronization.Mutex`: it has no condition to wait for, and a sanitizer sees a pthread mutex. Deadlines
/// are on the monotonic clock, so that setting the wall clock moves no wait. An uncontended lock and unlock take about
/// 20 ns.
@safe
public final class Monitor<State>: @unchecked Sendable {
  // `@safe`: the pointers do not leave this file. `@unchecked Sendable`: `state` is only reached between lock and
  // unlock of `mutex`; the pointers never change.
  @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline let condition: UnsafeMutablePointer<pthread_cond_t>
  @usableFromInline let state: UnsafeMutablePointer<State>

  /// - Parameter initial: handed over: nobody else may hold what it refers to and is not safe to share.
  public init(_ initial: sending State) {
    // Safe: each pointer is allocated and initialised here, owned by this object alone, and freed in deinit. pthread
    // objects need an address that never moves, which a stored property would not promise.
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: initial)
    unsafe mutex.initialize(to: pthread_mutex_t())
    unsafe condition.initialize(to: pthread_cond_t())
    var clock = pthread_condattr_t()
    let failure =
      unsafe pthread_mutex_init(mutex, nil) | pthread_condattr_init(&clock)
      | pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) | pthread_cond_init(condition, &clock)
    unsafe pthread_condattr_destroy(&clock)
    precondition(failure == 0, "a pthread mutex and condition could not be made")
  }

  deinit {
    // Safe: nobody else has a reference, so nobody holds the lock or waits.
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe state.deinitialize(count: 1)
    unsafe state.deallocate()
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// Runs `body` with the state, alone.
  @inlinable
  public func withLock<R: ~Copyable, E: Error>(_ body: (inout State) throws(E) -> R) throws(E) -> R {
    // Safe: `mutex` is initialised and lives as long as self; this thread does not hold it (the invariant above).
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try unsafe body(&state.pointee)
  }

  /// Runs `body` with the state, alone, then wakes every waiting thread.
  @inlinable
  public func change<R>(_ body: (inout State) -> R) -> R {
    // Safe: as in withLock.
    unsafe pthread_mutex_lock(mutex)
    defer {
      broadcast()
      unsafe pthread_mutex_unlock(mutex)
    }
    return unsafe body(&state.pointee)
  }

  /// Blocks until `ready` answers, and returns its answer; nil when `deadline` passed first.
  ///
  /// - Parameter deadline: nanoseconds of `monotonicNow()`; `.max` waits for ever.
  /// - Parameter ready: looked at under the lock: at once, after each wake-up, and once more at the deadline. It may
  ///   change the state, and may be called more often than the state was changed.
  @inlinable
  public func wait<R>(until deadline: Int64 = .max, for ready: (inout State) -> R?) -> R? {
    // Safe: as in withLock; a wait releases and takes back the lock that this thread holds.
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while true {
      if let answer = unsafe ready(&state.pointee) { return answer }
      if deadline == .max {
        unsafe pthread_cond_wait(condition, mutex)
      } else if waitOnce(until: deadline) == ETIMEDOUT {
        return unsafe ready(&state.pointee)
      }
    }
  }

  /// Blocks until `deadline(state)` has passed, or until `ready` answers; the deadline is asked for again after each
  /// wake-up, so that a change of the state can move it.
  @inlinable
  public func wait<R>(for ready: (inout State) -> R?, orUntil deadline: (borrowing State) -> Int64) -> R? {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while true {
      if let answer = unsafe ready(&state.pointee) { return answer }
      let end = unsafe deadline(state.pointee)
      if end == .max {
        unsafe pthread_cond_wait(condition, mutex)
      } else if waitOnce(until: end) == ETIMEDOUT {
        return unsafe ready(&state.pointee)
      }
    }
  }

  /// Wakes one waiting thread, if there is one. With or without the lock held.
  @inlinable
  public func signal() { unsafe pthread_cond_signal(condition) }

  /// Wakes every waiting thread.
  @inlinable
  public func broadcast() { unsafe pthread_cond_broadcast(condition) }

  @usableFromInline
  func waitOnce(until deadline: Int64) -> CInt {
    var time = timespec(tv_sec: Int(max(0, deadline) / 1_000_000_000), tv_nsec: Int(max(0, deadline) % 1_000_000_000))
    return unsafe pthread_cond_timedwait(condition, mutex, &time)
  }
}
