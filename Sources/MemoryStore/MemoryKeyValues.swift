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

    mutating func change(_ change: KeyValueChange, at now: Instant) -> Result<Bool, StoreError> {
      let (space, key) = (Array(change.space.utf8), Array(change.key.utf8))
      let current = spaces[space]?[key].flatMap { $0.isLive(at: now) ? $0 : nil }
      if let expecting = change.expecting, expecting != current?.version ?? 0 { return .success(false) }
      let own = spaces[space]?[key].map { key.count + $0.value.text.utf8.count } ?? 0
      let before = bytes[space] ?? 0
      if let refusal = change.refusal(spaceBytes: before, own: own) { return .failure(refusal) }
      let after = before - own + change.bytes
      bytes[space] = after > 0 ? after : nil
      lastVersion += 1
      spaces[space, default: [:]][key] = change.value.map {
        KeyValue(value: $0, version: lastVersion, expiresAt: change.expiresAt)
      }
      changesUntilSweep -= 1
      if changesUntilSweep == 0 { sweep(at: now) }
      return .success(true)
    }

    private mutating func sweep(at now: Instant) {
      spaces = spaces.mapValues { $0.filter { $0.value.isLive(at: now) } }.filter { !$0.value.isEmpty }
      bytes = spaces.mapValues { space in space.reduce(0) { $0 + $1.key.count + $1.value.value.text.utf8.count } }
      changesUntilSweep = max(1_000, spaces.values.reduce(0) { $0 + $1.count })
    }

    /// What a change replaces, so that it can be taken back.
    struct Former {
      var space: [UInt8]
      var key: [UInt8]
      var value: KeyValue?
      var size: Int { value.map { key.count + $0.value.text.utf8.count } ?? 0 }
    }

    func former(of change: KeyValueChange) -> Former {
      let (space, key) = (Array(change.space.utf8), Array(change.key.utf8))
      return Former(space: space, key: key, value: spaces[space]?[key])
    }

    mutating func restore(_ former: Former) {
      let own = spaces[former.space]?[former.key].map { former.key.count + $0.value.text.utf8.count } ?? 0
      let after = (bytes[former.space] ?? 0) - own + former.size
      bytes[former.space] = after > 0 ? after : nil
      spaces[former.space, default: [:]][former.key] = former.value
    }
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
    completion(contents.withLock { $0.change(change, at: now) })
  }

  /// All changes, or none: then what came of the one that was not done. `done` is called with them in force, before
  /// anybody else sees them.
  func change(
    all changes: [KeyValueChange], at now: Instant, done: () -> Void
  ) -> Result<Bool, StoreError> {
    contents.withLock { contents in
      var former: [Contents.Former] = []
      for change in changes {
        former.append(contents.former(of: change))
        let result = contents.change(change, at: now)
        if case .success(true) = result { continue }
        for value in former.reversed() { contents.restore(value) }
        return result
      }
      done()
      return .success(true)
    }
  }
}

extension KeyValue {
  /// Absent from the instant of its expiry on.
  func isLive(at now: Instant) -> Bool { expiresAt.map { now < $0 } ?? true }
}
