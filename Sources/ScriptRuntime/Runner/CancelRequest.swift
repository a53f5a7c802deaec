package import Executors
internal import Synchronization

/// What is between a run and whoever wants it to end: whether its script looks (`ctx:cancelled()`), and whether it has
/// been asked.
///
/// A script that looks gets some time to end by itself when its run is cancelled; one that does not is stopped at once.
///
/// Threading: any; one object per Lua state, begun anew for each run by the thread that has it.
package final class CancelRequest: Sendable {
  private let looks = Atomic(false)
  private let asked = Atomic(false)
  /// The host is about to end: then everybody is asked, and has the host's grace.
  package let hostEnds: WindDown
  private let onLook: (@Sendable () -> Void)?

  init(hostEnds: WindDown, onLook: (@Sendable () -> Void)? = nil) {
    self.hostEnds = hostEnds
    self.onLook = onLook
  }

  func begin() {
    looks.store(false, ordering: .relaxed)
    asked.store(false, ordering: .relaxed)
  }

  /// The script looks. Whether it should end.
  package func look() -> Bool {
    if !looks.load(ordering: .relaxed) {
      looks.store(true, ordering: .releasing)
      onLook?()
    }
    return isAsked || hostEnds.isOn
  }

  /// Asks the run to end by itself. False: it does not look, or its time is over with the host's, and it is to be
  /// stopped.
  func ask() -> Bool {
    guard looks.load(ordering: .acquiring), !hostEnds.isOn else { return false }
    asked.store(true, ordering: .releasing)
    return true
  }

  var isAsked: Bool { asked.load(ordering: .acquiring) }
}
