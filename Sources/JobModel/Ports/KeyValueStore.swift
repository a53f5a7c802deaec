package import Chronology

/// Durable values of scripts (`kv`): one space per script path, JSON values, optional expiry, a version for
/// compare-and-swap.
///
/// Completions come on a thread of the store (memory: inside the call). A change completes after its commit. An expired
/// value is absent from the instant of its expiry on.
package protocol KeyValueStore: AnyObject, Sendable {
  /// The value of a key; nil when it is absent.
  ///
  /// - Parameter bytes: of the value's text that may be brought; of a larger one only how large it is.
  func value(
    of key: String, in space: String, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<KeyValue?>, StoreError>) -> Void)

  /// Keys with the prefix, in byte order, at most `limit`.
  ///
  /// - Parameter bytes: that the keys may take, each as `keyOverhead` says; more of them are not brought.
  func keys(
    prefix: String, in space: String, limit: Int, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<[String]>, StoreError>) -> Void)

  /// Completes with whether it was done: false when `expecting` did not hold.
  func change(
    _ change: KeyValueChange, at now: Instant, completion: @escaping @Sendable (Result<Bool, StoreError>) -> Void)
}

/// What was asked for, unless it is larger than the asker has room for.
package enum Sized<Value: Sendable>: Sendable {
  case value(Value)
  /// It has so many bytes, or more.
  case larger(Int)
}

extension KeyValueStore {
  /// What each key takes beside its own bytes, on its way to a script.
  package static var keyOverhead: Int { 96 }

  /// The value of a key, however large.
  package func value(
    of key: String, in space: String, at now: Instant,
    completion: @escaping @Sendable (Result<KeyValue?, StoreError>) -> Void
  ) {
    value(of: key, in: space, upTo: .max, at: now) { completion($0.map { $0.whole ?? nil }) }
  }

  /// Keys with the prefix, in byte order, at most `limit`, however long.
  package func keys(
    prefix: String, in space: String, limit: Int, at now: Instant,
    completion: @escaping @Sendable (Result<[String], StoreError>) -> Void
  ) {
    keys(prefix: prefix, in: space, limit: limit, upTo: .max, at: now) { completion($0.map { $0.whole ?? [] }) }
  }
}

extension Sized {
  package func map<Other>(_ transform: (Value) -> Other) -> Sized<Other> {
    switch self {
    case .value(let value): .value(transform(value))
    case .larger(let size): .larger(size)
    }
  }

  /// nil: it is larger.
  package var whole: Value? { if case .value(let value) = self { value } else { nil } }
}

package struct KeyValue: Sendable, Equatable {
  package var value: JSONText
  /// Rises with each change of the key; never 0.
  package var version: Int64
  package var expiresAt: Instant?
  package init(value: JSONText, version: Int64, expiresAt: Instant?) {
    self.value = value
    self.version = version
    self.expiresAt = expiresAt
  }
}

extension KeyValueChange {
  /// Bytes that the key takes once the change is done.
  package var bytes: Int { value.map { key.utf8.count + $0.text.utf8.count } ?? 0 }

  /// Why it is refused, when the space has `before` bytes and the key takes `own` of them now. nil: it is not.
  package func refusal(spaceBytes before: Int, own: Int) -> StoreError? {
    let after = before - own + bytes
    guard let quota, bytes > own, after > quota else { return nil }
    return StoreError(
      .quota,
      Quotas.message(
        "\(space) would have \(after) bytes of keys and values, more than the \(quota) that a script may have: "
          + "delete what is not needed, or give it a ttl", "kv_bytes_per_script"))
  }
}

package struct KeyValueChange: Sendable {
  package var space: String
  package var key: String
  /// nil deletes.
  package var value: JSONText?
  package var expiresAt: Instant?
  /// Only when the key has this version now (0: when it is absent). nil: in any case.
  package var expecting: Int64?
  /// Bytes of keys and values that the space may have; a change that makes it larger than that is refused (`.quota`).
  /// nil: any.
  package var quota: Int?
  package init(space: String, key: String, value: JSONText?, expiresAt: Instant? = nil, expecting: Int64? = nil) {
    self.space = space
    self.key = key
    self.value = value
    self.expiresAt = expiresAt
    self.expecting = expecting
  }
}
