internal import Chronology
internal import JobModel

/// What waits for the writer: batches, values and lines in the order in which they came, lines apart.
struct WriterQueue: Sendable {
  enum Operation: Sendable {
    case batch(StoreBatch, @Sendable (StoreError?) -> Void)
    case keyValue(KeyValueChange, Instant, @Sendable (Result<Bool, StoreError>) -> Void)
    case transaction(RunTransaction, Instant, @Sendable (Result<TransactionAnswer, StoreError>) -> Void)
    /// A run id for a process alongside the host.
    case externalRun(@Sendable (Result<RunID, StoreError>) -> Void)

    func complete(_ answer: Result<Int64, StoreError>) {
      switch self {
      case .batch(_, let completion):
        switch answer {
        case .success: completion(nil)
        case .failure(let error): completion(error)
        }
      case .keyValue(_, _, let completion): completion(answer.map { $0 != 0 })
      case .transaction(_, _, let completion):
        completion(answer.map { $0 < 0 ? .conflict : .committed(intent: $0) })
      case .externalRun(let completion): completion(answer.map { RunID($0) })
      }
    }

    fileprivate var size: (rows: Int, bytes: Int) {
      switch self {
      case .batch(let batch, _): (batch.changes, batch.textBytes)
      case .keyValue(let change, _, _): (1, change.bytes)
      case .transaction(let transaction, _, _): (1 + transaction.keyValues.count, transaction.textBytes)
      case .externalRun: (1, 0)
      }
    }
  }

  /// Rows and bytes of texts of one commit, if it has more than one operation.
  private static let mostRows = 10_000
  private static let mostBytes = 4 << 20
  /// Lines, and bytes of lines, that may wait; and that go at once.
  private static let mostWaitingLines = 100_000
  private static let mostWaitingLineBytes = 16 << 20
  private static let linesAtOnce = 5_000

  private var operations: [Operation] = []
  /// Those before it are taken.
  private var head = 0
  private var lines: [RunLogLine] = []
  private var lineBytes = 0

  var isEmpty: Bool { head == operations.count && lines.isEmpty }

  mutating func append(_ operation: Operation) { operations.append(operation) }

  /// Best effort: what is too much is dropped.
  mutating func append(_ more: [RunLogLine]) {
    let bytes = more.reduce(0) { $0 + $1.bytes }
    guard lines.count + more.count <= Self.mostWaitingLines, lineBytes + bytes <= Self.mostWaitingLineBytes else {
      return
    }
    lines += more
    lineBytes += bytes
  }

  /// What the next commit writes: at least one operation, when there is any.
  mutating func take() -> (operations: [Operation], lines: [RunLogLine]) {
    var (rows, bytes) = (0, 0)
    var end = head
    while end < operations.count {
      let size = operations[end].size
      guard end == head || rows + size.rows <= Self.mostRows && bytes + size.bytes <= Self.mostBytes else { break }
      rows += size.rows
      bytes += size.bytes
      end += 1
    }
    let taken = Array(operations[head..<end])
    head = end
    if head == operations.count {
      operations.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 1_000 {
      operations.removeFirst(head)
      head = 0
    }
    let some = Array(lines.prefix(Self.linesAtOnce))
    lines.removeFirst(some.count)
    lineBytes -= some.reduce(0) { $0 + $1.bytes }
    return (taken, some)
  }
}
