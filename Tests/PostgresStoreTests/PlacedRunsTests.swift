import Basics
import Chronology
import JobModel
import PostgresFixture
import Synchronization
import TestSupport
import Testing

@testable import PostgresStore

/// What a station was told.
private final class Given: Sendable {
  struct State {
    var runs: [RunPlacement] = []
    var cancelled: [PlacementKey] = []
    var fenced = 0
  }
  let state = Monitor(State())
  private let station = Mutex<(any RunStation)?>(nil)

  func use(_ station: any RunStation) { self.station.withLock { $0 = station } }

  /// Nothing runs here: it may be given runs again at once.
  var callbacks: StationCallbacks {
    StationCallbacks(
      given: { runs in self.state.change { $0.runs += runs } },
      cancelled: { keys in self.state.change { $0.cancelled += keys } },
      changed: { change in
        guard case .fenced = change else { return }
        self.state.change { $0.fenced += 1 }
        self.station.withLock { $0 }?.renew()
      })
  }

  func await(_ isWanted: @escaping (State) -> Bool) -> Bool {
    state.wait(until: monotonicNow() + 20_000_000_000) { isWanted($0) ? true : nil } ?? false
  }
}

@Suite("Runs placed on members of a PostgreSQL store", .enabled(if: PostgresServer.isInstalled))
struct PlacedRunsTests {
  let server: PostgresServer
  let url: String

  init() throws {
    server = try #require(PostgresServer.shared)
    url = try server.database()
  }

  private func leader(_ synchronous: CommitDurability = .full) throws -> PostgresStore {
    var options = PostgresStore.Options()
    options.node = "a"
    options.synchronous = synchronous
    return try PostgresStore(StoreAddress(url), mode: .scheduler, options: options)
  }

  private func join(_ name: String = "b") throws -> any StoreMembership {
    let identity = MemberIdentity(
      name: name, life: "life of \(name)", version: "0.1.0", executors: [.init(name: "default", workers: 4)])
    return try PostgresStoreDriver().join(
      StoreAddress(url), request, as: identity, MembershipCallbacks(report: { MemberReport() }, heard: { _ in }))
  }

  /// Its beats are rare: what a test says of its lease stays so.
  private var request: StoreRequest {
    var request = StoreRequest(.scheduler)
    request.lease = 600_000_000_000
    return request
  }

  private func placement(_ number: Int64, on node: String = "b", epoch: Int64) -> RunPlacement {
    RunPlacement(
      key: PlacementKey(epoch: epoch, number: number), run: RunID(number), attempt: 1, job: "it", node: node,
      life: "life of \(node)", instructions: [1, 2, 3])
  }

  private func sql(_ text: String) throws -> String { try server.execute(text, in: url) }

  private func awaitTaking() throws {
    let end = monotonicNow() + 20_000_000_000
    while try sql("SELECT count(*) FROM moondial.members WHERE takes") != "1" {
      try #require(monotonicNow() < end, "it takes nothing")
    }
  }

  /// A host that leads, and a member that takes runs.
  private struct Pair {
    let store: PostgresStore
    let membership: any StoreMembership
    let station: any RunStation
    let given: Given

    func end() {
      station.close()
      membership.leave()
      store.close()
    }
  }

  /// - Parameter renews: whether the member takes runs again when it hears that it was given up.
  private func pair(renews: Bool = true) throws -> Pair {
    let store = try leader()
    let membership = try join()
    let given = Given()
    let station = try #require(try membership.openStation(request, given.callbacks))
    if renews { given.use(station) }
    station.take(true)
    try awaitTaking()
    return Pair(store: store, membership: membership, station: station, given: given)
  }

  @Test("a member that was given up before it took anything hears so, and takes what it is given next")
  func givenUpIdle() throws {
    let pair = try pair()
    defer { pair.end() }
    let (store, given) = (pair.store, pair.given)
    // As a leader does that placed something on it while it was frozen; what tells it of that is lost with its session.
    _ = try sql("UPDATE moondial.members SET fence = nextval('moondial.fences') WHERE name = 'b'")
    let mailbox = try store.openMailbox { _ in }
    defer { mailbox.close() }
    #expect(try mailbox.place([placement(1, epoch: store.epoch)]).count == 1)
    #expect(given.await { $0.runs.map(\.run) == [RunID(1)] }, "it was never given it")
    #expect(given.state.withLock { $0.fenced } == 1)
  }

