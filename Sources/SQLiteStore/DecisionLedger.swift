internal import Chronology
internal import GRDB
internal import JobModel
internal import Synchronization

/// Writes decision ranges, and lets the newest range of a job grow instead of adding a row, so that a job that is
/// skipped every second for a week is one row.
///
/// Owned by the writer. It remembers the newest range of each job it has met.
struct DecisionLedger {
  /// Of whom a range is: a job's own schedule, or one made for it at run time.
  private enum Owner: Hashable {
    case job(Int64)
    case schedule(String)
  }

  private var newest: [Owner: (sequence: Int64, range: DecisionRange)] = [:]
  /// The highest sequence of each job, over all its schedules.
  private var highest: [Int64: Int64] = [:]
  /// Whose newest range was changed by the open transaction.
  private var dirty: [(owner: Owner, job: Int64)] = []
  /// The highest number of a decision, in the open transaction and committed.
  private var lastNumber: Int64 = 0
  let mark = DecisionMark()
  private let failure: SQLiteFailure
  private let findNewest, findNewestMade, findHighest, insert, extend: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    self.failure = failure
    func newest(_ owner: String) -> String {
      "SELECT \(DecisionRows.selection), d.sequence FROM decisions d WHERE d.job = ?1 AND \(owner) ORDER BY d.sequence DESC LIMIT 1"
    }
    // Two texts each, so that the ranges of a schedule among thousands are found by their own index.
    findNewest = try prepare(newest("d.schedule IS NULL"))
    findNewestMade = try prepare(newest("d.schedule = ?2"))
    findHighest = try prepare("SELECT max(sequence) FROM decisions WHERE job = ?1")
    insert = try prepare("INSERT INTO \(DecisionRows.insertion)")
    extend = try prepare(
      "UPDATE decisions SET last = ?3, count = ?4, at_least = ?5, decided_at = ?6 WHERE job = ?1 AND sequence = ?2")
  }

  mutating func append(_ range: DecisionRange, job: Int64, pruner: inout Pruner) throws(StoreError) {
    if range.number > 0 {
      guard range.number > lastNumber else { return }
      lastNumber = range.number
    }
    let owner = range.schedule.map { Owner.schedule($0) } ?? .job(job)
    if let current = try newest(of: owner, job: job), current.range.isContinued(by: range) {
      let whole = current.range.extended(by: range)
      extend.bind(1, job)
      extend.bind(2, current.sequence)
      extend.bind(3, whole.last.nanoseconds)
      extend.bind(4, whole.count)
      extend.bind(5, whole.isAtLeast)
      extend.bind(6, whole.decidedAt.nanoseconds)
      try extend.run()
      remember(current.sequence, whole, of: owner, job: job)
      return
    }
    // Rises within a job whatever the clock does, and puts ranges of several jobs in the order in which they were
    // decided.
    let next = try highestSequence(of: job).addingReportingOverflow(1)
    let sequence = max(range.decidedAt.nanoseconds, next.partialValue)
    DecisionRows.bind(range, job: job, sequence: sequence, to: insert)
    try insert.run()
    highest[job] = sequence
    remember(sequence, range, of: owner, job: job)
    pruner.addedDecision(of: job)
  }

  /// A dynamic schedule is over: nothing will continue its ranges.
  mutating func forget(_ schedule: String) { newest[.schedule(schedule)] = nil }

  /// A job is forgotten. Its ranges are found in the file again when there is another.
  mutating func forget(_ job: Int64) {
    newest[.job(job)] = nil
    highest[job] = nil
  }

  /// How many jobs and schedules are remembered.
  var count: Int { max(newest.count, highest.count) }

  private mutating func highestSequence(of job: Int64) throws(StoreError) -> Int64 {
    if let known = highest[job] { return known }
    findHighest.bind(1, job)
    let found = try findHighest.first { $0.optionalInteger(0) } ?? nil
    let sequence = found ?? Int64.min / 2
    highest[job] = sequence
    return sequence
  }

  private mutating func newest(of owner: Owner, job: Int64) throws(StoreError) -> (
    sequence: Int64, range: DecisionRange
  )? {
    if let known = newest[owner] { return known }
    let find: PreparedStatement
    switch owner {
    case .job: find = findNewest
    case .schedule(let id):
      find = findNewestMade
      find.bind(2, id)
    }
    find.bind(1, job)
    var found: (sequence: Int64, range: DecisionRange)?
    try find.forEachRow { row throws(StoreError) in
      found = (row.integer(DecisionRows.width), try DecisionRows.range(from: row, failure: failure))
      return false
    }
    if let found { newest[owner] = found }
    return found
  }

  private mutating func remember(_ sequence: Int64, _ range: DecisionRange, of owner: Owner, job: Int64) {
    newest[owner] = (sequence, range)
    dirty.append((owner, job))
  }

  mutating func transactionCommitted() {
    dirty.removeAll(keepingCapacity: true)
    mark.committed.store(lastNumber, ordering: .relaxed)
  }

  mutating func transactionRolledBack() {
    for (owner, job) in dirty {
      newest[owner] = nil
      highest[job] = nil
    }
    lastNumber = mark.committed.load(ordering: .relaxed)
    dirty.removeAll(keepingCapacity: true)
  }
}

/// The highest number of a decision that was committed since the store was opened. Set by the writer's thread, read by
/// any: a host that begins over a store that is open already goes on from there.
final class DecisionMark: Sendable {
  let committed = Atomic<Int64>(0)
}

/// How a `DecisionRange` is read from `decisions`.
enum DecisionRows {
  /// `d` is the table.
  static let selection = """
    (SELECT name FROM jobs WHERE id = d.job), d.kind, d.reason, d.first, d.last, d.count, d.at_least, d.clock_epoch, \
    d.decided_at, d.run, d.schedule
    """
  static let width: Int32 = 11

  /// What comes after `INSERT INTO`.
  static let insertion = """
    decisions(job, kind, reason, first, last, clock_epoch, run, schedule, sequence, count, at_least, decided_at) \
    VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
    """

  /// Binds all parameters of ``insertion``.
  static func bind(_ range: DecisionRange, job: Int64, sequence: Int64, to insert: PreparedStatement) {
    insert.bind(1, job)
    insert.bind(2, range.kind.code)
    insert.bind(3, range.reason?.code)
    insert.bind(4, range.first.nanoseconds)
    insert.bind(5, range.last.nanoseconds)
    insert.bind(6, range.clockEpoch.number)
    insert.bind(7, range.run?.number)
    insert.bind(8, range.schedule)
    insert.bind(9, sequence)
    insert.bind(10, range.count)
    insert.bind(11, range.isAtLeast)
    insert.bind(12, range.decidedAt.nanoseconds)
  }

  static func range(from row: PreparedStatement, failure: SQLiteFailure) throws(StoreError) -> DecisionRange {
    guard let kind = DecisionKind(code: row.integer(1)) else { throw failure.newer }
    var reason: SkipReason?
    if let code = row.optionalInteger(2) {
      guard let known = SkipReason(code: code) else { throw failure.newer }
      reason = known
    }
    return DecisionRange(
      job: row.text(0), schedule: row.optionalText(10), kind: kind, reason: reason,
      first: Instant(nanoseconds: row.integer(3)),
      last: Instant(nanoseconds: row.integer(4)), count: row.count(5), isAtLeast: row.integer(6) != 0,
      clockEpoch: ClockEpoch(row.smallCount(7)),
      decidedAt: Instant(nanoseconds: row.integer(8)), run: row.optionalInteger(9).map(RunID.init))
  }
}
