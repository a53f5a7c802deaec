package import Chronology
package import JobModel

/// What waits to be written to a store, and what of it the next transaction takes.
///
/// What the scheduler hands over comes first: claims that runs wait for, outcomes, ids. Then values of scripts, the
/// spaces in turn and each in its own order, then log lines, as long as the transaction stays below a number of rows
/// and bytes. So a script that writes a thousand values of a megabyte is in nobody's way: not in the scheduler's, and
/// not in that of other scripts.
///
/// Lines that would make the queue longer than its bounds are dropped: a log must not fill the memory of a host that
/// has a slow disk. Everything else has an owner that waits for its answer, and hands over no more before it has come.
///
/// Owned by the lock of whoever commits in groups. O(1) each, but for the operations taken.
package struct CommitQueue: Sendable {
  package init() {}

  /// Something to write, with what to call afterwards.
  package enum Operation: Sendable {
    case batch(StoreBatch, @Sendable (StoreError?) -> Void)
    case keyValue(KeyValueChange, Instant, @Sendable (Result<Bool, StoreError>) -> Void)
    case log([RunLogLine])
    case transaction(RunTransaction, Instant, @Sendable (Result<TransactionAnswer, StoreError>) -> Void)
    /// A run id for a process alongside the host.
    case externalRun(@Sendable (Result<RunID, StoreError>) -> Void)
  }

  /// Rows of one transaction, about a tenth of a second of work.
  package static let mostRows = 20_000
  /// Bytes of texts of one transaction: a few hundredths of a second of a slow disk.
  package static let mostBytes = 4 << 20
  /// Rows of values and lines in one transaction, a hundredth of a second of work: a claim may come right after them.
  package static let mostOtherRows = 2_000
  /// What values and lines may have of a transaction in any case, so that a scheduler that is busy keeps nobody waiting
  /// for ever.
  package static let leastBytes = 1 << 20
  /// Lines, and bytes of lines, that may wait.
  package static let mostWaitingLines = 100_000
  package static let mostWaitingLineBytes = 16 << 20

  private struct Entry: Sendable {
    var operation: Operation
    var rows: Int
    var bytes: Int
  }

  private var urgent = Line<Entry>()
  /// By space, and the spaces whose turn comes: each that has something, once.
  private var values: [String: Line<Entry>] = [:]
  private var spaces = Line<String>()
  private var log = Line<Entry>()
  private var logLines = 0
  private var logBytes = 0

  package var isEmpty: Bool { urgent.isEmpty && spaces.isEmpty && log.isEmpty }

  package mutating func append(_ operation: Operation) {
    switch operation {
    case .batch(let batch, _):
      urgent.append(Entry(operation: operation, rows: batch.rows, bytes: batch.textBytes))
    case .transaction(let transaction, _, _):
      // Among the scheduler's own: it may have a run's outcome in it, and its rows are few.
      urgent.append(
        Entry(operation: operation, rows: transaction.keyValues.count + 2, bytes: transaction.textBytes))
    case .externalRun: urgent.append(Entry(operation: operation, rows: 1, bytes: 0))
    case .keyValue(let change, _, _):
      if values[change.space] == nil { spaces.append(change.space) }
      values[change.space, default: Line()].append(Entry(operation: operation, rows: 1, bytes: change.bytes))
    case .log(let lines):
      let bytes = lines.reduce(0) { $0 + $1.bytes }
      guard logLines + lines.count <= Self.mostWaitingLines, logBytes + bytes <= Self.mostWaitingLineBytes else {
        return
      }
      logLines += lines.count
      logBytes += bytes
      log.append(Entry(operation: operation, rows: lines.count, bytes: bytes))
    }
  }

  /// What the next transaction writes: at least one operation, when there is any.
  package mutating func take() -> [Operation] {
    var load = Load()
    while let entry = urgent.first, load.has(roomFor: entry, upTo: Self.mostBytes) {
      load.add(urgent.removeFirst())
    }
    let bytes = max(Self.mostBytes, load.bytes + Self.leastBytes)
    load.mostRows = load.rows + Self.mostOtherRows
    while let space = spaces.first, let entry = values[space]?.first, load.has(roomFor: entry, upTo: bytes) {
      load.add(values[space]!.removeFirst())
      spaces.removeFirst()
      if values[space]!.isEmpty { values[space] = nil } else { spaces.append(space) }
    }
    while let entry = log.first, load.has(roomFor: entry, upTo: bytes) {
      logLines -= entry.rows
      logBytes -= entry.bytes
      load.add(log.removeFirst())
    }
    return load.operations
  }

  /// What has been taken.
  private struct Load {
    var operations: [Operation] = []
    var rows = 0
    var bytes = 0
    var mostRows = CommitQueue.mostRows

    func has(roomFor entry: Entry, upTo most: Int) -> Bool {
      operations.isEmpty || rows + entry.rows <= mostRows && bytes + entry.bytes <= most
    }

    mutating func add(_ entry: Entry) {
      operations.append(entry.operation)
      rows += entry.rows
      bytes += entry.bytes
    }
  }
}

/// First in, first out. O(1) amortised.
private struct Line<Element: Sendable>: Sendable {
  private var elements: [Element?] = []
  private var head = 0

  var isEmpty: Bool { head == elements.count }
  var first: Element? { isEmpty ? nil : elements[head] }

  mutating func append(_ element: Element) { elements.append(element) }

  @discardableResult
  mutating func removeFirst() -> Element {
    guard let element = elements[head].take() else { preconditionFailure("a line gives each element once") }
    head += 1
    if head == elements.count {
      elements.removeAll(keepingCapacity: head <= 1_024)
      head = 0
    } else if head > 64, head * 2 > elements.count {
      elements.removeFirst(head)
      head = 0
    }
    return element
  }
}

extension StoreBatch {
  /// About how many rows it changes.
  fileprivate var rows: Int {
    schedules.count + fires.count + waiting.count + claims.count + finished.count + dropped.count + decisions.count
      + files.count + unscheduled.count + steps.count
  }
}

extension CommitQueue.Operation {
  /// Tells whoever handed it over what became of it.
  ///
  /// - Parameter answer: a run id, or 1 for done and 0 for a compare-and-swap that was not; of a transaction its
  ///   intent, and -1 for one that was not done; or why it was refused.
  package func complete(_ answer: Result<Int64, StoreError>) {
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
    case .log: break  // Best effort, as the protocol says.
    }
  }
}