  @Test("a run is lost only with the fence of its member, whenever its lease ends, and the member is told at once")
  func leaseEndsMeanwhile() throws {
    let pair = try pair()
    defer { pair.end() }
    let (store, given) = (pair.store, pair.given)
    let commits = try #require(store.commits)
    #expect(try commits.write(PostgresPlacements.place([placement(1, epoch: store.epoch)])).count == 4)
    #expect(given.await { $0.runs.count == 1 })
    // Its lease ends between the two statements: the fence is its own, and so is the run.
    let fence = try sql("SELECT fence FROM moondial.members")
    let expiry = PostgresStep("UPDATE members SET expires_at = clock_timestamp() - interval '1 s'")
    let lose = PostgresPlacements.lose
    _ = try commits.write([lose[0], expiry] + lose[1...])
    #expect(
      try sql("SELECT p.state, m.fence = p.fence FROM moondial.placed_runs p, moondial.members m") == "taken|t")
    #expect(try sql("SELECT fence FROM moondial.members") == fence)
    // By the next look both go, in one transaction, and it is given nothing until it has heard of it.
    _ = try commits.write(lose)
    #expect(try sql("SELECT state FROM moondial.placed_runs") == "lost")
    #expect(given.await { $0.fenced == 1 })
    try awaitTaking()
    #expect(try sql("SELECT fence FROM moondial.members") != fence)
  }

  /// With the proof taken out, what this test looks for is seen.
  @Test("what a member writes for a run that was given up counts for nothing", arguments: [true, false])
  func staleWrites(proves: Bool) throws {
    let pair = try pair(renews: false)
    defer { pair.end() }
    let (store, station, given) = (pair.store, pair.station, pair.given)
    let mailbox = try store.openMailbox { _ in }
    defer { mailbox.close() }
    _ = try mailbox.place([placement(1, epoch: store.epoch)])
    #expect(given.await { $0.runs.count == 1 })
    if !proves {
      _ = try sql(
        "CREATE OR REPLACE FUNCTION moondial.prove_member(own_name text, own_life text, own_fence bigint) "
          + "RETURNS void LANGUAGE sql AS ''")
    }
    func set(_ text: String) -> Bool {
      let change = KeyValueChange(space: "s", key: "k", value: JSONText(text), expecting: nil)
      return (try? station.store.keyValues.change(change, at: Instant(nanoseconds: 1))) ?? false
    }
    #expect(set("1"))
    _ = try sql("UPDATE moondial.members SET fence = nextval('moondial.fences') WHERE name = 'b'")
    _ = set("2")
    #expect(try sql("SELECT value FROM moondial.kv") == (proves ? "1" : "2"))
  }

  @Test("what was placed and what is to end survives a crash of the server, however the store commits")
  func crash() throws {
    let own = try PostgresServer()
    let url = try own.database()
    var options = PostgresStore.Options()
    options.node = "a"
    options.synchronous = .normal
    options.lease = 600_000_000_000
    let store = try PostgresStore(StoreAddress(url), mode: .scheduler, options: options)
    defer { store.close() }
    let identity = MemberIdentity(name: "b", life: "life of b", version: "0.1.0")
    let membership = try PostgresStoreDriver().join(
      StoreAddress(url), request, as: identity, MembershipCallbacks(report: { MemberReport() }, heard: { _ in }))
    defer { membership.leave() }
    _ = try own.execute("UPDATE moondial.members SET takes = true", in: url)
    let mailbox = try store.openMailbox { _ in }
    defer { mailbox.close() }
    _ = try mailbox.place([placement(1, epoch: store.epoch), placement(2, epoch: store.epoch)])
    try mailbox.cancel([PlacementKey(epoch: store.epoch, number: 2)])
    try own.stop(.immediate)
    try own.start()
    let rows = try own.execute(
      "SELECT string_agg(number || ' ' || cancelled, ',' ORDER BY number) FROM moondial.placed_runs", in: url)
    #expect(rows == "1 false,2 true")
  }

  @Test("thousands are placed, cancelled and settled, in as many transactions as keep each short")
  func many() throws {
    let store = try leader()
    defer { store.close() }
    let membership = try join()
    defer { membership.leave() }
    _ = try sql("UPDATE moondial.members SET takes = true")
    let mailbox = try store.openMailbox { _ in }
    defer { mailbox.close() }
    let runs = (1...2_500).map { placement(Int64($0), epoch: store.epoch) }
    #expect(try mailbox.place(runs).count == 2_500)
    #expect(try mailbox.place(runs).count == 2_500)
    try mailbox.cancel(runs.map(\.key))
    #expect(try sql("SELECT count(*) FROM moondial.placed_runs WHERE cancelled") == "2500")
    try mailbox.settle(runs.map(\.key))
    #expect(try sql("SELECT count(*) FROM moondial.placed_runs") == "0")
  }
}
