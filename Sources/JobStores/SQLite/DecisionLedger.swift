internal import Chronology
internal import GRDB
internal import JobModel

/// Writes decision ranges, and lets the newest range of a job grow instead of adding a row, so that a job that is skipped every
/// second for a week is one row.
///
/// Owned by the writer. It remembers the newest range of each job it has met.
struct DecisionLedger {
  private var newest: [Int64: (sequence: Int64, range: DecisionRange)] = [:]
  /// Jobs whose newest range was changed by the open transaction.
  private var touched: [Int64] = []
  private let failure: SQLiteFailure
  private let findNewest, findCovering, insert, extend: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    self.failure = failure
    findNewest = try prepare(
      "SELECT \(DecisionRows.selection), d.sequence FROM decisions d WHERE d.job = ?1 ORDER BY d.sequence DESC LIMIT 1")
    findCovering = try prepare(
      """
      SELECT 1 FROM decisions WHERE job = ?1 AND kind = ?2 AND reason IS ?3 AND first <= ?4 AND last >= ?5 AND clock_epoch = ?6 \
      AND run IS ?7 LIMIT 1
      """)
    insert = try prepare(
      """
      INSERT INTO decisions(job, kind, reason, first, last, clock_epoch, run, sequence, count, at_least, decided_at) \
      VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
      """)
    extend = try prepare(
      "UPDATE decisions SET last = ?3, count = ?4, at_least = ?5, decided_at = ?6 WHERE job = ?1 AND sequence = ?2")
  }

  mutating func append(_ range: DecisionRange, job: Int64, pruner: inout Pruner) throws(StoreError) {
    let current = try newest(of: job)
    if let current, current.range.isContinued(by: range) {
      let whole = current.range.extended(by: range)
      extend.bind(1, job)
      extend.bind(2, current.sequence)
      extend.bind(3, whole.last.nanoseconds)
      extend.bind(4, whole.count)
      extend.bind(5, whole.isAtLeast)
      extend.bind(6, whole.decidedAt.nanoseconds)
      try extend.run()
      remember(current.sequence, whole, of: job)
      return
    }
    if current != nil, try isCovered(range, job: job) { return }
    // Rises within a job whatever the clock does, and puts ranges of several jobs in the order in which they were decided.
    let sequence = max(range.decidedAt.nanoseconds, (current?.sequence ?? .min) + 1)
    bindKey(of: range, job: job, to: insert)
    insert.bind(8, sequence)
    insert.bind(9, range.count)
    insert.bind(10, range.isAtLeast)
    insert.bind(11, range.decidedAt.nanoseconds)
    try insert.run()
    remember(sequence, range, of: job)
    pruner.addedDecision(of: job)
  }

  private mutating func newest(of job: Int64) throws(StoreError) -> (sequence: Int64, range: DecisionRange)? {
    if let known = newest[job] { return known }
    findNewest.bind(1, job)
    var found: (sequence: Int64, range: DecisionRange)?
    try findNewest.forEachRow { row throws(StoreError) in
      found = (row.integer(DecisionRows.width), try DecisionRows.range(from: row, failure: failure))
      return false
    }
    if let found { newest[job] = found }
    return found
  }

  private func isCovered(_ range: DecisionRange, job: Int64) throws(StoreError) -> Bool {
    bindKey(of: range, job: job, to: findCovering)
    return try findCovering.first { _ in true } ?? false
  }

  private func bindKey(of range: DecisionRange, job: Int64, to statement: PreparedStatement) {
    statement.bind(1, job)
    statement.bind(2, range.kind.code)
    statement.bind(3, range.reason?.code)
    statement.bind(4, range.first.nanoseconds)
    statement.bind(5, range.last.nanoseconds)
    statement.bind(6, range.clockEpoch.number)
    statement.bind(7, range.run?.number)
  }

  private mutating func remember(_ sequence: Int64, _ range: DecisionRange, of job: Int64) {
    newest[job] = (sequence, range)
    touched.append(job)
  }

  mutating func transactionCommitted() { touched.removeAll(keepingCapacity: true) }

  mutating func transactionRolledBack() {
    for job in touched { newest[job] = nil }
    touched.removeAll(keepingCapacity: true)
  }
}

/// How a `DecisionRange` is read from `decisions`.
enum DecisionRows {
  /// `d` is the table.
  static let selection = """
    (SELECT name FROM jobs WHERE id = d.job), d.kind, d.reason, d.first, d.last, d.count, d.at_least, d.clock_epoch, \
    d.decided_at, d.run
    """
  static let width: Int32 = 10

  static func range(from row: PreparedStatement, failure: SQLiteFailure) throws(StoreError) -> DecisionRange {
    guard let kind = DecisionKind(code: row.integer(1)) else { throw failure.newer }
    var reason: SkipReason?
    if let code = row.optionalInteger(2) {
      guard let known = SkipReason(code: code) else { throw failure.newer }
      reason = known
    }
    return DecisionRange(
      job: row.text(0), kind: kind, reason: reason, first: Instant(nanoseconds: row.integer(3)),
      last: Instant(nanoseconds: row.integer(4)), count: Int(row.integer(5)), isAtLeast: row.integer(6) != 0,
      clockEpoch: ClockEpoch(Int32(truncatingIfNeeded: row.integer(7))),
      decidedAt: Instant(nanoseconds: row.integer(8)), run: row.optionalInteger(9).map(RunID.init))
  }
}
