internal import Glibc

/// State behind a lock, with waiting until it changes.
///
/// The standard library's `Mutex` has no condition variable, and the threads of a store must sleep until there is work.
/// A monitor never moves its lock: POSIX identifies mutexes and conditions by address.
///
/// Threading: everything may be called from any thread. The closures must not call back into the same monitor.
@safe final class Monitor<State>: @unchecked Sendable {
  // @unchecked: `state` is only touched between lock and unlock of `mutex`.
  private var state: State
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>

  init(_ state: sending State) {
    self.state = state
    // Safe: both live until `deinit`, at one address, and are initialised before anyone can see them.
    unsafe mutex = .allocate(capacity: 1)
    unsafe changed = .allocate(capacity: 1)
    unsafe precondition(pthread_mutex_init(mutex, nil) == 0, "the system has no room for a mutex")
    unsafe precondition(pthread_cond_init(changed, nil) == 0, "the system has no room for a condition variable")
  }

  deinit {
    // Safe: nobody else holds a reference any more, so nobody waits or holds the lock.
    unsafe pthread_cond_destroy(changed)
    unsafe pthread_mutex_destroy(mutex)
    unsafe changed.deallocate()
    unsafe mutex.deallocate()
  }

  /// Runs `body` with the state. It wakes nobody: see ``change(_:)``.
  func withLock<Result, Failure: Error>(_ body: (inout State) throws(Failure) -> Result) throws(Failure) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  /// Runs `body` with the state, then wakes those who wait for it to change.
  func change<Result>(_ body: (inout State) -> Result) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer {
      unsafe pthread_cond_broadcast(changed)
      unsafe pthread_mutex_unlock(mutex)
    }
    return body(&state)
  }

  /// Asks `body` now and after each change until it answers something else than nil.
  func wait<Result>(for body: (inout State) -> Result?) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while true {
      if let result = body(&state) { return result }
      // Releases the lock while it sleeps; spurious returns are harmless, the loop asks again.
      unsafe pthread_cond_wait(changed, mutex)
    }
  }
}
