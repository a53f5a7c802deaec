package import Chronology

/// The fires to come of all jobs in a span.
package struct UpcomingAnswer: Sendable, Codable, Equatable {
  package var from: HostTime
  package var to: HostTime
  /// By time. Not those of `frequent`.
  package var fires: [UpcomingFire]
  /// Schedules that fire so often that each is one line.
  package var frequent: [FrequentFires]
  /// How many fires there are in each of ``parts`` equal parts of the span, whether they are listed or not; without
  /// those of `frequent` and those that will be skipped.
  package var counts: [Int]
  /// There are more than are listed.
  package var isCut: Bool

  /// Parts of the span in which fires are counted.
  package static let parts = 48

  private enum CodingKeys: String, CodingKey {
    case from, to, fires, frequent, counts
    case isCut = "cut"
  }

  package init(
    from: HostTime, to: HostTime, fires: [UpcomingFire], frequent: [FrequentFires], counts: [Int], isCut: Bool
  ) {
    self.counts = counts
    self.from = from
    self.to = to
    self.fires = fires
    self.frequent = frequent
    self.isCut = isCut
  }
}

package struct UpcomingFire: Sendable, Codable, Equatable {
  package var at: HostTime
  package var job: String
  /// Id of the dynamic schedule.
  package var schedule: String?
  /// The parked run that goes on then; nil: a new run begins.
  package var run: Int64?
  /// It will be skipped: the job, or everything, is paused or disabled.
  package var isPaused: Bool

  private enum CodingKeys: String, CodingKey {
    case at, job, schedule, run
    case isPaused = "paused"
  }

  package init(at: HostTime, job: String, schedule: String?, run: Int64? = nil, isPaused: Bool) {
    self.run = run
    self.at = at
    self.job = job
    self.schedule = schedule
    self.isPaused = isPaused
  }
}

package struct FrequentFires: Sendable, Codable, Equatable {
  package var job: String
  package var schedule: String?
  package var trigger: String
  package var first: HostTime
  /// In the span; more than it was counted to, if `isAtLeast`.
  package var count: Int
  package var isAtLeast: Bool
  package var isPaused: Bool

  private enum CodingKeys: String, CodingKey {
    case job, schedule, trigger, first, count
    case isAtLeast = "at_least"
    case isPaused = "paused"
  }

  package init(
    job: String, schedule: String?, trigger: String, first: HostTime, count: Int, isAtLeast: Bool, isPaused: Bool
  ) {
    self.job = job
    self.schedule = schedule
    self.trigger = trigger
    self.first = first
    self.count = count
    self.isAtLeast = isAtLeast
    self.isPaused = isPaused
  }
}

package struct UpcomingQuery: Sendable, Equatable {
  package var job: String?
  package var tag: String?
  /// nil: now.
  package var from: Instant?
  /// Nanoseconds; a day unless something else is said, at most 32 days.
  package var span: Int64
  /// Fires at most.
  package var limit: Int

  package static let day: Int64 = 86_400 * 1_000_000_000

  package init(job: String? = nil, tag: String? = nil, from: Instant? = nil, span: Int64 = day, limit: Int = 1_000) {
    self.job = job
    self.tag = tag
    self.from = from
    self.span = span
    self.limit = limit
  }
}
