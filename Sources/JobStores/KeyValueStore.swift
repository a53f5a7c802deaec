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

package struct KeyValueChange: Sendable {
  package var space: String
  package var key: String
  /// nil deletes.
  package var value: JSONText?
  package var expiresAt: Instant?
  /// Only when the key has this version now (0: when it is absent). nil: in any case.
  package var expecting: Int64?
  package init(space: String, key: String, value: JSONText?, expiresAt: Instant? = nil, expecting: Int64? = nil) {
    self.space = space
    self.key = key
    self.value = value
    self.expiresAt = expiresAt
    self.expecting = expecting
  }
}
