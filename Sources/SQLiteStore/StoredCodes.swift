internal import JobModel

/// A closed set of words that is stored as small numbers. The numbers are part of the file format: new words get new
/// numbers at the end, and none is ever reused.
protocol StoredCode: CaseIterable, Hashable {
  var code: Int64 { get }
}

extension StoredCode {
  /// nil: a number that only a newer version knows.
  init?(code: Int64) {
    guard let match = Self.allCases.first(where: { $0.code == code }) else { return nil }
    self = match
  }
}

extension Outcome: StoredCode {
  var code: Int64 {
    switch self {
    case .succeeded: 0
    case .failed: 1
    case .timedOut: 2
    case .cancelled: 3
    case .outOfMemory: 4
    case .interrupted: 5
    case .crashed: 6
    case .stuck: 7
    }
  }
}

extension RunCause: StoredCode {
  var code: Int64 {
    switch self {
    case .schedule: 0
    case .startup: 1
    case .manual: 2
    case .event: 3
    case .after: 4
    case .recovery: 5
    case .watch: 6
    case .retry: 7
    case .backfill: 8
    }
  }
}

extension DecisionKind: StoredCode {
  var code: Int64 {
    switch self {
    case .coalesced: 0
    case .misfired: 1
    case .skipped: 2
    case .clock: 3
    }
  }
}

extension SkipReason: StoredCode {
  var code: Int64 {
    switch self {
    case .overlap: 0
    case .paused: 1
    case .disabled: 2
    case .limit: 3
    case .orphaned: 4
    case .node: 5
    case .unscheduled: 6
    case .group: 7
    case .rate: 8
    }
  }
}

extension CoalescePolicy: StoredCode {
  static var allCases: [CoalescePolicy] { [.latest, .earliest, .all] }
  var code: Int64 {
    switch self {
    case .latest: 0
    case .earliest: 1
    case .all: 2
    }
  }
}
