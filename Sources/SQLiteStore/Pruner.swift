internal import Chronology
internal import GRDB
internal import JobModel

/// Removes history beyond the limits, in slices that ride along with commits: at most 200 rows, or half as many again
/// as the same commit adds, so that pruning keeps up with any load.
///
/// Runs go in the order of their ids: neighbours lie on the same pages, while the oldest runs of one job lie on as many
/// pages as there are runs. So the pruner knows a *cutoff* per job (everything up to that id is beyond the job's count)
/// and walks the table from its beginning in *passes*. A pass costs a look at each row it passes, kept ones included,
/// so one only starts when there is enough to remove: a twentieth of what the last pass looked at. Entries of
/// `job_runs` follow 64 at a time for the same reason.
///
/// Cutoffs are computed when a job's runs have just been indexed, from pages that are warm then.
///
/// Owned by the writer. What it knows is a cache: losing it (a rollback, a restart) only delays pruning.
struct Pruner {
  static let rowsPerSlice = 200
  /// Jobs of which something may be remembered beyond a pass. About 50 bytes each.
  private static let remembered = 10_000
  private static let rowsLookedAt = 1_000
  /// How often age is looked at. Nanoseconds of wall time.
  private static let agePeriod: Int64 = 60 * 1_000_000_000

  private let isActive: Bool
  private var retention: Retention
  private var limits: [Int64: Retention.Limit] = [:]
  private var now = Instant.epoch
  private var nextAgeCheck = Instant.distantPast

  /// Everything of the job up to this run is to go.
  private var cutoffs: [Int64: Int64] = [:]
  private var highestCutoff: Int64 = 0
  /// Runs indexed since the job's cutoff was computed.
  private var fresh: [Int64: Int] = [:]
  /// About how many rows are beyond their cutoff.
  private var excess = 0
  /// Entries of `job_runs` without a run: how many, and up to which run.
  private var stale: [Int64: (count: Int, through: Int64)] = [:]
  private var staleJobs: [Int64] = []
  /// Ranges added per job since they were last counted, and the jobs to count.
  private var freshRanges: [Int64: Int] = [:]
  private var crowdedJobs: [Int64] = []
  private var expiresKeyValues = false

  /// The job after which the walk over all jobs goes on that finds cutoffs anew (after opening, and when limits
  /// changed).
  private var surveyed: Int64? = 0
  /// The last row the pass looked at; nil when there is no pass.
  private var cursor: Int64?
  private var lookedAt = 0
  private var lookedAtInLastPass = 0
  /// Whether the open transaction has removed runs.
  private var hasRemoved = false

  private let statements: Statements
  private struct Statements {
    let nextJob, jobName, cutoff, next, delete, deleteEntries, deleteSpans: PreparedStatement
    let deleteRanges, deleteExpired: PreparedStatement
  }
  private var payloads: PayloadSweep
  /// Whether runs with payloads were removed in this pass.
  private var hasFreedPayloads = false
  private let keyValueSizes: KeyValueSizes

