internal import Chronology
internal import JobModel

/// Removes history beyond the limits, in slices: a statement that removes at most ``rowsPerSlice`` rows, in a
/// transaction of its own after a commit. What is to be looked at is what was added to since the last look; once after
/// the start, and when limits change, all of it.
///
/// Owned by the writer. What it knows is a cache: losing it only delays pruning.
struct PostgresPruner {
  static let rowsPerSlice: Int64 = 500
  /// How often age, and values that have expired, are looked at. Nanoseconds.
  private static let sweepPeriod: Int64 = 300 * 1_000_000_000

  /// One thing to do, and where it goes on.
  enum Slice {
    case survey
    case runs(job: String, kept: Int)
    case ranges(job: String)
    case age(cutoff: Int64, sparing: [String])
    case ageOf(job: String, cutoff: Int64)
    case expired
    case log(job: String)
    case logs
  }

  private var retention: Retention
  private var queue: [Slice] = [.survey]
  private var freshRuns: [String: Int] = [:]
  private var freshRanges: [String: Int] = [:]
  private var freshLog: [String: Int] = [:]
  private var logBytes = 0
  private var nextSweep: Int64 = 0

  init(_ retention: Retention) { self.retention = retention }

  mutating func set(_ retention: Retention) {
    guard retention != self.retention else { return }
    self.retention = retention
    queue = [.survey]
    nextSweep = 0
  }

  // MARK: What happened

  mutating func committed(_ batch: StoreBatch) {
    for run in batch.finished {
      guard let kept = limit(of: run.job).runs else { continue }
      let count = freshRuns[run.job, default: 0] + 1
      freshRuns[run.job] = count >= max(16, kept / 20) ? nil : count
      if freshRuns[run.job] == nil { queue.append(.runs(job: run.job, kept: kept)) }
    }
    for range in batch.decisions {
      let count = freshRanges[range.job, default: 0] + 1
      freshRanges[range.job] = count >= max(16, retention.ranges / 20) ? nil : count
      if freshRanges[range.job] == nil { queue.append(.ranges(job: range.job)) }
    }
    for job in batch.forgotten {
      freshRuns[job] = nil
      freshRanges[job] = nil
      freshLog[job] = nil
    }
  }

  mutating func committed(_ lines: [RunLogLine]) {
    for line in lines {
      logBytes += line.bytes
      let bytes = freshLog[line.job, default: 0] + line.bytes
      freshLog[line.job] = bytes >= retention.logBytesPerJob / 8 ? nil : bytes
      if freshLog[line.job] == nil { queue.append(.log(job: line.job)) }
    }
    if logBytes > retention.logBytes, !queue.contains(where: { if case .logs = $0 { true } else { false } }) {
      queue.append(.logs)
    }
  }

  // MARK: What is to be done

  /// When the next look is due; in the past: now. Monotonic nanoseconds.
  var dueAt: Int64 { queue.isEmpty ? nextSweep : 0 }

  /// The next slice, if one is due.
  mutating func next(at monotonic: Int64, wall: Instant) -> Slice? {
    if queue.isEmpty, monotonic >= nextSweep {
      nextSweep = monotonic + Self.sweepPeriod
      queue = [.expired]
      if let age = retention.standard.age {
        let sparing = retention.jobs.keys.sorted()
        queue.append(.age(cutoff: wall.advanced(byNanoseconds: -age).nanoseconds, sparing: sparing))
      }
      for (job, limit) in retention.jobs {
        guard let age = limit.age else { continue }
        queue.append(.ageOf(job: job, cutoff: wall.advanced(byNanoseconds: -age).nanoseconds))
      }
    }
    return queue.popLast()
  }

  func step(_ slice: Slice, wall: Instant) -> PostgresStep {
    switch slice {
    case .survey: PostgresStep(Self.survey)
    case .runs(let job, let kept):
      PostgresStep(Self.surplusRuns) { Self.add(job, kept: kept, to: &$0) }
    case .ranges(let job):
      PostgresStep(Self.surplusRanges) { Self.add(job, kept: retention.ranges, to: &$0) }
    case .age(let cutoff, let sparing):
      PostgresStep(Self.oldRuns) {
        $0.add(cutoff)
        $0.add(sparing) { $0 }
        $0.add(Self.rowsPerSlice)
      }
    case .ageOf(let job, let cutoff):
      PostgresStep(Self.oldRunsOfJob) {
        $0.add(cutoff)
        $0.add(job)
        $0.add(Self.rowsPerSlice)
      }
    case .expired:
      PostgresStep(Self.expiry) {
        $0.add(wall.nanoseconds)
        $0.add(Self.rowsPerSlice)
      }
    case .log(let job):
      PostgresStep(Self.surplusLog) {
        $0.add(job)
        $0.add(Int64(retention.logBytesPerJob - retention.logBytesPerJob / 8))
      }
    case .logs: PostgresStep(Self.oldestLogs)
    }
  }

  private static func add(_ job: String, kept: Int, to parameters: inout PostgresParameters) {
    parameters.add(job)
    parameters.add(Int64(max(1, kept) - 1))
    parameters.add(rowsPerSlice)
  }

