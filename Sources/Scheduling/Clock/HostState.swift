import Chronology
import JobModel

/// What is of the host as a whole: how far it is in its life, what its clock did, and the numbers that it hands out.
struct HostState: Sendable {
  enum Phase: Int, Sendable, Comparable {
    /// What the stores know and the scripts declare comes in; nothing fires.
    case loading
    case running
    /// Nothing is claimed any more.
    case draining
    /// What runs is interrupted, and so is what is claimed from now on.
    case over

    static func < (a: Phase, b: Phase) -> Bool { a.rawValue < b.rawValue }
  }

  var phase = Phase.loading
  var clockEpoch = ClockEpoch(0)
  /// The latest wall clock reading of this epoch.
  var latestWall = Instant.distantPast
  /// Wall minus monotonic clock when last seen, in nanoseconds; nil: it was not seen yet.
  var clockOffset: Int64?
  /// The next ones that are free.
  var nextRun: Int64 = 1
  var nextDecision: Int64 = 1
  var nextAudit: Int64 = 1
  /// Set while everything is paused.
  var pause: PauseNote?

  mutating func makeRunID() -> RunID {
    if RunID(nextRun).isForExternalRuns { nextRun += 1 }
    defer { nextRun += 1 }
    return RunID(nextRun)
  }

  mutating func makeDecisionNumber() -> Int64 {
    defer { nextDecision += 1 }
    return nextDecision
  }
}
