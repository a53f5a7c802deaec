internal import Basics
internal import Chronology
package import FileWatching
package import JobModel
package import ScriptLoading
internal import SchedulerService
package import ScriptRuntime
internal import Synchronization

/// What runs ask for and a reload may exchange. Any thread.
package final class LiveServices: Sendable {
  private struct State: Sendable {
    var grants: GrantTable?
    var stores: NamedStores?
    /// Reads what runs have kept.
    var pool: BlockingPool?
    /// By the names of the stores.
    var doubts: [String: CommitDoubts] = [:]
    var stepped: (@Sendable (RunStep, String) -> Void)?
    var engine: (@Sendable () -> (any SchedulerEngine)?)?
    var quotas = Quotas()
    var onFailure: FailureHook?
    var notifyTargets: [String: NotifyTarget] = [:]
  }

  private let state = Mutex(State())

  package init() {}

  package func use(grants: GrantTable) { state.withLock { $0.grants = grants } }
  package func use(onFailure: FailureHook?) { state.withLock { $0.onFailure = onFailure } }
  package func use(notifyTargets: [String: NotifyTarget]) { state.withLock { $0.notifyTargets = notifyTargets } }
  package func use(quotas: Quotas) { state.withLock { $0.quotas = quotas } }
  /// How much history the stores keep from now on, as far as that can be said to them.
  package func use(retention: Retention) {
    for store in state.withLock({ $0.stores })?.all ?? [] {
      (store as? any RetainingStore)?.setRetention(retention)
    }
  }
  package func use(stores: NamedStores) { state.withLock { $0.stores = stores } }
  func use(pool: BlockingPool) { state.withLock { $0.pool = pool } }
  /// Who carries out what transactions ask for; nil: nobody.
  func use(engine: @escaping @Sendable () -> (any SchedulerEngine)?) { state.withLock { $0.engine = engine } }
  /// `tell` is called with each step that is durable, and the job of its run.
  package func tellSteps(_ tell: @escaping @Sendable (RunStep, String) -> Void) { state.withLock { $0.stepped = tell } }

  package var notifyTargets: [String: NotifyTarget] { state.withLock { $0.notifyTargets } }
  package var quotas: Quotas { state.withLock { $0.quotas } }
  package var onFailure: FailureHook? { state.withLock { $0.onFailure } }

  package func grants(for script: ScriptPath) -> Grants {
    // moondial.lua is where grants are written.
    if script == .configuration { return .all }
    return state.withLock { $0.grants }?.grants(for: script) ?? .none
  }

  package func keyValues(of job: JobDefinition) -> (any KeyValueStore)? {
    state.withLock { $0.stores }?[job.store].keyValues
  }

  func runKeeper(of store: String) -> (any RunKeeper)? {
    state.withLock { state in
      guard let stores = state.stores, let pool = state.pool else { return nil }
      let name = stores.name(store)
      let doubts = state.doubts[name] ?? CommitDoubts()
      state.doubts[name] = doubts
      return StoreRunKeeper(
        store: stores[store], name: name, inbox: state.engine?(), clock: SystemWallClock(), pool: pool, doubts: doubts,
        stepped: state.stepped)
    }
  }
}
