package import JobModel

/// What a run puts into a transaction, or into its outbox, before it is committed.
///
/// A transaction is evaluated after its function has ended, in the order of asking: an update is given the value as it
/// is after what was asked before. Where others have changed it meanwhile, it is evaluated again. An outbox evaluates
/// each update when it is asked for.
///
/// Threading: as its run.
package final class TransactionDraft: @unchecked Sendable {
  // @unchecked: see above.

  /// A change of a value whose new value is not known yet.
  package struct Update: Sendable {
    /// Without its value and the version that it expects.
    package var change: KeyValueChange
    /// Which of the draft's updates it is, from 1.
    package var number: Int
  }

  private enum Change: Sendable {
    case value(KeyValueChange)
    case update(Update)
  }

  private var changes: [Change] = []
  private var updates = 0
  package private(set) var operations: [RunOperation] = []
  private var bytes = 0
  /// Whether anything may be added.
  package var isOpen = true

  // What the present evaluation has come to.
  private var cursor = 0
  package private(set) var values: [KeyValueChange] = []
  /// Values as they are after `values`, by key.
  private var now: [String: JSONText?] = [:]
  /// Versions that were read from the store and that no change expects yet.
  private var versions: [String: Int64] = [:]

  package init() {}

  package var isEmpty: Bool { changes.isEmpty && operations.isEmpty && values.isEmpty }

  // MARK: Asking

  /// Why no more of it fits; nil: it does.
  package func refusal(adding bytes: Int) -> String? {
    guard isOpen else { return "the transaction is over: what it is given belongs into its function" }
    guard changes.count + operations.count + values.count < Quotas.transactionChanges else {
      return "a transaction, and an outbox, has at most \(Quotas.transactionChanges) changes"
    }
    guard self.bytes + bytes <= Quotas.transactionBytes else {
      return "a transaction, and an outbox, has at most \(Quotas.transactionBytes >> 20) MB of keys, values and data"
    }
    return nil
  }

  package func add(_ change: KeyValueChange) {
    bytes += change.bytes
    changes.append(.value(change))
  }

  /// - Returns: its number.
  package func add(update change: KeyValueChange) -> Int {
    updates += 1
    changes.append(.update(Update(change: change, number: updates)))
    return updates
  }

  package func add(_ operation: RunOperation) {
    bytes += operation.textBytes
    operations.append(operation)
  }

  // MARK: Evaluating

  package func rewind() {
    cursor = 0
    values = []
    now = [:]
    versions = [:]
  }

  /// Goes on to the next update; nil: all is evaluated.
  package func nextUpdate() -> Update? {
    while cursor < changes.count {
      switch changes[cursor] {
      case .update(let update): return update
      case .value(let change):
        land(change)
        cursor += 1
      }
    }
    return nil
  }

  /// The value of a key after what was evaluated so far; `.none`: the store must be asked.
  package func value(of key: String) -> JSONText?? { now[key] }

  /// What the store has of a key.
  package func found(_ value: KeyValue?, of key: String) {
    now[key] = .some(value?.value)
    versions[key] = value?.version ?? 0
  }

  /// The present update has a new value; nil deletes.
  package func put(_ value: JSONText?) {
    guard cursor < changes.count, case .update(let update) = changes[cursor] else { return }
    cursor += 1
    var change = update.change
    change.value = value
    land(change)
  }

  /// A change that takes effect at its place: of an outbox at once.
  package func land(_ change: KeyValueChange) {
    var change = change
    change.expecting = versions.removeValue(forKey: change.key)
    now[change.key] = .some(change.value)
    values.append(change)
  }

  /// How many bytes the values have.
  package var valueBytes: Int { values.reduce(0) { $0 + $1.bytes } }
}
