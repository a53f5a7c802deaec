internal import Chronology
internal import JobModel
internal import StoreSupport

/// Something to write, as it is sent: the same again if it has to be sent again.
enum PostgresOperation {
  case batch(StoreBatch)
  case keyValue(KeyValueChange, Instant)
  /// Each line with its number within its run.
  case log([PostgresLog.Line])
  case transaction(RunTransaction, Instant)
  case externalRun

  init(_ operation: CommitQueue.Operation, _ log: inout PostgresLog) {
    switch operation {
    case .batch(let batch, _): self = .batch(batch)
    case .keyValue(let change, let now, _): self = .keyValue(change, now)
    case .log(let lines): self = .log(log.numbered(lines))
    case .transaction(let transaction, let now, _): self = .transaction(transaction, now)
    case .externalRun: self = .externalRun
    }
  }

  /// Whether doing it twice is the same as once; an id that nobody gets is no harm.
  var isRepeatable: Bool {
    switch self {
    case .batch, .log, .externalRun: true
    case .keyValue: false
    case .transaction(let transaction, _): transaction.step != nil || transaction.finished != nil
    }
  }

  var isTransaction: Bool { if case .transaction = self { true } else { false } }
}

/// Operations as the statements of one transaction, and how their answers are read.
struct PostgresPlan {
  private(set) var steps: [PostgresStep] = []
  private(set) var highestRun: Int64 = 0
  /// The highest number of a decision after it.
  private(set) var decision: Int64
  private let operations: [PostgresOperation]
  /// For each operation the step that answers it; of values their place among all values.
  private var answering: [Int?] = []
  /// The step that changes all values.
  private var values: Int?
  private var changes: [KeyValueChange] = []

  /// - Parameters:
  ///   - mark: decisions up to this number are committed.
  ///   - epoch: the server keeps the answers to changes of values for this host; nil: it does not.
  init(_ operations: [PostgresOperation], after mark: Int64, epoch: Int64?, auditLines: Int64) {
    self.operations = operations
    decision = mark
    var times: [Instant] = []
    for operation in operations {
      switch operation {
      case .batch(let batch):
        let ranges = batch.decisions.filter { $0.number == 0 || $0.number > decision }
        decision = max(decision, ranges.map(\.number).max() ?? 0)
        highestRun = max(highestRun, batch.highestRun)
        steps += PostgresBatch.steps(batch, decisions: ranges)
        if let line = batch.audit.map(\.id).max() {
          steps.append(PostgresStep(PostgresAudit.prune) { $0.add(line - auditLines) })
        }
        answering.append(nil)
      case .keyValue(let change, let now):
        answering.append(changes.count)
        changes.append(change)
        times.append(now)
      case .log(let lines):
        steps += PostgresLog.steps(lines)
        answering.append(nil)
      case .transaction(let transaction, let now):
        highestRun = max(highestRun, transaction.finished?.id.number ?? 0)
        answering.append(steps.count)
        steps.append(PostgresTransactions.step(transaction, at: now))
      case .externalRun:
        // A crash of the server that forgot the id would have another process given the same one.
        steps.append(PostgresStep("SELECT set_config('synchronous_commit', 'on', true)"))
        answering.append(steps.count)
        steps.append(PostgresStep("SELECT take_external_run($1)") { $0.add(RunID.externalRunStride) })
      }
    }
    guard !changes.isEmpty else { return }
    values = steps.count
    steps.append(PostgresValues.change(changes, at: times, epoch: epoch))
  }

  /// - Parameter rows: what each step answered.
  func answers(_ rows: [PostgresRows]) -> [Result<Int64, StoreError>] {
    let known = values.map { step in valueAnswers((0..<rows[step].count).map { rows[step].integer($0, 0) }) } ?? []
    return zip(operations, answering).map { operation, place in
      guard let place else { return .success(1) }
      switch operation {
      case .keyValue: return place < known.count ? known[place] : .success(0)
      case .transaction(let transaction, _): return PostgresTransactions.answer(rows[place], to: transaction)
      default: return .success(rows[place].count == 1 ? rows[place].integer(0, 0) : 0)
      }
    }
  }

  /// - Parameter numbers: three for each value.
  func valueAnswers(_ numbers: [Int64]) -> [Result<Int64, StoreError>] {
    guard numbers.count == changes.count * 3 else { return [] }
    return changes.enumerated().map { place, change in
      let status = numbers[place * 3]
      guard status == 2 else { return .success(status) }
      let refusal = change.refusal(spaceBytes: Int(numbers[place * 3 + 1]), own: Int(numbers[place * 3 + 2]))
      return refusal.map { .failure($0) } ?? .success(0)
    }
  }
}

extension StoreBatch {
  /// The highest id of a run in it; 0: none.
  fileprivate var highestRun: Int64 {
    var highest: Int64 = 0
    for run in waiting { highest = max(highest, run.id.number) }
    for run in claims { highest = max(highest, run.id.number) }
    for run in finished { highest = max(highest, run.id.number) }
    return highest
  }

  /// One that says that `run` has ended.
  static func of(_ run: RunRecord) -> StoreBatch {
    var batch = StoreBatch()
    batch.finished = [run]
    return batch
  }
}
