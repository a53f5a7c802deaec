/// What a job may have in common with others: all that is declared about it but its name, place, trigger, parameters
/// and code.
///
/// Most jobs of a script agree in all of it, and then one object serves them all
/// (``JobDefinition/shareOptions(with:)``); that is why a new option belongs here, where it costs a job nothing. All
/// spans are nanoseconds.
package struct DefinitionOptions: Sendable, Equatable {
  package var description: String?
  package var tags: [String] = []

  // MARK: When

  /// Names of events (`on`).
  package var events: [String] = []
  /// Jobs after each of whose runs it runs (`after`).
  package var after: [Upstream] = []
  /// Names of jobs that must all have succeeded since its last run (`after = { all = … }`); empty: it is no join.
  package var afterAll: [String] = []
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

  // MARK: Where

  package var executor = "default"
  package var store = "default"
  /// The group of moondial.lua whose limits it shares.
  package var group: String?
  /// At most so many starts, over all schedules of the job.
  package var rate: RateLimit?
  package var enabled = true
  /// Labels that a host must have, all of them, to run it; empty: any host.
  package var onNodes: [String] = []

  package init() {}
}
