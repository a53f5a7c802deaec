package import Chronology
package import JobModel

/// Where a run stands that has not ended.
package enum RunPhase: Sendable, Equatable {
  /// Accepted, and not claimed.
  case waiting
  /// Claimed: it runs, or a worker is about to take it.
  case running
  /// Between two attempts.
  case retrying(at: Instant)
  /// It has begun, and waits for a time or an event without a thread.
  case parked(RunPark)
  /// Beyond its deadline, and not to be stopped.
  case stuck
  /// Claimed by a host that is gone.
  case leftOver

  /// Whether it counts as running: it is claimed, and not given back since.
  package var isClaimed: Bool {
    switch self {
    case .running, .retrying, .stuck, .leftOver: true
    case .waiting, .parked: false
    }
  }

  package var word: String {
    switch self {
    case .waiting: "waiting"
    case .running: "running"
    case .retrying: "retrying"
    case .parked: "parked"
    case .stuck: "stuck"
    case .leftOver: "left over"
    }
  }
}
