internal import JobModel
internal import ScriptLoading

/// Runs on other hosts, and for them.
extension SchedulerAssembly {
  /// nil: no store has runs executed elsewhere, or nothing could be.
  static func dispatcher(_ configuration: HostConfiguration, _ blueprint: Blueprint) -> PlacementDispatcher? {
    let isShared = configuration.stores.values.contains {
      blueprint.kinds.driver(of: $0.address) is any SharedStoreDriver
    }
    guard isShared, blueprint.scripts != nil else { return nil }
    return PlacementDispatcher(
      name: HostMemberships.name(in: configuration), labels: configuration.node.labels)
  }

  static func standby(
    _ runs: PlacedRuns?, _ memberships: HostMemberships, _ parts: SessionParts?, _ sink: HostLogSink,
    _ follower: ScriptFollower?, _ blueprint: Blueprint
  ) -> StandbyHost? {
    guard let runs, let parts, let follower, blueprint.standsBy != nil else { return nil }
    let standby = StandbyHost(runs, memberships, parts.live, sink, log: blueprint.log)
    standby.use(follower)
    return standby
  }

  static func standsBy(_ blueprint: Blueprint, _ standby: StandbyHost?) -> (@Sendable (String) -> Void)? {
    guard let standsBy = blueprint.standsBy else { return nil }
    let waits = blueprint.onStandby
    return { why in
      standsBy(why)
      guard let standby else { return }
      waits(standby)
      standby.begin()
    }
  }

  /// What hosts before this one have placed, and who can be given runs. Before the scheduler begins.
  func openPlacing() throws(HostError) {
    guard let placing else { return }
    let ledger = operations.parts.scripts
    try placing.open(
      stores, engine, clock: operations.parts.wallClock, scripts: { ledger.current?.snapshot.fingerprint ?? "" },
      declared: { ledger.current?.job(named: $0) }, log: log)
    placing.follow(stores, operations.lines, log: log)
    memberships.tell { [weak placing] members, store in placing?.heard(members, of: store) }
  }
}
