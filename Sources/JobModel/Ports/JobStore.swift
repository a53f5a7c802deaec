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

  /// Of each of `jobs`, its latest run that has ended, by job; ``RunQuery/isBrief`` ones. One question for many jobs.
  func lastRuns(of jobs: [String]) throws(StoreError) -> [String: RunRecord]

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

  /// The steps of a run, in the order of their positions. They are kept as long as the run.
  func steps(of run: RunID) throws(StoreError) -> [RunStep]

  /// Makes a transaction durable, then calls `completion`. Each change of a value is judged after those before it; when
  /// one does not find the version that it expects, or is refused, nothing is changed at all. So it is when the store
  /// has its step, or its run as a finished one: then it was committed before, and is answered as it was.
  ///
  /// - Parameter now: by which values expire.
  func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void)

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

  /// A question for each job.
  package func lastRuns(of jobs: [String]) throws(StoreError) -> [String: RunRecord] {
    var found: [String: RunRecord] = [:]
    for job in jobs {
      var query = RunQuery(job: job, outcomes: Set(Outcome.allCases), limit: 1)
      query.isBrief = true
      found[job] = try runs(query).first
    }
    return found
  }

  /// By asking for all: for stores that are read rarely.
  package func schedules(of jobs: [String]) throws(StoreError) -> [ScheduleRecord] {
    let wanted = Set(jobs)
    return try schedules().filter { wanted.contains($0.job) }
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
  /// What transactions have asked for and nobody has done yet, in the order in which they were committed.
  package var intents: [RunIntent] = []
  /// Those of the unfinished runs that another host has, or had, for the leader before: they are not interrupted, but
  /// handed to their executor again, which knows where they are.
  package var placed: Set<RunID> = []
  /// Whether the store was another host's until this one had it, or this very process's: what the store knows goes on,
  /// and nothing runs because of a start.
  package var isTakeover = false
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
  /// A store may leave out what the runs returned, were given and failed with: who counts them needs none of it.
  package var isBrief = false
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
