package import JobModel

/// Opens `postgres://USER@HOST/DATABASE`: connection URIs of libpq, Unix sockets included
/// (`postgres:///jobs?host=/run/postgresql`).
package struct PostgresStoreDriver: StoreDriver {
  package init() {}

  package var schemes: [String] { ["postgres", "postgresql"] }
  package var example: String { "postgres://USER@HOST/DATABASE" }
  package var hasDurability: Bool { true }
  package var hasLease: Bool { true }
  package func accepts(_ address: StoreAddress) -> Bool { address.rest.hasPrefix("//") }

  package func location(of address: StoreAddress, in directory: String?) -> StoreLocation? {
    StoreLocation(PostgresTarget(address).location, exists: true)
  }

  package func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore {
    var options = PostgresStore.Options()
    options.synchronous = request.durability
    options.retention = request.retention
    options.threadRefused = request.threadRefused
    options.clock = request.clock
    options.lease = request.lease ?? options.lease
    options.node = request.node
    options.standsBy = request.standsBy
    options.mustExist = request.mustExist
    return try PostgresStore(address, mode: request.access, options: options)
  }
}

extension PostgresStoreDriver: SharedStoreDriver {
  package func join(
    _ address: StoreAddress, _ request: StoreRequest, as identity: MemberIdentity, _ callbacks: MembershipCallbacks
  ) throws(StoreError) -> any StoreMembership {
    var options = PostgresStore.Options()
    // A beat that a crash of the server loses is followed by another one.
    options.synchronous = .normal
    return try PostgresMembership(
      PostgresTarget(address), setup: PostgresStore.setup(options), identity, lease: request.lease ?? options.lease,
      clock: request.clock, callbacks, at: address)
  }
}

extension PostgresMembership {
  func openStation(
    _ request: StoreRequest, _ callbacks: StationCallbacks
  ) throws(StoreError) -> (any RunStation)? {
    try PostgresStation(PostgresTarget(address), identity, request, address, held: held, callbacks)
  }
}