  init(on database: Database, isActive: Bool, options: SQLiteStore.Options, failure: SQLiteFailure) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    self.isActive = isActive
    retention = options.retention
    statements = Statements(
      nextJob: try prepare("SELECT job FROM job_runs WHERE job > ?1 ORDER BY job LIMIT 1"),
      jobName: try prepare("SELECT name FROM jobs WHERE id = ?1"),
      cutoff: try prepare("SELECT run FROM job_runs WHERE job = ?1 ORDER BY run DESC LIMIT 1 OFFSET ?2"),
      next: try prepare(
        """
        SELECT id, job, finished_at, coalesce(event_payload, params_payload) IS NOT NULL FROM runs \
        WHERE id > ?1 ORDER BY id LIMIT ?2
        """),
      delete: try prepare("DELETE FROM runs WHERE id = ?1"),
      // A run that took very long may have outlived one with a higher id, and keeps its entry.
      deleteEntries: try prepare(
        """
        DELETE FROM job_runs WHERE job = ?1 AND run <= ?2 AND NOT EXISTS (SELECT 1 FROM runs WHERE id = job_runs.run)
        """),
      deleteSpans: try prepare(RunSpans.removal),
      deleteRanges: try prepare(
        """
        DELETE FROM decisions WHERE job = ?1 AND sequence <= \
        (SELECT sequence FROM decisions WHERE job = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)
        """),
      deleteExpired: try prepare(
        """
        DELETE FROM kv WHERE (space, key) IN \
        (SELECT space, key FROM kv WHERE expires_at <= ?1 LIMIT \(Self.rowsPerSlice)) \
        RETURNING space, length(CAST(key AS BLOB)) + length(CAST(value AS BLOB))
        """))
    payloads = try PayloadSweep(on: database, failure: failure)
    keyValueSizes = try KeyValueSizes(on: database, failure: failure)
  }

  // MARK: What happened

  mutating func set(_ retention: Retention) {
    guard retention != self.retention else { return }
    self.retention = retention
    limits.removeAll()
    cutoffs.removeAll()
    excess = 0
    highestCutoff = 0
    cursor = nil
    lookedAtInLastPass = 0
    surveyed = 0
    nextAgeCheck = .distantPast
  }

  /// `runs` more of `job` have entries in `job_runs`.
  mutating func indexed(_ job: Int64, runs: Int) throws(StoreError) {
    guard isActive, let kept = try limit(of: job).runs else { return }
    let count = fresh[job, default: 0] + runs
    fresh[job] = count
    if count >= max(16, kept / 8) { try findCutoff(of: job, keeping: kept) }
  }

  mutating func addedDecision(of job: Int64) {
    guard isActive else { return }
    let count = freshRanges[job, default: retention.ranges / 8] + 1
    freshRanges[job] = count
    if count >= max(16, retention.ranges / 8) {
      crowdedJobs.append(job)
      freshRanges[job] = 0
    }
  }

  /// A job is forgotten. Its runs are pruned like any others; only its cutoff has to be found anew.
  mutating func forget(_ job: Int64) {
    fresh[job] = nil
    freshRanges[job] = nil
    limits[job] = nil
    if stale[job] != nil { staleJobs.append(job) }
  }

  /// Of how many jobs something is remembered.
  var rememberedJobs: Int { max(fresh.count, freshRanges.count, limits.count, stale.count, cutoffs.count) }

  mutating func timePassed(_ now: Instant) {
    self.now = now
    guard isActive, now >= nextAgeCheck else { return }
    nextAgeCheck = now.advanced(byNanoseconds: Self.agePeriod)
    expiresKeyValues = true
    if cursor == nil { startPass() }
  }

  /// Looks for payloads that no row names, in the background.
  mutating func sweepPayloads() { payloads.start() }

  /// How many payloads the last such look has left.
  var keptPayloads: Int { payloads.kept }

  // MARK: Work

  var isDue: Bool {
    isActive
      && (cursor != nil || surveyed != nil || !staleJobs.isEmpty || !crowdedJobs.isEmpty || expiresKeyValues
        || payloads.isDue || excess >= max(64, lookedAtInLastPass / 20))
  }

  /// Does a little of what is due. Answers how many runs were removed.
  ///
  /// - Parameter finished: runs that the open transaction adds.
  mutating func slice(
    finished: Int, log: inout LogWriter, payloads writer: inout PayloadWriter, steps: StepWriter
  ) throws(StoreError) -> Int {
    let rows = max(Self.rowsPerSlice, finished + finished / 2)
    for _ in 0..<max(4, rows / 64 + 1) {
      guard let job = staleJobs.popLast() else { break }
      try removeEntries(of: job)
    }
    if let job = crowdedJobs.popLast() {
      statements.deleteRanges.bind(1, job)
      statements.deleteRanges.bind(2, retention.ranges)
      try statements.deleteRanges.run()
    } else if expiresKeyValues {
      try deleteExpired()
    } else if payloads.isDue {
      writer.forget(try payloads.slice())
    } else if surveyed != nil {
      try survey()
    } else {
      if cursor == nil { startPass() }
      return try advance(rows, log: &log, steps)
    }
    return 0
  }

  private mutating func startPass() {
    cursor = .min
    lookedAt = 0
    excess = 0
  }

  /// Looks at the next rows and removes those that are to go.
  private mutating func advance(
    _ rows: Int, log: inout LogWriter, _ steps: StepWriter
  ) throws(StoreError) -> Int {
    guard var position = cursor else { return 0 }
    statements.next.bind(1, position)
    let lookAt = max(Self.rowsLookedAt, rows)
    statements.next.bind(2, lookAt)
    var doomed: [(run: Int64, job: Int64)] = []
    var seen = 0
    try statements.next.forEachRow { row throws(StoreError) in
      let (run, job) = (row.integer(0), row.integer(1))
      if try isDoomed(run, job: job, finishedAt: row.optionalInteger(2)) {
        doomed.append((run, job))
        hasFreedPayloads = hasFreedPayloads || row.integer(3) != 0
      }
      position = run
      seen += 1
      return doomed.count < rows
    }
    for (run, job) in doomed { try remove(run, job: job, log: &log, steps) }
    lookedAt += seen
    cursor = position
    // Rows are in order of id, and so nearly of age: past the last cutoff, a whole look without an old row ends the
    // pass.
    let isAtEnd = seen < lookAt && doomed.count < rows
    if isAtEnd || (doomed.isEmpty && position >= highestCutoff) {
      cursor = nil
      lookedAtInLastPass = lookedAt
      try statements.deleteSpans.run()
      if hasFreedPayloads { payloads.start() }
      hasFreedPayloads = false
      finishStale()
    }
    return doomed.count
  }

  private mutating func isDoomed(_ run: Int64, job: Int64, finishedAt: Int64?) throws(StoreError) -> Bool {
    if let cutoff = cutoffs[job], run <= cutoff { return true }
    guard let age = try limit(of: job).age, let finishedAt else { return false }
    return Instant(nanoseconds: finishedAt).advanced(byNanoseconds: age) < now
  }

  private mutating func deleteExpired() throws(StoreError) {
    statements.deleteExpired.bind(1, now.nanoseconds)
    let gone = try statements.deleteExpired.all { (space: $0.text(0), bytes: Int($0.integer(1))) }
    var bytes: [String: Int] = [:]
    for value in gone { bytes[value.space, default: 0] += value.bytes }
    for (space, bytes) in bytes { try keyValueSizes.add(-bytes, to: space) }
    expiresKeyValues = gone.count == Self.rowsPerSlice
  }

  private mutating func remove(
    _ run: Int64, job: Int64, log: inout LogWriter, _ steps: StepWriter
  ) throws(StoreError) {
    statements.delete.bind(1, run)
    try statements.delete.run()
    try log.removeLines(of: run)
    try steps.removeSteps(of: run)
    hasRemoved = true
    let count = (stale[job]?.count ?? 0) + 1
    stale[job] = (count, run)
    if count == 64 { staleJobs.append(job) }
  }

  /// What is known of each job is dropped when it serves nothing any more, so that jobs that are gone leave nothing
  /// behind. After a pass no run is left below its job's cutoff; a cutoff that is lost is found again.
  private mutating func finishStale() {
    if cutoffs.count > Self.remembered { cutoffs = [:] }
    if fresh.count > Self.remembered { fresh = [:] }
    if freshRanges.count > Self.remembered { freshRanges = [:] }
    if limits.count > Self.remembered { limits = [:] }
    // Entries of jobs of which fewer than 64 runs were removed.
    if stale.count > Self.remembered { staleJobs = Array(stale.keys) }
  }

  private mutating func removeEntries(of job: Int64) throws(StoreError) {
    guard let (_, through) = stale.removeValue(forKey: job) else { return }
    statements.deleteEntries.bind(1, job)
    statements.deleteEntries.bind(2, through)
    try statements.deleteEntries.run()
  }

  /// Finds the cutoffs of the next few jobs.
  private mutating func survey() throws(StoreError) {
    // Finding a cutoff steps over all entries that stay.
    var stepped = 0
    while stepped < 20_000, let last = surveyed {
      stepped += 1_000
      statements.nextJob.bind(1, last)
      surveyed = try statements.nextJob.first { $0.integer(0) }
      guard let job = surveyed, let kept = try limit(of: job).runs else { continue }
      try findCutoff(of: job, keeping: kept)
      stepped += kept
    }
  }

  private mutating func findCutoff(of job: Int64, keeping kept: Int) throws(StoreError) {
    statements.cutoff.bind(1, job)
    statements.cutoff.bind(2, max(0, kept))
    let gained = fresh.updateValue(0, forKey: job) ?? 1
    guard let cutoff = try statements.cutoff.first({ $0.integer(0) }), cutoff > cutoffs[job] ?? 0 else { return }
    cutoffs[job] = cutoff
    highestCutoff = max(highestCutoff, cutoff)
    excess += max(1, gained)
  }

  private mutating func limit(of job: Int64) throws(StoreError) -> Retention.Limit {
    guard !retention.jobs.isEmpty else { return retention.standard }
    if let known = limits[job] { return known }
    statements.jobName.bind(1, job)
    let name = try statements.jobName.first { $0.text(0) }
    let limit = name.flatMap { retention.jobs[$0] } ?? retention.standard
    limits[job] = limit
    return limit
  }

  // MARK: Transactions

  mutating func transactionCommitted() { hasRemoved = false }

  /// Rows that were removed are back, and a new pass finds them again.
  mutating func transactionRolledBack() {
    guard hasRemoved else { return }
    hasRemoved = false
    limits.removeAll()
    startPass()
  }
}
