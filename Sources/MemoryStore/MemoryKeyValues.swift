internal import Chronology
internal import JobModel
internal import Synchronization

/// The `kv` of a memory store: completes inside the call. Expired values are absent at once and are swept out now and
/// then.
final class MemoryKeyValues: KeyValueStore {
  private struct Contents {
    /// By the bytes of space and key: to Swift, two ways to write the same letter are equal, to a store they are not.
    var spaces: [[UInt8]: [[UInt8]: KeyValue]] = [:]
    /// Bytes of keys and values, by space; those that have expired and were not swept out yet count.
    var bytes: [[UInt8]: Int] = [:]
    var lastVersion: Int64 = 0
    var changesUntilSweep = 1_000
  }
  private let contents = Mutex(Contents())

  func value(
    of key: String, in space: String, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<KeyValue?>, StoreError>) -> Void
  ) {
    let found = contents.withLock { $0.spaces[Array(space.utf8)]?[Array(key.utf8)] }
      .flatMap { $0.isLive(at: now) ? $0 : nil }
    let size = found?.value.text.utf8.count ?? 0
    completion(.success(size <= bytes ? .value(found) : .larger(size)))
  }

  func keys(
    prefix: String, in space: String, limit: Int, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<[String]>, StoreError>) -> Void
  ) {
    let live = contents.withLock { contents in
      (contents.spaces[Array(space.utf8)] ?? [:]).filter {
        $0.value.isLive(at: now) && $0.key.starts(with: prefix.utf8)
      }
    }
    let ordered = live.keys.sorted { $0.lexicographicallyPrecedes($1) }
    let keys = ordered.prefix(max(0, limit)).map { String(decoding: $0, as: UTF8.self) }
    let size = keys.reduce(0) { $0 + $1.utf8.count + Self.keyOverhead }
    completion(.success(size <= bytes ? .value(keys) : .larger(size)))
  }

  func change(
    _ change: KeyValueChange, at now: Instant, completion: @escaping @Sendable (Result<Bool, StoreError>) -> Void
  ) {
    let (space, key) = (Array(change.space.utf8), Array(change.key.utf8))
    let result = contents.withLock { contents -> Result<Bool, StoreError> in
      let current = contents.spaces[space]?[key].flatMap { $0.isLive(at: now) ? $0 : nil }
      if let expecting = change.expecting, expecting != current?.version ?? 0 { return .success(false) }
      let own = contents.spaces[space]?[key].map { key.count + $0.value.text.utf8.count } ?? 0
      let before = contents.bytes[space] ?? 0
      if let refusal = change.refusal(spaceBytes: before, own: own) { return .failure(refusal) }
      let after = before - own + change.bytes
      contents.bytes[space] = after > 0 ? after : nil
      contents.lastVersion += 1
      contents.spaces[space, default: [:]][key] = change.value.map {
        KeyValue(value: $0, version: contents.lastVersion, expiresAt: change.expiresAt)
      }
      contents.changesUntilSweep -= 1
      if contents.changesUntilSweep == 0 {
        contents.spaces = contents.spaces.mapValues { $0.filter { $0.value.isLive(at: now) } }.filter {
          !$0.value.isEmpty
        }
        contents.bytes = contents.spaces.mapValues { space in
          space.reduce(0) { $0 + $1.key.count + $1.value.value.text.utf8.count }
        }
        contents.changesUntilSweep = max(1_000, contents.spaces.values.reduce(0) { $0 + $1.count })
      }
      return .success(true)
    }
    completion(result)
  }
}

extension KeyValue {
  /// Absent from the instant of its expiry on.
  func isLive(at now: Instant) -> Bool { expiresAt.map { now < $0 } ?? true }
}
