internal import Chronology
internal import JobModel
internal import Synchronization

/// The `kv` of a memory store: completes inside the call. Expired values are absent at once and are swept out now and
/// then.
final class MemoryKeyValues: KeyValueStore {
  private struct Contents {
    var spaces: [String: [String: KeyValue]] = [:]
    var lastVersion: Int64 = 0
    var changesUntilSweep = 1_000
  }
  private let contents = Mutex(Contents())

  func value(
    of key: String, in space: String, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<KeyValue?>, StoreError>) -> Void
  ) {
    let found = contents.withLock { $0.spaces[space]?[key] }.flatMap { $0.isLive(at: now) ? $0 : nil }
    let size = found?.value.text.utf8.count ?? 0
    completion(.success(size <= bytes ? .value(found) : .larger(size)))
  }

  func keys(
    prefix: String, in space: String, limit: Int, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<[String]>, StoreError>) -> Void
  ) {
    let live = contents.withLock { contents in
      (contents.spaces[space] ?? [:]).filter { $0.value.isLive(at: now) && $0.key.utf8.starts(with: prefix.utf8) }
    }
    let ordered = live.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let keys = Array(ordered.prefix(max(0, limit)))
    let size = keys.reduce(0) { $0 + $1.utf8.count + Self.keyOverhead }
    completion(.success(size <= bytes ? .value(keys) : .larger(size)))
  }

  func change(
    _ change: KeyValueChange, at now: Instant, completion: @escaping @Sendable (Result<Bool, StoreError>) -> Void
  ) {
    let isDone = contents.withLock { contents in
      let current = contents.spaces[change.space]?[change.key].flatMap { $0.isLive(at: now) ? $0 : nil }
      if let expecting = change.expecting, expecting != current?.version ?? 0 { return false }
      contents.lastVersion += 1
      contents.spaces[change.space, default: [:]][change.key] = change.value.map {
        KeyValue(value: $0, version: contents.lastVersion, expiresAt: change.expiresAt)
      }
      contents.changesUntilSweep -= 1
      if contents.changesUntilSweep == 0 {
        contents.spaces = contents.spaces.mapValues { $0.filter { $0.value.isLive(at: now) } }.filter {
          !$0.value.isEmpty
        }
        contents.changesUntilSweep = max(1_000, contents.spaces.values.reduce(0) { $0 + $1.count })
      }
      return true
    }
    completion(.success(isDone))
  }
}

extension KeyValue {
  /// Absent from the instant of its expiry on.
  func isLive(at now: Instant) -> Bool { expiresAt.map { now < $0 } ?? true }
}
