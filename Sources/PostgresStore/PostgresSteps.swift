internal import Chronology
internal import JobModel

/// How the steps of runs, and what transactions have asked for, lie in their tables.
enum PostgresSteps {
  static let columns = "run, position, kind, name, attempt, started_at, finished_at, until, result"
  static let intentColumns = "id, run, position, job, at, operations"

  private static let put = """
    INSERT INTO steps(\(columns)) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], \
    $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[]) ON CONFLICT (run, position) DO UPDATE \
    SET kind = excluded.kind, name = excluded.name, attempt = excluded.attempt, started_at = excluded.started_at, \
    finished_at = excluded.finished_at, until = excluded.until, result = excluded.result
    """
  private static let end = """
    UPDATE steps SET finished_at = $3, result = $4 WHERE run = $1 AND position = $2 AND finished_at IS NULL
    """
  private static let inherit = """
    INSERT INTO steps(\(columns)) SELECT $2, position, kind, name, attempt, started_at, finished_at, until, result \
    FROM steps WHERE run = $1 ON CONFLICT (run, position) DO NOTHING
    """
  private static let performed = "DELETE FROM intents WHERE id = ANY($1::bigint[])"
  static let remove = "DELETE FROM steps WHERE run = ANY($1::bigint[])"

  /// In order; puts that follow one another are one statement.
  static func steps(_ changes: [StepChange]) -> [PostgresStep] {
    var steps: [PostgresStep] = []
    var puts: [RunStep] = []
    var done: [Int64] = []
    func flush() {
      if !puts.isEmpty { steps.append(putting(puts)) }
      puts = []
    }
    for change in changes {
      switch change {
      case .put(let step): puts.append(step)
      case .end(let ended):
        flush()
        steps.append(
          PostgresStep(end) {
            $0.add(ended.run.number)
            $0.add(Int64(ended.position))
            $0.add(ended.finishedAt.nanoseconds)
            $0.add(ended.result?.text)
          })
      case .inherit(let runs):
        flush()
        steps.append(
          PostgresStep(inherit) {
            $0.add(runs.from.number)
            $0.add(runs.to.number)
          })
      case .performed(let id): done.append(id)
      }
    }
    flush()
    if !done.isEmpty { steps.append(PostgresStep(performed) { $0.add(done) { $0 } }) }
    return steps
  }

  private struct Key: Hashable {
    var run: RunID
    var position: Int32
  }

  static func putting(_ rows: [RunStep]) -> PostgresStep {
    let rows = PostgresBatch.latest(rows) { Key(run: $0.run, position: $0.position) }
    return PostgresStep(put) {
      $0.add(rows) { $0.run.number }
      $0.add(rows) { Int64($0.position) }
      $0.add(rows) { $0.kind.rawValue }
      $0.add(rows) { $0.name }
      $0.add(rows) { Int64($0.attempt) }
      $0.add(rows) { $0.startedAt.nanoseconds }
      $0.add(rows) { $0.finishedAt?.nanoseconds }
      $0.add(rows) { $0.until?.nanoseconds }
      $0.add(rows) { $0.result?.text }
    }
  }

  /// Of rows that select ``columns``.
  static func steps(_ rows: PostgresRows, _ target: PostgresTarget) throws(StoreError) -> [RunStep] {
    var steps: [RunStep] = []
    for row in 0..<rows.count {
      guard let kind = RunStep.Kind(rawValue: rows.text(row, 2)) else { throw target.newer }
      var step = RunStep(
        run: RunID(rows.integer(row, 0)), position: rows.smallCount(row, 1), kind: kind, name: rows.text(row, 3),
        attempt: rows.smallCount(row, 4), startedAt: Instant(nanoseconds: rows.integer(row, 5)))
      step.finishedAt = rows.instant(row, 6)
      step.until = rows.instant(row, 7)
      step.result = rows.optionalText(row, 8).map { JSONText($0) }
      steps.append(step)
    }
    return steps
  }

  /// Of rows that select ``intentColumns``.
  static func intents(_ rows: PostgresRows) -> [RunIntent] {
    (0..<rows.count).map { row in
      RunIntent(
        id: rows.integer(row, 0), run: RunID(rows.integer(row, 1)), position: rows.smallCount(row, 2),
        job: rows.text(row, 3), at: Instant(nanoseconds: rows.integer(row, 4)), operations: JSONText(rows.text(row, 5)))
    }
  }
}

/// What a run changes at once, as one statement.
enum PostgresTransactions {
  private static let call = """
    SELECT * FROM transact($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
    $20, $21, $22)
    """

  /// The same with the success of the run, whose row is written when the transaction takes place by this statement.
  private static let ending: String = {
    let offset = 22
    let types = PostgresRuns.types.enumerated().map { "$\(offset + 1 + $0)::\($1)[]" }.joined(separator: ", ")
    return """
      WITH t AS MATERIALIZED (\(call)), \
      closed AS (DELETE FROM open_runs o USING t WHERE t.status = 1 AND o.id = ANY($\(offset + 1)::bigint[])), \
      ended AS (INSERT INTO runs(\(PostgresRuns.names)) SELECT u.* FROM unnest(\(types)) u, t WHERE t.status = 1 \
      ON CONFLICT (id) DO UPDATE SET \(PostgresRuns.replacement)) SELECT * FROM t
      """
  }()

  static func step(_ transaction: RunTransaction, at now: Instant) -> PostgresStep {
    PostgresStep(transaction.finished == nil ? call : ending) {
      let (step, intent) = (transaction.step, transaction.intent)
      $0.add(step?.run.number ?? transaction.finished?.id.number)
      $0.add(step.map { Int64($0.position) } ?? 0)
      $0.add(step != nil)
      $0.add(now.nanoseconds)
      PostgresValues.add(transaction.keyValues, to: &$0)
      $0.add(step?.kind.rawValue)
      $0.add(step?.name)
      $0.add(step.map { Int64($0.attempt) })
      $0.add(step?.startedAt.nanoseconds)
      $0.add(step?.finishedAt?.nanoseconds)
      $0.add(step?.until?.nanoseconds)
      $0.add(step?.result?.text)
      $0.add(intent?.run.number)
      $0.add(intent.map { Int64($0.position) })
      $0.add(intent?.job)
      $0.add(intent?.at.nanoseconds)
      $0.add(intent?.operations.text)
      if let finished = transaction.finished { PostgresRuns.add([finished], to: &$0) }
    }
  }

  /// Its intent, or -1 when a value had another version; or why it is refused.
  static func answer(_ rows: PostgresRows, to transaction: RunTransaction) -> Result<Int64, StoreError> {
    guard rows.count == 1 else { return .success(-1) }
    switch rows.integer(0, 0) {
    case 1, 2: return .success(rows.integer(0, 1))
    case 3:
      let place = rows.count(0, 2) - 1
      guard transaction.keyValues.indices.contains(place) else { return .success(-1) }
      let refusal = transaction.keyValues[place].refusal(spaceBytes: rows.count(0, 3), own: rows.count(0, 4))
      return refusal.map { .failure($0) } ?? .success(-1)
    default: return .success(-1)
    }
  }
}
