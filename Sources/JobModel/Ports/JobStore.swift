package import Chronology

/// Keeps what must outlive the process: schedules, runs, decisions.
///
/// The scheduler hands over batches of changes and gets exactly one completion per batch, when the batch is as durable
/// as the store promises (SQLite: committed) or when it failed as a whole. Batches of one caller take effect in the
/// order in which they were handed over; a failed one leaves no trace. The memory store completes inside the call; a
/// store with a writer thread completes there. Every change is an upsert or a removal by key, so applying a batch twice
/// is the same as once.
///
/// Threading: every method may be called from any thread. `apply` never blocks on I/O; the queries may.
package protocol JobStore: AnyObject, Sendable {
  /// For messages: `memory`, or `sqlite moondial.db`.
  var name: String { get }

  /// What an operator should know about it as it was opened, a sentence each. Default: nothing.
  var notes: [String] { get }

  /// What a scheduler must know when it starts. Called once, before the first `apply`.
  func load() throws(StoreError) -> StoreSnapshot

  /// Makes `batch` durable, then calls `completion` with nil, or with why nothing of it was.
  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void)

  /// Runs, newest first (by id).
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord]

  /// Decision ranges of a job, newest first.
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange]

  /// What people, programs and scripts have changed, newest first.
  func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine]

  /// What is remembered of the files that a job watches, in no order.
  func files(of job: String) throws(StoreError) -> [FileMark]

  /// All schedule records, by job name; of one job its own first, then dynamic ones by id.
  func schedules() throws(StoreError) -> [ScheduleRecord]

  /// The schedule records of these jobs, their own and dynamic ones, in no order.
  func schedules(of jobs: [String]) throws(StoreError) -> [ScheduleRecord]

  /// Log lines that runs wrote, kept beside the history as long as their run. Best effort: a lost one is not an error.
  func append(log lines: [RunLogLine])
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine]

  /// What a run said last of how far it is (a line of ``RunLogLine/progressLevel`` takes the place of the one before);
  /// kept as long as its lines.
  func progress(of run: RunID) throws(StoreError) -> RunLogLine?

  /// Durable values of scripts.
  var keyValues: any KeyValueStore { get }

  /// Waits for what was handed over, then closes. Calling it twice is fine.
  func close()
}

extension JobStore {
  /// For a store without an audit, such as a part of a test.
  package func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine] { [] }
  package var notes: [String] { [] }

  /// By asking for all: for stores that are read rarely.
  package func schedules(of jobs: [String]) throws(StoreError) -> [ScheduleRecord] {
    let wanted = Set(jobs)
    return try schedules().filter { wanted.contains($0.job) }
  }
}

/// All changes that must land together. Order inside a batch: the order of the fields.
package struct StoreBatch: Sendable {
  /// Upserts: by job name, and by id dynamic ones.
  package var schedules: [ScheduleRecord] = []
  /// The small, frequent change of a schedule.
  package var fires: [FireUpdate] = []
  /// Accepted fires that cannot be claimed yet (queue, window, event): upserts by run id, `claimedAt == nil`. A claimed
  /// run between two attempts stands here too.
  package var waiting: [RunRecord] = []
  /// Claims: upserts by run id, `claimedAt != nil`, `outcome == nil`.
  package var claims: [RunRecord] = []
  /// Outcomes: upserts by run id, `outcome != nil`.
  package var finished: [RunRecord] = []
  /// Waiting rows whose instants ended in a decision range after all: removed.
  package var dropped: [RunID] = []
  /// Appended, but for those with a `number` up to the highest that was committed since the store was opened: a batch
  /// that is handed over again adds nothing. A store may extend its newest range of the job when `isContinued(by:)`
  /// holds.
  package var decisions: [DecisionRange] = []
  /// Upserts by job and path, in order; a mark without a version removes its row.
  package var files: [FileMark] = []
  /// Ids of dynamic schedules that are over: removed, after everything above. Their runs and decisions stay.
  package var unscheduled: [String] = []
  /// Names of orphaned jobs that the scheduler has forgotten, after everything above. What a store keeps of them only
  /// to be quick goes too; a memory store keeps nothing of them. Should one come back, the scheduler asks for its
  /// schedules.
  package var forgotten: [String] = []
  /// Set when the wall clock was set back beyond the bridge.
  package var clockEpoch: ClockEpoch?
  /// Set when everything was paused or resumed.
  package var hostPause: HostPauseChange?
  /// Appended; a line whose id is there already stays as it is.
  package var audit: [AuditLine] = []

  package init() {}

  package var isEmpty: Bool {
    schedules.isEmpty && fires.isEmpty && waiting.isEmpty && claims.isEmpty && finished.isEmpty && dropped.isEmpty
      && decisions.isEmpty && files.isEmpty && unscheduled.isEmpty && forgotten.isEmpty
      && clockEpoch == nil && hostPause == nil && audit.isEmpty
  }

  /// Appends `later`, whose changes take effect after this batch's own.
  ///
  /// Only legal when no key of `later` occurs in this batch in a field that is applied after it; a scheduler merges
  /// what it retries with what has come since, where that holds because runs only move forward (waiting → claimed →
  /// finished).
  package mutating func append(_ later: StoreBatch) {
    if !later.schedules.isEmpty, !fires.isEmpty {
      // A whole schedule record says more, and later, than the small changes before it, which are applied after it.
      let renewed = Set(later.schedules.map { ScheduleKey(job: $0.job, id: $0.id) })
      fires.removeAll { renewed.contains(ScheduleKey(job: $0.job, id: $0.schedule)) }
    }
    if !later.schedules.isEmpty, !unscheduled.isEmpty {
      // A schedule that took the id of one that went is not to go with it.
      let renewed = Set(later.schedules.compactMap(\.id))
      unscheduled.removeAll { renewed.contains($0) }
    }
    schedules += later.schedules
    fires += later.fires
    waiting += later.waiting
    claims += later.claims
    finished += later.finished
    dropped += later.dropped
    decisions += later.decisions
    files += later.files
    unscheduled += later.unscheduled
    if !forgotten.isEmpty, !later.schedules.isEmpty {
      let back = Set(later.schedules.map(\.job))
      forgotten.removeAll { back.contains($0) }
    }
    forgotten += later.forgotten
    clockEpoch = later.clockEpoch ?? clockEpoch
    hostPause = later.hostPause ?? hostPause
    audit += later.audit
  }

  package mutating func removeAll() {
    guard !isEmpty else { return }
    schedules.removeAll(keepingCapacity: true)
    fires.removeAll(keepingCapacity: true)
    waiting.removeAll(keepingCapacity: true)
    claims.removeAll(keepingCapacity: true)
    finished.removeAll(keepingCapacity: true)
    dropped.removeAll(keepingCapacity: true)
    decisions.removeAll(keepingCapacity: true)
    files.removeAll(keepingCapacity: true)
    unscheduled.removeAll(keepingCapacity: true)
    forgotten.removeAll(keepingCapacity: true)
    clockEpoch = nil
    hostPause = nil
    audit.removeAll(keepingCapacity: true)
  }
}

