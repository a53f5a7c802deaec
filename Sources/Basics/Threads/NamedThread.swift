internal import Glibc
internal import Synchronization

/// Which asynchronous signals a thread takes.
package enum SignalMask: Sendable {
  /// None: signals sent to the process are for the threads that ask for them.
  case blocked
  /// Only the real-time signals (`SIGRTMIN` to `SIGRTMAX`): for threads whose code a runtime interrupts by
  /// `pthread_kill`.
  case realTime
}

/// A thread could not be made.
package struct ThreadError: Error, Sendable, Equatable, CustomStringConvertible {
  package let name: String
  /// The `errno` value of `pthread_create`.
  package let code: Int32

  package init(name: String, code: Int32) {
    self.name = name
    self.code = code
  }

  package var description: String {
    let cause =
      code == EAGAIN ? "the limit of threads is reached (see ulimit -u and the cgroup's pids.max)" : "error \(code)"
    return "thread \"\(name)\" could not be started: \(cause)"
  }
}

/// An operating-system thread with a name, a stack size and a signal mask, owned by whoever holds this object.
///
/// The owner ends it by telling its body to return, and then calls `join` (once), or lets go of it for good with
/// `abandon`. The name (at most 15 bytes are kept, as the kernel does) is what `top -H` and debuggers show.
package final class NamedThread: Sendable {
  package let name: String
  private let thread: pthread_t
  private let isReleased = Atomic(false)

  /// - Parameters:
  ///   - stackSize: bytes; only what is touched takes memory. At least 1 MiB where Lua runs (200 nested C calls).
  ///   - signals: set before the first instruction of `body`. Signals of a fault (SIGSEGV, …) always reach the thread.
  ///   - body: the thread's life.
  package init(
    _ name: String, stackSize: Int = 1 << 20, signals: SignalMask = .blocked, _ body: @escaping @Sendable () -> Void
  ) throws(ThreadError) {
    self.name = name
    // Of a thread in real time the new one would have niceness 0, whatever the process has.
    let start = Start(name: name, niceness: getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0), body: body)
    var attributes = pthread_attr_t()
    // Safe: attribute, masks and thread id are local and live across the calls that fill them.
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setstacksize(&attributes, max(stackSize, 1 << 16))
    // The new thread inherits the mask of this one at this moment: no signal can reach it with another mask than its
    // own.
    var wanted = signals.set
    var former = sigset_t()
    unsafe pthread_sigmask(SIG_SETMASK, &wanted, &former)
    var thread = pthread_t()
    // Safe: the retained `start` is taken over by `enter`, exactly once; when no thread was made, it is released here.
    let box = unsafe Unmanaged.passRetained(start)
    let code = unsafe pthread_create(&thread, &attributes, enter, box.toOpaque())
    unsafe pthread_sigmask(SIG_SETMASK, &former, nil)
    unsafe pthread_attr_destroy(&attributes)
    self.thread = thread
    guard code == 0 else {
      unsafe box.release()
      isReleased.store(true, ordering: .relaxed)
      throw ThreadError(name: name, code: code)
    }
  }

  deinit {
    // An owner that forgets its thread must not leak the thread's descriptor.
    if !isReleased.load(ordering: .relaxed) { pthread_detach(thread) }
  }

  /// Waits until the body has returned. At most once, not from the thread itself, and not after `abandon`.
  package func join() {
    precondition(!isReleased.exchange(true, ordering: .relaxed), "a thread is joined or abandoned once")
    pthread_join(thread, nil)
  }

  /// Lets it run and end by itself; nobody waits for it any more.
  package func abandon() {
    precondition(!isReleased.exchange(true, ordering: .relaxed), "a thread is joined or abandoned once")
    pthread_detach(thread)
  }

  /// Whether the caller is this thread.
  package var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }
}

private final class Start: Sendable {
  let name: String
  let niceness: Int32
  let body: @Sendable () -> Void
  init(name: String, niceness: Int32, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.niceness = niceness
    self.body = body
  }
}

// A free function: a closure in an isolated context would check its executor and trap on a thread of ours.
private func enter(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  // Safe: `argument` is the retained `Start` that the initialiser passed; this takes over that reference.
  guard let argument = unsafe argument else { return nil }
  let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
  nameThisThread(start.name)
  if start.niceness > 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, start.niceness) }
  start.body()
  return nil
}

/// Gives the calling thread its name, through /proc because glibc shows `pthread_setname_np` to GNU sources only. A
/// name that cannot be set (no /proc) is not worth a failure.
private func nameThisThread(_ name: String) {
  // Safe: the path is terminated and lives across the call; the bytes written are those of the array.
  let file = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
  guard file >= 0 else { return }
  let bytes = Array(name.utf8.prefix(15))
  _ = unsafe write(file, bytes, bytes.count)
  close(file)
}

extension SignalMask {
  /// The signals that are blocked.
  fileprivate var set: sigset_t {
    var set = sigset_t()
    // Safe: each call changes the local set only.
    unsafe sigfillset(&set)
    // Faults are of the thread that made them, and blocking them ends the process without a word.
    for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS] { unsafe sigdelset(&set, fault) }
    if self == .realTime {
      for signal in __libc_current_sigrtmin()...__libc_current_sigrtmax() { unsafe sigdelset(&set, signal) }
    }
    return set
  }
}

/// Makes a thread as `NamedThread.init` does: name, bytes of stack, signals, life.
package typealias ThreadMaker =
  @Sendable (
    _ name: String, _ stackSize: Int, _ signals: SignalMask, _ body: @escaping @Sendable () -> Void
  ) throws(ThreadError) -> NamedThread
