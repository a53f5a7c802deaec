internal import Chronology
internal import GRDB
internal import JobModel

/// Writes what runs log, and keeps it within its quotas: the lines of the oldest runs make room, of a job that has more
/// than its share first.
///
/// Owned by the writer. `log_sizes` says how many bytes each run has; the sum over all is known, and a job's share is
/// counted when it has grown by an eighth of what it may be. What a rollback loses of that only delays the trimming.
struct LogWriter {
  /// Runs of which the lines are removed in one slice, at most.
  private static let runsPerSlice = 64
  /// Bytes, at most: about as many as a transaction may add.
  private static let bytesPerSlice = 8 << 20

  private var lastLine: Int64 = 0
  /// What the open transaction adds, by run.
  private var added: [Int64: (job: Int64, bytes: Int)] = [:]
  private var total: Int
  private var committedTotal: Int
  /// Bytes that jobs have added since their share was counted.
  private var fresh: [Int64: Int] = [:]
  private var crowdedJobs: [Int64] = []
  private var jobLimit: Int
  private var limit: Int
  /// Trimming goes on below the limit, so that it does not begin anew with every line.
  private var isOverFull = false
  private let insert, replace, grow, share, oldestOfJob, oldest, remove, removeSize: PreparedStatement

  init(on database: Database, limits: Retention, failure: SQLiteFailure) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    insert = try prepare(
      "INSERT OR IGNORE INTO run_log(run, line, at, level, message, fields) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
    replace = try prepare(
      "INSERT OR REPLACE INTO run_log(run, line, at, level, message, fields) VALUES(?1, 0, ?2, ?3, ?4, ?5)")
    grow = try prepare(
      """
      INSERT INTO log_sizes(run, job, bytes) VALUES(?1, ?2, ?3) ON CONFLICT(run) DO UPDATE SET bytes = bytes + ?3
      """)
    share = try prepare("SELECT coalesce(sum(bytes), 0) FROM log_sizes WHERE job = ?1")
    // The newest run of all keeps its lines: somebody is reading them.
    oldestOfJob = try prepare(
      """
      SELECT run, bytes FROM log_sizes WHERE job = ?1 AND run < (SELECT max(run) FROM log_sizes WHERE job = ?1) \
      ORDER BY run LIMIT \(Self.runsPerSlice)
      """)
    oldest = try prepare(
      """
      SELECT run, bytes FROM log_sizes WHERE run < (SELECT max(run) FROM log_sizes) ORDER BY run \
      LIMIT \(Self.runsPerSlice)
      """)
    remove = try prepare("DELETE FROM run_log WHERE run = ?1")
    removeSize = try prepare("DELETE FROM log_sizes WHERE run = ?1 RETURNING bytes")
    total = Int(try prepare("SELECT coalesce(sum(bytes), 0) FROM log_sizes").first { $0.integer(0) } ?? 0)
    committedTotal = total
    jobLimit = limits.logBytesPerJob
    limit = limits.logBytes
    isOverFull = total > limit
  }

  mutating func set(_ retention: Retention) {
    jobLimit = retention.logBytesPerJob
    limit = retention.logBytes
    isOverFull = total > limit
  }

  mutating func append(_ line: RunLogLine, job: Int64) throws(StoreError) {
    if line.isProgress {
      try setProgress(line, job)
      return
    }
    // The instant, made unique: rises within a run even when its second part is logged by another process after a
    // restart.
    lastLine = max(lastLine + 1, line.at.nanoseconds)
    insert.bind(1, line.run.number)
    insert.bind(2, lastLine)
    insert.bind(3, line.at.nanoseconds)
    insert.bind(4, line.level)
    insert.bind(5, line.message)
    insert.bind(6, line.fields?.text)
    try insert.run()
    added[line.run.number, default: (job, 0)].bytes += line.bytes
  }

  /// How far a run is: the line with the number 0, of which there is one. It counts nothing, and goes with the others.
  private mutating func setProgress(_ line: RunLogLine, _ job: Int64) throws(StoreError) {
    replace.bind(1, line.run.number)
    replace.bind(2, line.at.nanoseconds)
    replace.bind(3, line.level)
    replace.bind(4, line.message)
    replace.bind(5, line.fields?.text)
    try replace.run()
    added[line.run.number, default: (job, 0)].bytes += 0
  }

  /// Writes down what the open transaction has added. Before its commit.
  mutating func flush() throws(StoreError) {
    guard !added.isEmpty else { return }
    for (run, (job, bytes)) in added {
      grow.bind(1, run)
      grow.bind(2, job)
      grow.bind(3, bytes)
      try grow.run()
      total += bytes
      let count = fresh[job, default: 0] + bytes
      fresh[job] = count
      if count >= jobLimit / 8 {
        fresh[job] = nil
        crowdedJobs.append(job)
      }
    }
    added.removeAll(keepingCapacity: true)
    // Jobs that are gone leave their numbers here; forgetting a share that was never counted delays nothing for long.
    if fresh.count > 10_000 { fresh = [:] }
    isOverFull = isOverFull || total > limit
  }

  var isCrowded: Bool { !crowdedJobs.isEmpty || isOverFull }

  /// Removes a slice of what is too much.
  mutating func trim() throws(StoreError) {
    if let job = crowdedJobs.popLast() {
      share.bind(1, job)
      let has = Int(try share.first { $0.integer(0) } ?? 0)
      guard has > jobLimit else { return }
      oldestOfJob.bind(1, job)
      let left = try remove(oldestOfJob, from: has, downTo: jobLimit - jobLimit / 8)
      if left > jobLimit { crowdedJobs.append(job) }
    } else if isOverFull {
      isOverFull = try remove(oldest, from: total, downTo: limit - limit / 16) > limit - limit / 16
    }
  }

  /// Removes the lines of runs that `runs` names until `bytes` has come down. Answers what is left; or, when there is
  /// nothing more that may go, nothing.
  private mutating func remove(_ runs: PreparedStatement, from bytes: Int, downTo least: Int) throws(StoreError) -> Int
  {
    let found = try runs.all { (run: $0.integer(0), bytes: Int($0.integer(1))) }
    var left = bytes
    var removed = 0
    for (run, size) in found where left > least && removed < Self.bytesPerSlice {
      try removeLines(of: run)
      left -= size
      removed += size
    }
    return found.isEmpty ? 0 : left
  }

  /// A run is gone, and its lines with it.
  mutating func removeLines(of run: Int64) throws(StoreError) {
    remove.bind(1, run)
    try remove.run()
    removeSize.bind(1, run)
    if let bytes = try removeSize.first({ $0.integer(0) }) { total -= Int(bytes) }
  }

  mutating func transactionCommitted() { committedTotal = total }

  mutating func transactionRolledBack() {
    total = committedTotal
    added.removeAll(keepingCapacity: true)
  }
}
