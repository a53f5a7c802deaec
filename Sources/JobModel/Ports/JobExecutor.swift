package import Chronology

/// Runs attempts of jobs somewhere: threads of this process, other processes.
///
/// The scheduler submits orders that are claimed already; the executor reports each as started (once, when its first
/// instruction runs) and then as ended (exactly once), in batches, from any thread. It decides nothing about schedules.
///
/// Threading: every method may be called from any thread; none blocks on a run but `stop`.
package protocol JobExecutor: AnyObject, Sendable {
  /// How many runs can be on a processor at once; sizes the claim window.
  var workers: Int { get }

  /// Begins to work. Called once, before the first `submit`.
  func start(reportingTo sink: any RunReportSink)

  /// Takes orders, in the order in which they should start.
  func submit(_ orders: [RunOrder])

  /// Asks a run to end as `cancelled`. A token that is not (or no longer) here is ignored. One report of its end
  /// follows as for any run.
  func cancel(_ token: RunToken)

  /// From now on what runs is told that it should end soon, when it asks (`ctx:cancelled()`); nothing is stopped. Twice
  /// is fine.
  func windDown()

  /// Kills what still runs (reported as `interrupted`), ends the threads and returns when they have ended; a stuck
  /// thread is left behind. Twice, or before `start`, is fine.
  func stop()
}

extension JobExecutor {
  package func windDown() {}
}

/// Where an executor's reports go. Implementations must be quick: they are called on worker threads.
package protocol RunReportSink: AnyObject, Sendable {
  func report(_ reports: [RunReport])
}

/// One claimed attempt to run.
package struct RunOrder: Sendable {
  package var token: RunToken
  package var id: RunID
  package var job: JobEntry
  package var attempt: Int32
  /// The job's: from −100 to 100, higher first.
  package var priority: Int8
  /// Nominal fire time.
  package var scheduledAt: Instant
  package var missed: Int
  /// Wall-clock instant after which it must not start any more (scheduled + grace): then it is reported as `late`
  /// instead.
  package var startBefore: Instant?
  package var context: OrderContext?

  package init(
    token: RunToken, id: RunID, job: JobEntry, attempt: Int32, scheduledAt: Instant, missed: Int = 0,
    startBefore: Instant? = nil, context: OrderContext? = nil
  ) {
    self.token = token
    self.id = id
    self.job = job
    self.attempt = attempt
    priority = Int8(clamping: job.definition.priority)
    self.scheduledAt = scheduledAt
    self.missed = missed
    self.startBefore = startBefore
    self.context = context
  }

  /// Whose job it is of: see `JobPayload.owner`.
  package var owner: ObjectIdentifier { job.definition.payload.owner }
}

extension RunOrder {
  /// How many attempts may follow this one, by the job's `retry`.
  package var attemptsLeft: Int { max(0, (job.definition.retry?.max ?? 0) - retries) }
  /// Retries made before this attempt.
  package var retries: Int { Int(attempt) - 1 }
}

/// What only some runs carry.
package final class OrderContext: Sendable {
  /// Parameters given for this run, over the job's own.
  package let params: JSONText?
  /// `{"name": …, "data": …}` of the event that caused the run.
  package let event: JSONText?
  /// The id of the dynamic schedule that the run is of.
  package let schedule: String?
  /// The store that has the run, where that is no more the one of its job; nil: it is.
  package let store: String?
  package init(params: JSONText?, event: JSONText?, schedule: String? = nil, store: String? = nil) {
    self.store = store
    self.params = params
    self.event = event
    self.schedule = schedule
  }

  /// What the record of a run says of it; nil: nothing.
  package convenience init?(_ record: RunRecord, store: String? = nil) {
    guard record.params != nil || record.event != nil || record.schedule != nil || store != nil else { return nil }
    self.init(params: record.params, event: record.event, schedule: record.schedule, store: store)
  }
}

/// What became of an order.
package struct RunReport: Sendable {
  package enum Kind: Sendable {
    /// Its first instruction runs now.
    case started
    /// The attempt has ended; `outcome` says how. If no `started` was reported before, it started and ended within this
    /// batch.
    case ended
    /// Not started: `startBefore` had passed.
    case late
    /// Beyond its deadline and not to be stopped: it keeps its thread; an `ended` with outcome `stuck` follows if it
    /// ever returns.
    case stuck
    /// The host that had it has gone, or was told to give it up: nobody brings it to its end. `details` say why.
    case lost
  }
  package var token: RunToken
  package var kind: Kind
  package var outcome: Outcome
  package var startedAt: Instant
  /// Nanoseconds of monotonic time from start to end, suspension included.
  package var duration: Int64
  package var memoryPeakBytes: Int
  /// nil for a success without a result.
  package var details: AttemptDetails?

  package init(
    token: RunToken, kind: Kind, outcome: Outcome = .succeeded, startedAt: Instant, duration: Int64 = 0,
    memoryPeakBytes: Int = 0, details: AttemptDetails? = nil
  ) {
    self.token = token
    self.kind = kind
    self.outcome = outcome
    self.startedAt = startedAt
    self.duration = duration
    self.memoryPeakBytes = memoryPeakBytes
    self.details = details
  }
}

/// What an attempt left behind beyond its outcome.
package final class AttemptDetails: Sendable {
  package let error: RunError?
  package let result: JSONText?
  /// Set by `ctx:retry`.
  package let retry: RetryRequest?
  /// The host refused something, and would refuse it again: `retry` does not apply.
  package let isFinal: Bool
  /// The attempt is not over: it has come to this step, which takes long, and is executed again after it.
  package let park: RunStep?
  /// What is to be committed with its success.
  package let outbox: RunOutbox?
  package init(
    error: RunError? = nil, result: JSONText? = nil, retry: RetryRequest? = nil, isFinal: Bool = false,
    park: RunStep? = nil, outbox: RunOutbox? = nil
  ) {
    self.outbox = outbox
    self.isFinal = isFinal
    self.park = park
    self.error = error
    self.result = result
    self.retry = retry
  }
}
