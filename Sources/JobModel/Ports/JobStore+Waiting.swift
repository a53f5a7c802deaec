internal import Basics
package import Chronology

/// The store's answers for callers that have nothing better to do than wait: commands, tests. A scheduler never uses
/// these.
extension JobStore {
  /// Hands `batch` over and blocks until it is durable.
  package func commit(_ batch: StoreBatch) throws(StoreError) {
    let answer = Answer<Void>()
    apply(batch) { error in answer.give(error.map { .failure($0) } ?? .success(())) }
    try answer.get()
  }

  /// ``commit(_:at:completion:)``, waited for.
  package func commit(_ transaction: RunTransaction, at now: Instant) throws(StoreError) -> TransactionAnswer {
    let answer = Answer<TransactionAnswer>()
    commit(transaction, at: now) { answer.give($0) }
    return try answer.get()
  }
}

extension KeyValueStore {
  /// ``value(of:in:at:completion:)``, waited for.
  package func value(of key: String, in space: String, at now: Instant) throws(StoreError) -> KeyValue? {
    let answer = Answer<KeyValue?>()
    value(of: key, in: space, at: now) { answer.give($0) }
    return try answer.get()
  }

  /// ``keys(prefix:in:limit:at:completion:)``, waited for.
  package func keys(prefix: String, in space: String, limit: Int, at now: Instant) throws(StoreError) -> [String] {
    let answer = Answer<[String]>()
    keys(prefix: prefix, in: space, limit: limit, at: now) { answer.give($0) }
    return try answer.get()
  }

  /// ``change(_:at:completion:)``, waited for.
  @discardableResult
  package func change(_ change: KeyValueChange, at now: Instant) throws(StoreError) -> Bool {
    let answer = Answer<Bool>()
    self.change(change, at: now) { answer.give($0) }
    return try answer.get()
  }
}

/// One result, given by one thread and waited for by another.
private final class Answer<Value: Sendable>: Sendable {
  private let result = Monitor<Result<Value, StoreError>?>(nil)
  func give(_ answer: Result<Value, StoreError>) { result.change { $0 = answer } }
  func get() throws(StoreError) -> Value { try result.wait { $0 }!.get() }
}
