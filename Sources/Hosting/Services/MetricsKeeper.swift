internal import Basics
internal import Executors
internal import JobModel
internal import ScriptRuntime
internal import Synchronization

/// Keeps what scripts measure in the default store, so that `moondial metrics` shows it whether the host is up or not:
/// the series of a script are written at most every five seconds, as one value, and at the end.
///
/// Threading: any thread. Its thread exists while something changes.
final class MetricsKeeper: Sendable {
  /// Nanoseconds from a change to its writing.
  static let period: Int64 = 5_000_000_000

  private struct State: Sendable {
    var isServed = false
    var isStopped = false
  }
  private let registry: MetricRegistry
  private let store: any JobStore
  private let log: any HostLog
  private let state = Monitor(State())
  private let blockingPool = BlockingPool(name: "moondial-metrics", threads: 1)
  private let hasFailed = Atomic(false)

  init(_ registry: MetricRegistry, store: any JobStore, log: any HostLog) {
    self.registry = registry
    self.store = store
    self.log = log
    registry.watch { [weak self] in self?.changed() }
  }

  /// Drops what is kept of other scripts than these.
  func keepOnly(_ scripts: Set<String>) {
    let now = log.now
    let values = store.keyValues
    values.keys(prefix: "", in: StoredMetrics.space, limit: .max, at: now) { result in
      // One that is left is dropped at the next start.
      for script in (try? result.get()) ?? [] where !scripts.contains(script) {
        values.change(KeyValueChange(space: StoredMetrics.space, key: script, value: nil), at: now) { _ in }
      }
    }
  }

  /// A first series has changed since all were taken.
  private func changed() {
    let needsThread = state.withLock { state in
      guard !state.isServed, !state.isStopped else { return false }
      state.isServed = true
      return true
    }
    guard needsThread else { return }
    let isTaken = blockingPool.run { [self] in
      _ = state.wait(until: monotonicNow() + Self.period) { $0.isStopped ? true : nil }
      state.withLock { $0.isServed = false }
      write()
    }
    // Without a thread to be had it is written at the end.
    if !isTaken { state.withLock { $0.isServed = false } }
  }

  private func write() {
    for (script, series) in registry.takeChanged() {
      let stored = series.map { StoredMetrics(script: script, at: log.now, series: $0).json }
      let change = KeyValueChange(space: StoredMetrics.space, key: script, value: stored)
      store.keyValues.change(change, at: log.now) { [self] result in
        guard case .failure(let error) = result else { return hasFailed.store(false, ordering: .relaxed) }
        // Said once: the next values come in any case.
        guard !hasFailed.exchange(true, ordering: .relaxed) else { return }
        log.write(.warn, "metrics of scripts are not kept: \(error.message)")
      }
    }
  }

  /// Writes what has changed, and says all values at debug level. Before the store is closed; twice is fine.
  func stop() {
    let isFirst = state.withLock { state in
      defer { state.isStopped = true }
      return !state.isStopped
    }
    state.broadcast()
    blockingPool.stop()
    guard isFirst else { return }
    write()
    registry.say(in: log)
  }
}

extension MetricRegistry {
  /// One line for each series, at debug level.
  package func say(in log: any HostLog) {
    guard log.shows(.debug) else { return }
    for series in all {
      log.write(.debug, "\(series.script): \(series.kind.rawValue) \(series.title) = \(series.valueText)")
    }
  }
}
