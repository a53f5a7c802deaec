package import Triggers

/// What a script (or a Swift program) declares about one job: pure values, checked when it was built.
///
/// All spans are nanoseconds. Equal definitions with a payload that does not differ are the same job, and a reload leaves it alone.
package struct JobDefinition: Sendable {
  package var name: String
  package var source: SourceLocation
  package var description: String?
  package var tags: [String] = []

  // MARK: When

  /// All time triggers of the job as one; nil when it runs only on events, after others or when asked.
  package var trigger: AnyTrigger?
  /// Names of events (`on`).
  package var events: [String] = []
  /// Names of jobs after whose successful runs it runs (`after`).
  package var after: [String] = []
  /// Files that it is given when they are complete.
  package var watch: FileWatch?
  package var runAtStart = false
  /// IANA name of the zone the job is shown in; its triggers carry their own rules.
  package var timeZone = "UTC"
  /// Upper end of the delay that is added to each fire time, by a hash of schedule and fire time.
  package var jitter: Int64 = 0
  /// Fires after which the schedule ends.
  package var limit: Int?
  /// Events within this span of the last one become one run (trailing).
  package var debounce: Int64?

  // MARK: Late and overlapping runs

  package var coalesce: CoalescePolicy = .latest
  package var catchUpMax = SchedulingLimits.catchUpMax
  /// nil: a late run still runs.
  package var misfireGraceTime: Int64?
  package var maxInstances = 1
  package var overlap: OverlapPolicy = .skip
  /// −100…100, higher first.
  package var priority = 0

  // MARK: One run

  /// Per attempt, suspension included.
  package var timeout: Int64?
  package var memoryLimit: Int?
  package var retry: RetryPolicy?
  package var recover = false
  package var state: StateLifetime = .job
  package var params: JSONText?

  // MARK: Where

  package var executor = "default"
  package var store = "default"
  /// The group of moondial.lua whose limits it shares.
  package var group: String?
  /// At most so many starts, over all schedules of the job.
  package var rate: RateLimit?
  package var enabled = true
  package var payload: any JobPayload

  package init(name: String, source: SourceLocation, payload: any JobPayload) {
    self.name = name
    self.source = source
    self.payload = payload
  }

  /// Whether everything but the payload and the place in the source is equal.
  package func hasSameOptions(as other: JobDefinition) -> Bool {
    name == other.name && description == other.description && tags == other.tags && hasSameSchedule(as: other)
      && events == other.events && after == other.after && watch == other.watch && debounce == other.debounce && coalesce == other.coalesce
      && catchUpMax == other.catchUpMax && misfireGraceTime == other.misfireGraceTime && maxInstances == other.maxInstances
      && overlap == other.overlap && priority == other.priority && timeout == other.timeout
      && memoryLimit == other.memoryLimit && retry == other.retry && recover == other.recover && state == other.state
      && params == other.params && executor == other.executor && store == other.store && group == other.group && rate == other.rate
      && enabled == other.enabled
  }

  /// Whether its fire times are the same: then the next fire time survives a reload.
  package func hasSameSchedule(as other: JobDefinition) -> Bool {
    trigger == other.trigger && jitter == other.jitter && limit == other.limit && runAtStart == other.runAtStart
      && timeZone == other.timeZone
  }
}

/// A job's definition, shared by reference between the scheduler's table and all orders of one generation of the job.
package final class JobEntry: Sendable {
  package let definition: JobDefinition
  package init(_ definition: JobDefinition) { self.definition = definition }
}
