import CLinux
import Chronology
import Executors
import Glibc
import JobModel
import JobStores
import Lua
import SchedulerService
import Scheduling
import ScriptHost
import Triggers

/// SIGTERM and SIGINT (drain, then at once), SIGHUP (reload), taken one after the other on a thread of its own; and,
/// where orphans become children of this process, SIGCHLD.
///
/// The signals are blocked in every thread (this is called before any other is made) and fetched with sigwait(3): no
/// handler runs, so what they start may lock and allocate.
final class Signals: Sendable {
  enum Signal: Sendable { case end, reload, childEnded }

  private let thread: NamedThread

  init(_ receive: @escaping @Sendable (Signal) -> Void) throws {
    thread = try NamedThread("moondial-signal") {
      // Whoever became this program may have left some behind.
      if linux_inherits_orphans() { receive(.childEnded) }
      while true {
        var set = Signals.set
        var number: Int32 = 0
        // Safe: both are locals that live across the call.
        guard unsafe sigwait(&set, &number) == 0 else { continue }
        switch number {
        case SIGHUP: receive(.reload)
        case SIGCHLD: receive(.childEnded)
        default: receive(.end)
        }
      }
    }
  }

  /// Blocks the signals in the calling thread and in all that it makes. Before anything else. SIGPIPE is ignored: a
  /// reader that has gone must not end the host.
  static func block() {
    var set = Signals.set
    // Safe: a local; the old mask is not asked for.
    unsafe _ = pthread_sigmask(SIG_BLOCK, &set, nil)
    signal(SIGPIPE, SIG_IGN)
    // Where whoever started this program ignores it, the kernel would keep nobody's exit code.
    signal(SIGCHLD, SIG_DFL)
  }

  private static var set: sigset_t {
    var set = sigset_t()
    // Safe: each call changes the local set.
    unsafe sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&set, number) }
    // It is blocked before the first child, so none that ends is missed; what ended before is found with the next.
    if linux_inherits_orphans() { unsafe sigaddset(&set, SIGCHLD) }
    return set
  }
}
