package import Chronology
package import JobModel

/// A run as `history` and the API show it.
package struct RunAnswer: Sendable, Equatable {
  package var id: Int64
  package var job: String
  /// Id of the dynamic schedule that it is of.
  package var schedule: String?
  package var cause: RunCause
  package var scheduledAt: HostTime
  package var claimedAt: HostTime?
  package var startedAt: HostTime?
  package var lastAttemptAt: HostTime?
  package var nextAttemptAt: HostTime?
  /// Where it stands while it has not ended: `waiting`, `running`, `retrying`, `parked`.
  package var state: String?
  /// While it is parked: when it goes on at the latest, and the event that it waits for.
  package var parkedUntil: HostTime?
  package var waitsFor: String?
  package var finishedAt: HostTime?
  /// Further fire times that it stands for.
  package var missed = 0
  package var progress: ProgressInfo?
  package var outcome: Outcome?
  package var result: JSONDocument?
  package var error: ErrorInfo?
  package var durationMilliseconds: Double?
  package var memoryPeakBytes = 0
  package var attempts = 0
  package var params: JSONDocument?
  package var event: JSONDocument?
  /// The interrupted run that this one makes good for.
  package var recovers: Int64?
  /// The run that this one tries again.
  package var retryOf: Int64?
  /// Name of its store.
  package var store: String?
  /// The host that executes it, when it is not the one that schedules it; nil as well when it has ended.
  package var node: String?
  /// What it has done, or waits at, in its order; only in the answer about one run.
  package var steps: [StepAnswer]?
  /// Texts of it are left out because they are long: the answer about the run alone has them.
  package var isCut = false

  package init(id: Int64, job: String, cause: RunCause, scheduledAt: HostTime) {
    self.id = id
    self.job = job
    self.cause = cause
    self.scheduledAt = scheduledAt
  }
}

extension RunAnswer {
  /// A run as a store, or the scheduler, has it.
  ///
  /// - Parameters:
  ///   - state: where it stands if it has not ended.
  ///   - isWhole: whether long texts are there as a whole; in a list they are cut.
  package init(_ record: RunRecord, state: String, store: String?, isWhole: Bool, in zone: TimeZoneRules) {
    func time(_ instant: Instant) -> HostTime { HostTime(instant, in: zone) }
    self.init(id: record.id.number, job: record.job, cause: record.cause, scheduledAt: time(record.scheduledAt))
    schedule = record.schedule
    claimedAt = record.claimedAt.map(time)
    startedAt = record.startedAt.map(time)
    lastAttemptAt = record.retriedAt.map(time)
    nextAttemptAt = record.resumesAt.map(time)
    finishedAt = record.finishedAt.map(time)
    if record.outcome == nil {
      self.state = state
      // One that was cancelled while it was parked keeps that in its row.
      parkedUntil = record.park?.until.map(time)
      waitsFor = record.park?.event
    }
    missed = record.missed
    outcome = record.outcome
    error = record.error.map { ErrorInfo($0) }
    durationMilliseconds = record.knownDuration.map { Double($0) / 1e6 }
    memoryPeakBytes = record.memoryPeakBytes
    attempts = record.begunAttempts
    if isWhole || record.textBytes <= RunPaging.textBytes {
      result = record.result.map { JSONDocument($0) }
      params = record.params.map { JSONDocument($0) }
      event = record.event.map { JSONDocument($0) }
    } else {
      error?.traceback = nil
      error?.data = nil
      isCut = true
    }
    if record.cause == .retry {
      retryOf = record.recovers?.number
    } else {
      recovers = record.recovers?.number
    }
    self.store = store.flatMap { $0.isEmpty ? nil : $0 }
  }
}

extension RunRecord {
  /// Attempts that have begun. The row of a parked run does not count the one that goes on later.
  var begunAttempts: Int { Int(attempts) + (park == nil ? 0 : 1) }
}