/// A schedule moved on: `nextFire` is the first instant without a decision, a claim or a waiting row.
package struct FireUpdate: Sendable, Equatable {
  package var job: String
  /// The id of a dynamic schedule; nil: the job's own moved.
  package var schedule: String?
  package var nextFire: Instant?
  package var lastFire: Instant
  package var fireCount: Int
  /// The job's index in its scheduler's table: the same for a job as long as the scheduler lives. It spares a store a
  /// search by name; the name decides.
  package var index: JobHint

  package init(
    job: String, schedule: String? = nil, nextFire: Instant?, lastFire: Instant, fireCount: Int, index: JobIndex? = nil
  ) {
    self.job = job
    self.schedule = schedule
    self.index = JobHint(index)
    self.nextFire = nextFire
    self.lastFire = lastFire
    self.fireCount = fireCount
  }
}

/// Names one schedule of a store.
package enum ScheduleKey: Hashable, Sendable {
  /// The one that a job declares.
  case job(String)
  /// A dynamic one, by its id, which no other schedule has whatever its job.
  case dynamic(String)

  package init(job: String, id: String?) { self = id.map { .dynamic($0) } ?? .job(job) }
}

/// What a store knows when it is opened.
package struct StoreSnapshot: Sendable {
  package var schedules: [ScheduleRecord] = []
  /// Runs without an outcome: waiting ones, and claimed ones whose host has died.
  package var unfinished: [RunRecord] = []
  /// Above every id ever handed out in this store.
  package var nextRunID: RunID
  package var clockEpoch: ClockEpoch
  /// Above the number of every decision that was committed since the store was opened.
  package var nextDecision: Int64 = 1
  /// Set while everything is paused.
  package var pause: PauseNote?
  /// Above the id of every line of the audit.
  package var nextAudit: Int64 = 1

  package init(nextRunID: RunID = RunID(1), clockEpoch: ClockEpoch = ClockEpoch(0)) {
    self.nextRunID = nextRunID
    self.clockEpoch = clockEpoch
  }
}

package struct RunQuery: Sendable {
  package var job: String?
  package var id: RunID?
  package var outcomes: Set<Outcome>?
  /// Scheduled at or after this instant.
  package var from: Instant?
  /// Scheduled before this instant.
  package var to: Instant?
  /// Only ids below this one: the next page.
  package var before: RunID?
  package var limit: Int

  package init(
    job: String? = nil, id: RunID? = nil, outcomes: Set<Outcome>? = nil, from: Instant? = nil, to: Instant? = nil,
    before: RunID? = nil, limit: Int = 100
  ) {
    self.job = job
    self.id = id
    self.outcomes = outcomes
    self.from = from
    self.to = to
    self.before = before
    self.limit = limit
  }
}

package struct DecisionQuery: Sendable {
  package var job: String?
  /// Ranges that contain this instant, or one after it before ``before``.
  package var at: Instant?
  /// The end of the span that begins at ``at``; nil: that instant alone.
  package var before: Instant?
  package var limit: Int
  package init(job: String? = nil, at: Instant? = nil, before: Instant? = nil, limit: Int = 100) {
    self.job = job
    self.at = at
    self.before = before
    self.limit = limit
  }
}

/// One line that a run logged.
package struct RunLogLine: Sendable, Equatable {
  package var run: RunID
  package var job: String
  package var at: Instant
  package var level: String
  package var message: String
  /// A JSON object, or nil.
  package var fields: JSONText?
  package init(run: RunID, job: String, at: Instant, level: String, message: String, fields: JSONText? = nil) {
    self.run = run
    self.job = job
    self.at = at
    self.level = level
    self.message = message
    self.fields = fields
  }

  /// The level of what is no line of the log: how far a run says it is, in words, and as `fraction` if it is one. A
  /// store keeps the last one of each run.
  package static let progressLevel = "progress"
  package var isProgress: Bool { level == Self.progressLevel }

  /// How far a run says it is.
  package init(_ note: ProgressNote) {
    self.init(
      run: note.run, job: note.job, at: note.at, level: Self.progressLevel, message: note.progress.words,
      fields: note.progress.fraction.map { JSONText("{\"fraction\":\($0)}") })
  }

  /// What a row costs beside its texts.
  package static let overhead = 32
  /// About how many bytes it takes in a store.
  package var bytes: Int { message.utf8.count + (fields?.text.utf8.count ?? 0) + Self.overhead }
}
