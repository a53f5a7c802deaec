package import Chronology
internal import FileWatching
internal import JobModel
internal import Lua
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading
internal import ScriptRuntime
internal import Synchronization

/// Who an assembly tells of events before it is whole.
///
/// Threading: any thread.
final class Ears: Sendable {
  private let state = Mutex<SchedulerControl?>(nil)
  var control: SchedulerControl? { state.withLock { $0 } }
  func attach(_ control: SchedulerControl) { state.withLock { $0 = control } }
  /// The engine's events hold it, and it holds the engine: without this neither would ever be released.
  func detach() { state.withLock { $0 = nil } }
}

extension SchedulerAssembly {
  /// What an operator can ask this host, and tell it.
  package var control: any HostControl { operations }

  /// In which times are shown.
  package var zone: TimeZoneRules { operations.parts.zone }

  /// The same for callers that wait with their thread.
  package var blockingControl: BlockingControl { BlockingControl(operations) }

  /// What operators ask and tell the engine of `service`.
  static func operations(
    _ blueprint: Blueprint, _ service: ServiceConfiguration, _ engine: any SchedulerEngine,
    configuration: HostConfiguration, health: HostHealth, ledger: ScriptLedger, session: SessionParts?,
    luaHost: LuaHost?, identity: HostIdentity, memberships: HostMemberships,
    placing: PlacementDispatcher?
  ) -> SchedulerControl {
    let zoneName = configuration.timeZone ?? blueprint.scripts?.systemZone.name ?? "UTC"
    let live = session?.live
    let quotas = configuration.quotas
    let parts = SchedulerControl.Parts(
      engine: engine, stores: service.stores, executors: service.executors, zones: service.zones,
      // A zone that is not there was an error before, where it was needed.
      zone: (try? service.zones.zone(named: zoneName)) ?? .utc, zoneName: zoneName, wallClock: service.wallClock,
      monotonicClock: service.monotonicClock, health: health, scripts: ledger, configuration: configuration,
      scriptsDirectory: session?.directory.root, stateDirectory: blueprint.stateDirectory,
      luaStates: { luaHost.map { $0.keptStates.bytes } }, series: { luaHost?.services.metrics.all ?? [] },
      quotas: { live?.quotas ?? quotas }, memberships: memberships,
      whereabouts: { placing?.whereabouts(of: $0) })
    let events = EventJournal(
      identity, weigh: { $0.event.weight },
      wanted: { engine.post(whenDurable: nil) { core, _, _ in core.configuration.isWatched = true } })
    let lines = LineJournal(identity, bytes: 4 << 20, weigh: \.bytes, wanted: { placing?.lines.wanted() })
    return SchedulerControl(identity, parts, events: events, lines: lines)
  }
}

extension Event {
  /// About how many bytes its texts have.
  var weight: Int {
    switch self {
    case .runFinished(let record): 200 + record.textBytes
    case .scriptFailed(let script, let problems): script.utf8.count + problems.reduce(0) { $0 + $1.utf8.count }
    default: 200
    }
  }
}
