internal import CLinux
import Glibc

/// A named POSIX thread that runs one closure. Store threads block in the kernel (fsync), which a thread of Swift's
/// cooperative pool must not, and they take no signals: a handler of the host has no business on a stack that is inside
/// SQLite.
final class StoreThread: @unchecked Sendable {
  // @unchecked: `thread` is written once, before the initialiser returns; `hasJoined` belongs to the monitor.
  private var thread = pthread_t()
  private let hasJoined = Monitor(false)

  /// - Parameter name: at most 15 bytes are kept, as the kernel does.
  /// - Throws: when the system has no thread to give.
  init(name: String, _ body: @escaping @Sendable () -> Void) throws(StoreError) {
    let start = Start(name: name, body: body)
    var attributes = pthread_attr_t()
    var every = sigset_t()
    var previous = sigset_t()
    // Safe: the three structs live across these calls; a thread inherits the mask of its creator, so it is set around
    // the start.
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setstacksize(&attributes, 1 << 20)
    unsafe sigfillset(&every)
    unsafe pthread_sigmask(SIG_SETMASK, &every, &previous)
    // Safe: the new thread takes over the reference that `passRetained` made; without a thread it is released here.
    let box = unsafe Unmanaged.passRetained(start)
    let result = unsafe pthread_create(&thread, &attributes, runStoreThread, box.toOpaque())
    unsafe pthread_sigmask(SIG_SETMASK, &previous, nil)
    unsafe pthread_attr_destroy(&attributes)
    guard result == 0 else {
      unsafe box.release()
      throw StoreError(
        .io,
        "thread \"\(name)\" could not be started (error \(result)): raise RLIMIT_NPROC (ulimit -u) or the cgroup's "
          + "pids.max")
    }
  }

  /// Whether the caller is this thread.
  var isCurrent: Bool { pthread_equal(pthread_self(), thread) != 0 }

  /// Waits for the closure to return; later calls return at once. Not from the thread itself.
  func join() {
    precondition(!isCurrent, "a store cannot be closed from one of its own completions")
    hasJoined.withLock { done in
      guard !done else { return }
      pthread_join(thread, nil)
      done = true
    }
  }

  fileprivate final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
}

private func runStoreThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let context = unsafe context else { return nil }
  // Safe: balances `passRetained` of the creator, exactly once.
  let start = unsafe Unmanaged<StoreThread.Start>.fromOpaque(context).takeRetainedValue()
  nameCurrentThread(start.name)
  // Commits are what claimed runs wait for: they must not queue behind the scripts that use the processors.
  linux_run_first()
  start.body()
  return nil
}

/// Names the calling thread for `ps`, `top` and debuggers. Through /proc, because Swift cannot see `pthread_setname_np`
/// (a GNU extension); a system without /proc only goes without the name.
private func nameCurrentThread(_ name: String) {
  let bytes = Array(name.utf8.prefix(15))
  // Safe: the path is passed as a C string, the bytes as a buffer of the size that is given, both for the length of the
  // call.
  let descriptor = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return }
  _ = unsafe write(descriptor, bytes, bytes.count)
  close(descriptor)
}
