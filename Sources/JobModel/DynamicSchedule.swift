package import Triggers

/// A dynamic schedule: made at run time (`jobs.schedule`) for a declared job: its id, and what it says otherwise than
/// the job.
///
/// One declared job may have any number of them, each with parameters, a trigger and instances of its own. It is kept
/// in the job's store until it is unscheduled, or has no fire left and its last run has ended.
package final class DynamicSchedule: Sendable, Equatable {
  /// Unique among all schedules of a host.
  package let id: String
  package let options: ScheduleOptions

  package init(id: String, options: ScheduleOptions) {
    self.id = id
    self.options = options
  }

  package static func == (a: DynamicSchedule, b: DynamicSchedule) -> Bool {
    a === b || a.id == b.id && a.options == b.options
  }

  /// Bytes of an id, at most.
  package static let idLength = 200
}

/// What a dynamic schedule may say for itself; nil is what its job says.
package struct ScheduleOptions: Sendable, Hashable {
  /// Over the job's own parameters, for each run of this schedule.
  package var params: JSONText?
  /// Nanoseconds.
  package var jitter: Int64?
  /// IANA name of the zone that it is shown in. Its trigger carries its own rules.
  package var timeZone: String?
  /// Nanoseconds; `.max`: a late run still runs, whatever the job says.
  package var misfireGraceTime: Int64?
  package var coalesce: CoalescePolicy?
  package var maxInstances: Int?
  package var priority: Int?

  package init() {}

  /// Whether runs of the schedule differ from those of its job by their parameters only.
  package var areOnlyParams: Bool {
    jitter == nil && timeZone == nil && misfireGraceTime == nil && coalesce == nil && maxInstances == nil
      && priority == nil
  }
}

/// A request for a schedule at run time.
///
///     var request = ScheduleRequest(job: "send", trigger: .at([tomorrow]))
///     request.options.params = JSONText("{\"to\":\"ann\"}")
///     let id = try service.schedule(request)
package struct ScheduleRequest: Sendable {
  /// The declared job to run.
  package var job: String
  /// nil: the scheduler makes one, `JOB-NUMBER`.
  package var id: String?
  /// Whether a schedule that has this id gives way. Otherwise the request is refused.
  package var replaceExisting = false
  package var trigger: AnyTrigger
  package var options = ScheduleOptions()
  /// Schedules that the job may have, this one included; nil: any number.
  package var quota: Int?

  package init(job: String, id: String? = nil, trigger: AnyTrigger) {
    self.job = job
    self.id = id
    self.trigger = trigger
  }
}

extension JobDefinition {
  /// The definition that runs of a dynamic schedule have: the job's, without what makes the job itself run,
  /// and with what the schedule says otherwise. The trigger stays with the schedule, and parameters with each run, so
  /// that schedules without options of their own share one definition.
  package func scheduled(with options: ScheduleOptions) -> JobDefinition {
    var own = self
    own.trigger = nil
    own.events = []
    own.after = []
    own.afterAll = []
    own.watch = nil
    own.debounce = nil
    own.runAtStart = false
    own.limit = nil
    own.jitter = options.jitter ?? jitter
    own.timeZone = options.timeZone ?? timeZone
    if let grace = options.misfireGraceTime { own.misfireGraceTime = grace == .max ? nil : grace }
    own.coalesce = options.coalesce ?? coalesce
    own.maxInstances = options.maxInstances ?? maxInstances
    own.priority = options.priority ?? priority
    return own
  }
}
