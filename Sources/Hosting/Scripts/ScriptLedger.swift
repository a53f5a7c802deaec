internal import Chronology
internal import JobModel
internal import Scheduling
internal import ScriptLoading
internal import Synchronization

/// The generation in force, those before it in few numbers, and who waits for the next one.
///
/// Threading: any thread.
package final class ScriptLedger: Sendable {
  /// Generations that are remembered.
  private static let most = 100

  struct Past: Sendable {
    var number: Int
    var at: Instant
    var scripts: Int
    var jobs: Int
    var added: Int
    var changed: Int
    var removed: Int
    var errors: Int
  }

  /// The generation in force, with what it brought, and why the configuration stays as it was.
  typealias Done = @Sendable (Past, LoadedGeneration, String?) -> Void

  private struct State: Sendable {
    var current: LoadedGeneration?
    /// The latest first.
    var past: [Past] = []
    var configurationFailure: String?
    var loads = 0
    var failedLoads = 0
    var waiting: [Done] = []
    /// Those whose rescan found files in the middle of being saved, which are looked at again.
    var served: [Done] = []
    var changed: (@Sendable () -> Void)?
  }
  private let state = Mutex(State())

  package init() {}

  /// Generations that were put in force after the first, and those of them that had errors.
  var counts: (all: Int, failed: Int) { state.withLock { (max(0, $0.loads - 1), $0.failedLoads) } }
  var current: LoadedGeneration? { state.withLock { $0.current } }
  var past: [Past] { state.withLock { $0.past } }
  var configurationFailure: String? { state.withLock { $0.configurationFailure } }

  /// `changed` is called after each generation that is put in force.
  func tell(_ changed: @escaping @Sendable () -> Void) { state.withLock { $0.changed = changed } }

  /// `generation` is in force.
  func put(_ generation: LoadedGeneration, _ result: SchedulerCore.Reconciliation?, at now: Instant) {
    let entry = Past(
      number: generation.number.number, at: now, scripts: generation.scripts.count,
      jobs: generation.scripts.reduce(0) { $0 + $1.jobs.count }, added: result?.added ?? 0,
      changed: result?.changed ?? 0, removed: result?.orphaned ?? 0, errors: generation.errors.count)
    defer { state.withLock { $0.changed }?() }
    let (served, failure) = state.withLock { state -> ([Done], String?) in
      state.current = generation
      state.loads += 1
      if !generation.errors.isEmpty { state.failedLoads += 1 }
      state.past.insert(entry, at: 0)
      if state.past.count > Self.most { state.past.removeLast() }
      guard generation.pending.isEmpty else { return ([], nil) }
      defer { state.served = [] }
      return (state.served, state.configurationFailure)
    }
    for done in served { done(entry, generation, failure) }
  }

  /// The configuration was read: nil, or why it stays as it was.
  func noteConfiguration(_ failure: String?) { state.withLock { $0.configurationFailure = failure } }

  /// `done` is called when the next rescan that somebody asked for is over.
  func await(_ done: @escaping Done) {
    state.withLock { $0.waiting.append(done) }
  }

  /// A rescan that somebody asked for is over.
  func rescanned() {
    let (waiting, entry, generation, failure) = state.withLock { state -> ([Done], Past?, LoadedGeneration?, String?) in
      var waiting = state.waiting
      state.waiting = []
      if state.current?.pending.isEmpty == false {
        state.served += waiting
        waiting = []
      }
      return (waiting, state.past.first, state.current, state.configurationFailure)
    }
    guard let entry, let generation else { return }
    for done in waiting { done(entry, generation, failure) }
  }
}
