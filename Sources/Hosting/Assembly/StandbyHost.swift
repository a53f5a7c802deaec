internal import Basics
internal import FileWatching
internal import JobModel
internal import ScriptLoading
internal import Synchronization

/// A host while it waits for a store that another one leads: it has loaded its scripts, follows their edits, and runs
/// what the leader gives it. When the store is its own it goes on as the leader, with the scripts that it has.
///
/// Threading: any thread.
package final class StandbyHost: Sendable {
  private enum Phase: Sendable { case idle, waiting, over }
  private struct State: Sendable {
    var phase = Phase.idle
    var follower: ScriptFollower?
  }

  private let state = Mutex(State())
  private let runs: PlacedRuns
  private let memberships: HostMemberships
  private let live: LiveServices
  private let sink: HostLogSink
  private let log: any HostLog

  init(
    _ runs: PlacedRuns, _ memberships: HostMemberships, _ live: LiveServices, _ sink: HostLogSink, log: any HostLog
  ) {
    self.runs = runs
    self.memberships = memberships
    self.live = live
    self.sink = sink
    self.log = log
  }

  func use(_ follower: ScriptFollower) { state.withLock { $0.follower = follower } }

  /// The host has begun to wait. Does not block: what waits must notice at once that the store is free.
  func begin() {
    let isFirst = state.withLock { state in
      guard state.phase == .idle else { return false }
      state.phase = .waiting
      return true
    }
    guard isFirst else { return }
    do {
      _ = try NamedThread("moondial-standby", stackSize: 8 << 20) { [self] in follow() }
    } catch {
      log.write(.error, "this host runs nothing for others while it waits: \(error)")
    }
  }

  private func follow() {
    do {
      try runs.open(memberships.stations)
      let stores = runs.stores
      guard !stores.isEmpty else { return }
      let follower = state.withLock { state -> ScriptFollower? in
        guard state.phase == .waiting else { return nil }
        // In one go: a host that leads has other ones.
        live.use(stores: NamedStores(stores))
        sink.use(stores: NamedStores(stores))
        return state.follower
      }
      try follower?.follow { [runs, memberships] generation in
        runs.use(generation.jobs, scripts: generation.snapshot.fingerprint)
        memberships.beat()
      }
    } catch {
      log.write(.error, "this host runs nothing for others while it waits: \(error)")
    }
  }

  /// The stores are this host's own. What it has of others goes on.
  func end(_ named: NamedStores) {
    runs.takeNothingMore()
    state.withLock { state in
      state.phase = .over
      state.follower = nil
      live.use(stores: named)
      sink.use(stores: named)
    }
  }

  /// Whether it still waits.
  package var isWaiting: Bool { state.withLock { $0.phase == .waiting } }

  /// Reads every script again. Does not block.
  package func rescan() { state.withLock { $0.follower }?.rescanNow() }

  /// The host ends while it waits: what runs gets `grace` nanoseconds, and the others are told. Blocks until then.
  package func stop(grace: Int64) {
    runs.stop(grace: grace)
    memberships.leave()
  }
}

/// Puts generations in force once there is a scheduler that could take them. Any thread.
final class SwapSwitch: Sendable {
  private let state = Mutex<GenerationSwap?>(nil)
  func use(_ swap: GenerationSwap) { state.withLock { $0 = swap } }
  /// nil: the host does not run yet.
  var swap: GenerationSwap? { state.withLock { $0 } }
}
