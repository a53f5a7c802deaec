package import Chronology
package import JobModel

/// A stretch of due instants that got no run of their own, and why.
package struct DecisionAnswer: Sendable, Codable, Equatable {
  package var job: String
  package var schedule: String?
  package var kind: DecisionKind
  package var reason: SkipReason?
  package var first: HostTime
  package var last: HostTime
  package var count: Int
  /// There may be more than `count`.
  package var isAtLeast: Bool
  package var decidedAt: HostTime
  /// The run that stands for coalesced instants.
  package var run: Int64?
  /// The same as one sentence.
  package var sentence: String

  private enum CodingKeys: String, CodingKey {
    case job, schedule, kind, reason, first, last, count, run, sentence
    case isAtLeast = "at_least"
    case decidedAt = "decided_at"
  }

  package init(_ range: DecisionRange, sentence: String, in zone: TimeZoneRules) {
    job = range.job
    schedule = range.schedule
    kind = range.kind
    reason = range.reason
    first = HostTime(range.first, in: zone)
    last = HostTime(range.last, in: zone)
    count = range.count
    isAtLeast = range.isAtLeast
    decidedAt = HostTime(range.decidedAt, in: zone)
    run = range.run?.number
    self.sentence = sentence
  }
}

/// Which decisions. What is nil is not asked for.
package struct DecisionsQuery: Sendable, Equatable {
  package var job: String?
  /// Ranges that reach beyond this instant.
  package var from: Instant?
  /// Ranges that begin before this instant.
  package var to: Instant?
  package var limit: Int

  package init(job: String? = nil, from: Instant? = nil, to: Instant? = nil, limit: Int = PageLimit.standard) {
    self.job = job
    self.from = from
    self.to = to
    self.limit = limit
  }
}
