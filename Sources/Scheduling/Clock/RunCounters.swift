package import JobModel

/// What a scheduler has counted since it started: additions to numbers in its own memory.
package struct RunCounters: Sendable {
  /// Runs that were accepted because an instant fell due.
  package private(set) var fires = 0
  package private(set) var retries = 0
  /// Runs that ended, by outcome.
  package private(set) var ended = ContiguousArray(repeating: 0, count: Outcome.allCases.count)
  /// Instants that got no run, by kind and reason.
  private var decided = ContiguousArray(
    repeating: 0, count: DecisionKind.allCases.count * (SkipReason.allCases.count + 1))
  /// Nanoseconds from when a fire was due to the start of its run.
  package private(set) var lateness = SpanCounts()
  /// Nanoseconds that the attempts of a run took together.
  package private(set) var durations = SpanCounts()

  mutating func fired() { fires += 1 }
  mutating func retried() { retries += 1 }
  mutating func started(late nanoseconds: Int64) { lateness.add(nanoseconds) }

  mutating func ended(_ outcome: Outcome, after nanoseconds: Int64) {
    ended[outcome.ordinal] += 1
    durations.add(nanoseconds)
  }

  mutating func decided(_ kind: DecisionKind, _ reason: SkipReason?, _ count: Int) {
    decided[RunCounters.index(kind, reason)] += count
  }

  private static func index(_ kind: DecisionKind, _ reason: SkipReason?) -> Int {
    kind.ordinal * (SkipReason.allCases.count + 1) + (reason.map { $0.ordinal + 1 } ?? 0)
  }

  /// Those that there were.
  package var decisions: [(kind: DecisionKind, reason: SkipReason?, count: Int)] {
    DecisionKind.allCases.flatMap { kind in
      ([nil] + SkipReason.allCases).compactMap { reason in
        let count = decided[RunCounters.index(kind, reason)]
        return count > 0 ? (kind, reason, count) : nil
      }
    }
  }
}

/// How many spans are how long.
package struct SpanCounts: Sendable {
  /// Upper ends in nanoseconds: from a tenth of a millisecond to an hour.
  package static let ends: ContiguousArray<Int64> = [
    100_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 50_000_000, 100_000_000, 500_000_000, 1_000_000_000,
    5_000_000_000, 30_000_000_000, 120_000_000_000, 600_000_000_000, 3_600_000_000_000,
  ]
  /// Of each end those that are at most as long, and longer than the end before it.
  package private(set) var counts = ContiguousArray(repeating: 0, count: SpanCounts.ends.count)
  package private(set) var count = 0
  /// Of all together; stops at the largest number.
  package private(set) var sum: Int64 = 0

  package init() {}

  mutating func add(_ nanoseconds: Int64) {
    let span = max(0, nanoseconds)
    count += 1
    let (sum, overflow) = self.sum.addingReportingOverflow(span)
    self.sum = overflow ? .max : sum
    // Most are short: a walk from the front meets their end at once.
    var index = 0
    while index < Self.ends.count {
      if span <= Self.ends[index] {
        counts[index] += 1
        return
      }
      index += 1
    }
  }
}

extension Outcome {
  /// Its index among all outcomes, in memory only: stores have codes of their own.
  package var ordinal: Int {
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

extension DecisionKind {
  fileprivate var ordinal: Int {
    switch self {
    case .coalesced: 0
    case .misfired: 1
    case .skipped: 2
    case .clock: 3
    }
  }
}

extension SkipReason {
  fileprivate var ordinal: Int {
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
