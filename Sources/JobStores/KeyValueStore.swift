package import Chronology
package import JobModel

/// Durable values of scripts (`kv`): one space per script path, JSON values, optional expiry, a version for
/// compare-and-swap.
///
/// Completions come on a thread of the store (memory: inside the call). A change completes after its commit. An expired
/// value is absent from the instant of its expiry on.
package protocol KeyValueStore: AnyObject, Sendable {
  func value(
    of key: String, in space: String, at now: Instant,
    completion: @escaping @Sendable (Result<KeyValue?, StoreError>) -> Void)

  /// Keys with the prefix, in byte order, at most `limit`.
  func keys(
    prefix: String, in space: String, limit: Int, at now: Instant,
    completion: @escaping @Sendable (Result<[String], StoreError>) -> Void)

  /// Completes with whether it was done: false when `expecting` did not hold.
  func change(
    _ change: KeyValueChange, at now: Instant, completion: @escaping @Sendable (Result<Bool, StoreError>) -> Void)
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
  var bytes: Int { value.map { key.utf8.count + $0.text.utf8.count } ?? 0 }

  /// Why it is refused, when the space has `before` bytes and the key takes `own` of them now. nil: it is not.
  func refusal(spaceBytes before: Int, own: Int) -> StoreError? {
    let after = before - own + bytes
    guard let quota, bytes > own, after > quota else { return nil }
    return StoreError(
      .quota,
      Quotas.sentence(
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
