internal import Glibc

/// An operating-system thread with a name and a stack of its own, that somebody joins.
///
/// Signals that are not about the thread itself are blocked on it, so that those sent to the process go where they are expected.
struct WatchThread: Sendable {
  private let thread: pthread_t

  /// 8 MiB: the receiver of a change may evaluate scripts, which recurse. Pages that are never touched cost nothing.
  private static let stackSize = 8 << 20

  private final class Body: Sendable {
    let name: String
    let run: @Sendable () -> Void
    init(_ name: String, _ run: @escaping @Sendable () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Starts a thread that runs `body` and ends. Traps when the system has no thread left to give.
  /// - Parameter name: at most 15 bytes, as `top -H` shows it.
  init(_ name: String, _ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    var all = sigset_t()
    var before = sigset_t()
    var thread = pthread_t()
    // Safe: every struct outlives the call that gets it. `passRetained` is balanced by `takeRetainedValue` in the thread, which
    // starts, or else the program ends here. The new thread inherits the mask; ours is put back.
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setstacksize(&attributes, Self.stackSize)
    unsafe sigfillset(&all)
    for own in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP] { unsafe sigdelset(&all, own) }
    unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
    let argument = unsafe Unmanaged.passRetained(Body(name, body)).toOpaque()
    let result = unsafe pthread_create(&thread, &attributes, Self.runBody, argument)
    unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
    unsafe pthread_attr_destroy(&attributes)
    precondition(result == 0, "cannot start thread \(name): \(SystemCall.message(for: result)); raise ulimit -u")
    self.thread = thread
  }

  /// Whether this is the running thread.
  var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

  /// Waits for the end of the thread. Once.
  func join() {
    _ = pthread_join(thread, nil)
  }

  /// A plain function, outside of any actor, as C calls it.
  private static let runBody: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    guard let argument = unsafe argument else { return nil }
    // Safe: `init` retained this object for us alone.
    let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
    nameCurrentThread(body.name)
    body.run()
    return nil
  }

  /// Through `/proc`, since the call for it is a GNU extension that Swift does not see. Only cosmetic: failing is fine.
  private static func nameCurrentThread(_ name: String) {
    // Safe: the path is passed as a terminated copy; the array outlives the call that reads it.
    let file = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    let bytes = Array(name.utf8.prefix(15))
    unsafe _ = write(file, bytes, bytes.count)
    close(file)
  }
}
