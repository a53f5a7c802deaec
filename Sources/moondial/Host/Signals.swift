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

/// SIGTERM and SIGINT (drain, then at once), SIGHUP (reload), taken one after the other on a thread of its own.
///
/// The signals are blocked in every thread (this is called before any other is made) and fetched with sigwait(3): no
/// handler runs, so what they start may lock and allocate.
final class Signals: Sendable {
  enum Signal: Sendable { case end, reload }

  private let thread: NamedThread

  init(_ receive: @escaping @Sendable (Signal) -> Void) throws {
    thread = try NamedThread("moondial-signal") {
      while true {
        var set = Signals.set
        var number: Int32 = 0
        // Safe: both are locals that live across the call.
        guard unsafe sigwait(&set, &number) == 0 else { continue }
        receive(number == SIGHUP ? .reload : .end)
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
  }

  private static var set: sigset_t {
    var set = sigset_t()
    // Safe: each call changes the local set.
    unsafe sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&set, number) }
    return set
  }
}