  /// Takes in what a slice did: one that found as much as it may take goes on.
  mutating func did(_ slice: Slice, _ rows: PostgresRows) {
    switch slice {
    case .survey: surveyed(rows)
    case .log, .logs:
      logBytes -= rows.count == 1 ? rows.count(0, 1) : 0
      let goesOn = rows.count == 1 && rows.count(0, 0) >= 64
      if case .logs = slice {
        if goesOn, logBytes > retention.logBytes - retention.logBytes / 16 { queue.append(slice) }
      } else if goesOn {
        queue.append(slice)
      }
    default:
      if rows.count == 1, rows.integer(0, 0) >= Self.rowsPerSlice { queue.append(slice) }
    }
  }

  private mutating func surveyed(_ rows: PostgresRows) {
    logBytes = 0
    for row in 0..<rows.count {
      let (job, count) = (rows.text(row, 1), rows.count(row, 2))
      switch rows.text(row, 0) {
      case "runs": if let kept = limit(of: job).runs, count > kept { queue.append(.runs(job: job, kept: kept)) }
      case "ranges": if count > retention.ranges { queue.append(.ranges(job: job)) }
      default:
        logBytes += count
        if count > retention.logBytesPerJob { queue.append(.log(job: job)) }
      }
    }
    if logBytes > retention.logBytes { queue.append(.logs) }
  }

  private func limit(of job: String) -> Retention.Limit { retention.jobs[job] ?? retention.standard }
}

// MARK: The statements

extension PostgresPruner {
  private static let survey = """
    SELECT 'runs', job, count(*) FROM runs GROUP BY job \
    UNION ALL SELECT 'ranges', job, count(*) FROM decisions GROUP BY job \
    UNION ALL SELECT 'log', job, sum(bytes)::bigint FROM log_sizes GROUP BY job
    """

  private static let surplusRuns = removal(
    "job = $1 AND id < (SELECT id FROM runs WHERE job = $1 ORDER BY id DESC OFFSET $2 LIMIT 1) ORDER BY id LIMIT $3")

  private static let oldRuns = removal(
    "finished_at < $1 AND NOT job = ANY($2) AND id < (SELECT max(id) FROM runs n WHERE n.job = r.job) LIMIT $3")

  private static let oldRunsOfJob = removal(
    "finished_at < $1 AND job = $2 AND id < (SELECT max(id) FROM runs n WHERE n.job = $2) LIMIT $3")

  /// Removes runs with everything that belongs to them.
  private static func removal(_ condition: String) -> String {
    """
    WITH gone AS (DELETE FROM runs WHERE id IN (SELECT id FROM runs r WHERE \(condition)) RETURNING id), \
    lines AS (DELETE FROM run_log WHERE run IN (SELECT id FROM gone)), \
    done AS (DELETE FROM steps WHERE run IN (SELECT id FROM gone)), \
    sizes AS (DELETE FROM log_sizes WHERE run IN (SELECT id FROM gone)) SELECT count(*) FROM gone
    """
  }

  private static let surplusRanges = """
    WITH gone AS (DELETE FROM decisions WHERE id IN (SELECT id FROM decisions WHERE job = $1 AND id < \
    (SELECT id FROM decisions WHERE job = $1 ORDER BY id DESC OFFSET $2 LIMIT 1) ORDER BY id LIMIT $3) RETURNING id) \
    SELECT count(*) FROM gone
    """

  private static let surplusLog = """
    WITH sizes AS (SELECT run, sum(bytes) OVER (ORDER BY run DESC) AS above FROM log_sizes WHERE job = $1), \
    old AS (SELECT run FROM sizes WHERE above > $2 AND run < (SELECT max(run) FROM log_sizes WHERE job = $1) \
    ORDER BY run LIMIT 64), \
    lines AS (DELETE FROM run_log WHERE run IN (SELECT run FROM old)), \
    gone AS (DELETE FROM log_sizes WHERE run IN (SELECT run FROM old) RETURNING bytes) \
    SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM gone
    """

  private static let oldestLogs = """
    WITH old AS (SELECT run FROM log_sizes WHERE run < (SELECT max(run) FROM log_sizes) ORDER BY run LIMIT 64), \
    lines AS (DELETE FROM run_log WHERE run IN (SELECT run FROM old)), \
    gone AS (DELETE FROM log_sizes WHERE run IN (SELECT run FROM old) RETURNING bytes) \
    SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM gone
    """

  /// A value that somebody renews meanwhile is looked at again by its new row, and stays.
  private static let expiry = """
    WITH gone AS (DELETE FROM kv WHERE ctid = ANY(ARRAY(SELECT ctid FROM kv WHERE expires_at <= $1 LIMIT $2)) \
    AND expires_at <= $1 RETURNING space, octet_length(key) + octet_length(value) AS bytes), \
    sums AS (SELECT space, sum(bytes) AS bytes FROM gone GROUP BY space), \
    spaces AS (UPDATE kv_spaces s SET bytes = s.bytes - sums.bytes FROM sums WHERE s.id = sums.space) \
    SELECT count(*) FROM gone
    """
}