extension RunAnswer: Codable {
  private enum CodingKeys: String, CodingKey {
    case id, job, schedule, cause, state, missed, progress, outcome, result, error, attempts, params, event, recovers,
      store, node, steps
    case parkedUntil = "parked_until"
    case waitsFor = "waits_for"
    case scheduledAt = "scheduled_at"
    case claimedAt = "claimed_at"
    case startedAt = "started_at"
    case lastAttemptAt = "last_attempt_at"
    case nextAttemptAt = "next_attempt_at"
    case finishedAt = "finished_at"
    case durationMilliseconds = "duration_ms"
    case memoryPeakBytes = "memory_peak_bytes"
    case retryOf = "retry_of"
    case isCut = "cut"
  }

  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    id = try fields.decode(Int64.self, forKey: .id)
    job = try fields.decode(String.self, forKey: .job)
    cause = try fields.decode(RunCause.self, forKey: .cause)
    scheduledAt = try fields.decode(HostTime.self, forKey: .scheduledAt)
    schedule = try fields.decodeIfPresent(String.self, forKey: .schedule)
    claimedAt = try fields.decodeIfPresent(HostTime.self, forKey: .claimedAt)
    startedAt = try fields.decodeIfPresent(HostTime.self, forKey: .startedAt)
    lastAttemptAt = try fields.decodeIfPresent(HostTime.self, forKey: .lastAttemptAt)
    nextAttemptAt = try fields.decodeIfPresent(HostTime.self, forKey: .nextAttemptAt)
    state = try fields.decodeIfPresent(String.self, forKey: .state)
    parkedUntil = try fields.decodeIfPresent(HostTime.self, forKey: .parkedUntil)
    waitsFor = try fields.decodeIfPresent(String.self, forKey: .waitsFor)
    steps = try fields.decodeIfPresent([StepAnswer].self, forKey: .steps)
    finishedAt = try fields.decodeIfPresent(HostTime.self, forKey: .finishedAt)
    missed = try fields.decodeIfPresent(Int.self, forKey: .missed) ?? 0
    progress = try fields.decodeIfPresent(ProgressInfo.self, forKey: .progress)
    outcome = try fields.decodeIfPresent(Outcome.self, forKey: .outcome)
    result = try fields.decodeIfPresent(JSONDocument.self, forKey: .result)
    error = try fields.decodeIfPresent(ErrorInfo.self, forKey: .error)
    durationMilliseconds = try fields.decodeIfPresent(Double.self, forKey: .durationMilliseconds)
    memoryPeakBytes = try fields.decodeIfPresent(Int.self, forKey: .memoryPeakBytes) ?? 0
    attempts = try fields.decodeIfPresent(Int.self, forKey: .attempts) ?? 0
    params = try fields.decodeIfPresent(JSONDocument.self, forKey: .params)
    event = try fields.decodeIfPresent(JSONDocument.self, forKey: .event)
    recovers = try fields.decodeIfPresent(Int64.self, forKey: .recovers)
    retryOf = try fields.decodeIfPresent(Int64.self, forKey: .retryOf)
    store = try fields.decodeIfPresent(String.self, forKey: .store)
    node = try fields.decodeIfPresent(String.self, forKey: .node)
    isCut = try fields.decodeIfPresent(Bool.self, forKey: .isCut) ?? false
  }

  /// `outcome`, `result`, `error` and `duration_ms` are always there, null where there is nothing; the others only
  /// where there is something.
  package func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(id, forKey: .id)
    try fields.encode(job, forKey: .job)
    try fields.encodeIfPresent(schedule, forKey: .schedule)
    try fields.encode(cause, forKey: .cause)
    try fields.encode(scheduledAt, forKey: .scheduledAt)
    try fields.encodeIfPresent(claimedAt, forKey: .claimedAt)
    try fields.encodeIfPresent(startedAt, forKey: .startedAt)
    try fields.encodeIfPresent(lastAttemptAt, forKey: .lastAttemptAt)
    try fields.encodeIfPresent(nextAttemptAt, forKey: .nextAttemptAt)
    try fields.encodeIfPresent(state, forKey: .state)
    try fields.encodeIfPresent(parkedUntil, forKey: .parkedUntil)
    try fields.encodeIfPresent(waitsFor, forKey: .waitsFor)
    try fields.encodeIfPresent(finishedAt, forKey: .finishedAt)
    try fields.encode(missed, forKey: .missed)
    try fields.encodeIfPresent(progress, forKey: .progress)
    try fields.encode(outcome, forKey: .outcome)
    try fields.encode(result, forKey: .result)
    try fields.encode(error, forKey: .error)
    try fields.encode(durationMilliseconds, forKey: .durationMilliseconds)
    try fields.encode(memoryPeakBytes, forKey: .memoryPeakBytes)
    try fields.encode(attempts, forKey: .attempts)
    try fields.encodeIfPresent(params, forKey: .params)
    try fields.encodeIfPresent(event, forKey: .event)
    try fields.encodeIfPresent(recovers, forKey: .recovers)
    try fields.encodeIfPresent(retryOf, forKey: .retryOf)
    try fields.encodeIfPresent(store, forKey: .store)
    try fields.encodeIfPresent(node, forKey: .node)
    try fields.encodeIfPresent(steps, forKey: .steps)
    if isCut { try fields.encode(isCut, forKey: .isCut) }
  }
}

/// Why a run did not succeed.
package struct ErrorInfo: Sendable, Hashable, Codable {
  package var message: String
  package var file: String?
  package var line: Int?
  package var traceback: String?
  /// What `ctx:fail(message, data)` carried.
  package var data: JSONDocument?

  package init(_ error: RunError) {
    message = error.message
    file = error.file
    line = error.line
    traceback = error.traceback
    data = error.data.map { JSONDocument($0) }
  }
}

/// Which runs. What is nil is not asked for.
package struct RunsQuery: Sendable, Equatable {
  package var job: String?
  /// Runs of jobs that carry the tag now.
  package var tag: String?
  package var outcomes: Set<Outcome>?
  /// Only those that have not ended.
  package var isOpen = false
  /// Scheduled at or after this instant.
  package var from: Instant?
  /// Scheduled before this instant.
  package var to: Instant?
  /// A part of the error's message or of a log line, in any case.
  package var text: String?
  package var after: PageCursor?
  package var limit: Int

  package init(job: String? = nil, outcomes: Set<Outcome>? = nil, limit: Int = PageLimit.standard) {
    self.job = job
    self.outcomes = outcomes
    self.limit = limit
  }
}
