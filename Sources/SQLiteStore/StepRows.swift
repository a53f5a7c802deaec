internal import Chronology
internal import GRDB
internal import JobModel

/// How the steps of runs, and what transactions have asked for, lie in a store file.
enum StepRows {
  static let columns = "run, position, kind, name, attempt, started_at, finished_at, until, result, result_payload"

  static let intentColumns = "id, run, job, at, operations, position"

  static func step(
    from row: PreparedStatement, payloads: PayloadReader, failure: SQLiteFailure
  ) throws(StoreError) -> RunStep {
    guard let kind = RunStep.Kind(code: row.integer(2)) else { throw failure.newer }
    var step = RunStep(
      run: RunID(row.integer(0)), position: row.smallCount(1), kind: kind, name: row.text(3),
      attempt: row.smallCount(4), startedAt: Instant(nanoseconds: row.integer(5)))
    step.finishedAt = row.instant(6)
    step.until = row.instant(7)
    // The data of one event may be the result of many steps.
    step.result = try row.isNull(9) ? row.optionalText(8).map { JSONText($0) } : payloads.text(of: row.integer(9))
    return step
  }

  static func intent(from row: PreparedStatement) -> RunIntent {
    RunIntent(
      id: row.integer(0), run: RunID(row.integer(1)), position: row.smallCount(5), job: row.text(2),
      at: Instant(nanoseconds: row.integer(3)), operations: JSONText(row.text(4)))
  }
}

/// Writes them. Owned by the writer.
struct StepWriter {
  private let put, end, inherit, remove, add, performed: PreparedStatement
  private let isDone, isFinished, intentOf: PreparedStatement
  /// Whether there are any steps: otherwise pruning a run need not look for its own. A rollback may leave it true,
  /// which is only slower.
  private var hasSteps: Bool

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    put = try prepare(
      "INSERT OR REPLACE INTO steps(\(StepRows.columns)) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
    end = try prepare(
      """
      UPDATE steps SET finished_at = ?3, result = ?4, result_payload = ?5 \
      WHERE run = ?1 AND position = ?2 AND finished_at IS NULL
      """)
    inherit = try prepare(
      """
      INSERT OR IGNORE INTO steps(\(StepRows.columns)) SELECT ?2, position, kind, name, attempt, started_at, \
      finished_at, until, result, result_payload FROM steps WHERE run = ?1
      """)
    remove = try prepare("DELETE FROM steps WHERE run = ?1")
    add = try prepare(
      "INSERT INTO intents(run, job, at, operations, position, id) VALUES(?1, ?2, ?3, ?4, ?5, ?6) RETURNING id")
    isDone = try prepare("SELECT EXISTS (SELECT 1 FROM steps WHERE run = ?1 AND position = ?2)")
    isFinished = try prepare("SELECT EXISTS (SELECT 1 FROM runs WHERE id = ?1)")
    intentOf = try prepare("SELECT id FROM intents WHERE run = ?1 AND position = ?2")
    performed = try prepare("DELETE FROM intents WHERE id = ?1")
    hasSteps = try prepare("SELECT EXISTS (SELECT 1 FROM steps)").first { $0.integer(0) } == 1
  }

  mutating func apply(_ change: StepChange, _ payloads: inout PayloadWriter) throws(StoreError) {
    switch change {
    case .put(let step):
      hasSteps = true
      put.bind(1, step.run.number)
      put.bind(2, step.position)
      put.bind(3, step.kind.code)
      put.bind(4, step.name)
      put.bind(5, step.attempt)
      put.bind(6, step.startedAt.nanoseconds)
      put.bind(7, step.finishedAt?.nanoseconds)
      put.bind(8, step.until?.nanoseconds)
      let result = try payloads.store(step.result)
      put.bind(9, result.text)
      put.bind(10, result.id)
      try put.run()
    case .end(let ended):
      end.bind(1, ended.run.number)
      end.bind(2, ended.position)
      end.bind(3, ended.finishedAt.nanoseconds)
      let result = try payloads.store(ended.result)
      end.bind(4, result.text)
      end.bind(5, result.id)
      try end.run()
    case .inherit(let runs):
      inherit.bind(1, runs.from.number)
      inherit.bind(2, runs.to.number)
      try inherit.run()
    case .performed(let id):
      performed.bind(1, id)
      try performed.run()
    }
  }

  /// Whether a transaction was committed before, and the id of its intent while that is not carried out; nil: it was
  /// not.
  func known(_ transaction: RunTransaction) throws(StoreError) -> Int64? {
    let (run, position): (Int64, Int32)
    if let step = transaction.step {
      (run, position) = (step.run.number, step.position)
      isDone.bind(1, run)
      isDone.bind(2, position)
      guard try isDone.first({ $0.integer(0) }) == 1 else { return nil }
    } else if let finished = transaction.finished {
      (run, position) = (finished.id.number, 0)
      isFinished.bind(1, run)
      guard try isFinished.first({ $0.integer(0) }) == 1 else { return nil }
    } else {
      return nil
    }
    intentOf.bind(1, run)
    intentOf.bind(2, position)
    return try intentOf.first { $0.integer(0) } ?? 0
  }

  /// - Returns: its id.
  func add(_ intent: RunIntent) throws(StoreError) -> Int64 {
    add.bind(1, intent.run.number)
    add.bind(2, intent.job)
    add.bind(3, intent.at.nanoseconds)
    add.bind(4, intent.operations.text)
    add.bind(5, intent.position)
    // One that comes from another store keeps its id.
    add.bind(6, intent.id > 0 ? intent.id : nil as Int64?)
    return try add.first { $0.integer(0) } ?? 0
  }

  /// A run is kept no more.
  func removeSteps(of run: Int64) throws(StoreError) {
    guard hasSteps else { return }
    remove.bind(1, run)
    try remove.run()
  }
}

extension SQLiteReader {
  func steps(of run: RunID) throws(StoreError) -> [RunStep] {
    try read { database in
      let steps = try statement("SELECT \(StepRows.columns) FROM steps WHERE run = ?1 ORDER BY position", on: database)
      steps.bind(1, run.number)
      let failure = SQLiteFailure(path: pool.path)
      let payloads = try PayloadReader(on: database, failure: failure)
      return try steps.all { row throws(StoreError) in
        try StepRows.step(from: row, payloads: payloads, failure: failure)
      }
    }
  }

  func intents(on database: Database) throws(StoreError) -> [RunIntent] {
    try statement("SELECT \(StepRows.intentColumns) FROM intents ORDER BY id", on: database)
      .all { StepRows.intent(from: $0) }
  }
}

extension RunStep.Kind: StoredCode {
  var code: Int64 {
    switch self {
    case .step: 0
    case .sleep: 1
    case .wait: 2
    case .transaction: 3
    }
  }
}
