import Basics
import Chronology
import JobModel
import PostgresFixture
import Synchronization
import TestSupport
import Testing

@testable import PostgresStore

/// What a member was told.
private final class Heard: Sendable {
  private let news = Monitor<[MembershipNews]>([])
  let report = Mutex(MemberReport())

  var callbacks: MembershipCallbacks {
    MembershipCallbacks(
      report: { self.report.withLock { $0 } },
      heard: { one in self.news.change { $0.append(one) } })
  }

  /// The first news that `isWanted` takes, now or within ten seconds.
  func await(_ isWanted: @escaping (MembershipNews) -> Bool) -> MembershipNews? {
    news.wait(until: monotonicNow() + 10_000_000_000) { $0.first(where: isWanted) }
  }

  func forget() { news.withLock { $0 = [] } }
}

private func refusal(_ body: () throws -> any StoreMembership) -> StoreError? {
  do { try body().leave() } catch { return error as? StoreError }
  return nil
}

@Suite("Members of a PostgreSQL store", .enabled(if: PostgresServer.isInstalled))
struct MembersTests {
  let server: PostgresServer
  let url: String

  init() throws {
    server = try #require(PostgresServer.shared)
    url = try server.database()
  }

  private func join(
    _ name: String, _ heard: Heard = Heard(), life: String? = nil, place: ProcessPlace = .current,
    clock: any WallClock = SystemWallClock(), lease: Int64 = 2_000_000_000
  ) throws -> any StoreMembership {
    var request = StoreRequest(.scheduler)
    request.lease = lease
    request.clock = clock
    let identity = MemberIdentity(
      name: name, life: life ?? "life of \(name)", version: "0.1.0", labels: ["eu", "gpu"],
      executors: [.init(name: "default", workers: 4), .init(name: "heavy", workers: 2)], place: place)
    return try PostgresStoreDriver().join(StoreAddress(url), request, as: identity, heard.callbacks)
  }

  private func store(
    _ mode: StoreAccess, node: String? = nil, lease: Int64 = 15_000_000_000,
    standsBy: (@Sendable (String) -> Void)? = nil
  ) throws -> PostgresStore {
    var options = PostgresStore.Options()
    options.node = node
    options.lease = lease
    options.standsBy = standsBy
    return try PostgresStore(StoreAddress(url), mode: mode, options: options)
  }

  @Test("everybody sees them, with what they report and who leads; one that leaves is gone at once")
  func seen() throws {
    let heard = Heard()
    heard.report.withLock {
      $0.generation = 3
      $0.scripts = "abc"
      $0.runs = 2
    }
    let first = try join("a", heard)
    let leader = try store(.scheduler, node: "a")
    defer { leader.close() }
    let second = try join("b")
    // A beat after the second one has come.
    first.beat()
    let news = heard.await { if case .members(let members) = $0 { members.count == 2 } else { false } }
    guard case .members(let told)? = news else {
      Issue.record("no news of the second one")
      return
    }
    let members = try leader.members()
    #expect(members.map(\.name) == ["a", "b"] && told.map(\.name) == ["a", "b"])
    #expect(members[0].identity.labels == ["eu", "gpu"])
    #expect(members[0].identity.executors.map(\.workers) == [4, 2])
    #expect(members[0].report == heard.report.withLock { $0 })
    #expect(members[0].lead != nil && members[1].lead == nil)
    #expect(members.allSatisfy { $0.left > 0 && $0.left <= 2_000_000_000 && $0.clockAhead == 0 })
    second.leave()
    #expect(try leader.members().map(\.name) == ["a"])
    first.leave()
  }

  @Test("a name that a live host has is refused with who has it; one whose process is dead gives its name at once")
  func names() throws {
    let first = try join("a")
    let refused = refusal { try join("a", life: "another") }
    #expect(refused?.code == .locked)
    #expect(refused?.message.contains("another host is called \"a\" (process ") == true, "\(refused as Any)")
    #expect(refused?.message.contains("node = { name = ") == true)
    first.leave()
    // The process that had it is no more: its number is another one's.
    var dead = ProcessPlace.current
    dead.started -= 1
    let gone = try join("a", life: "dead", place: dead)
    let next = try join("a", life: "next")
    #expect(try store(.reader).members().map(\.identity.life) == ["next"])
    next.leave()
    gone.leave()
  }

  @Test(
    "a host of that name on another machine is waited for: it is refused by its next beat, and taken for dead without")
  func elsewhere() throws {
    let far = ProcessPlace(process: 1, space: "elsewhere", started: 1)
    let other = try join("a", life: "far", place: far)
    #expect(refusal { try join("a", life: "near") }?.code == .locked)
    other.leave()
    try server.execute(
      """
      INSERT INTO moondial.members(name, life, machine, place, process, process_started, version, labels, executors,
      workers, since, expires_at) VALUES('a', 'silent', 'm', 'elsewhere', 1, 1, '', '{}', '{}', '{}', now(),
      now() + interval '1 s')
      """, in: url)
    let near = try join("a", life: "near")
    #expect(try store(.reader).members().map(\.identity.life) == ["near"])
    near.leave()
  }

  @Test(
    "a member that is drained hears it at once and takes no lease, until it is resumed or another process has its name")
  func drained() throws {
    let heard = Heard()
    // So long a lease that only a notice can be the reason.
    let member = try join("a", heard, lease: 600_000_000_000)
    let other = try store(.alongside)
    defer { other.close() }
    #expect(try !other.setDraining(true, of: "nobody", by: "ann"))
    #expect(try other.setDraining(true, of: "a", by: "ann"))
    #expect(heard.await { $0 == .draining(true, by: "ann") } != nil)
    #expect(throws: StoreError.self) { try store(.scheduler, node: "a").close() }
    try store(.scheduler, node: "b").close()
    #expect(try other.members().map(\.isDraining) == [true])
    // It goes on as another life of the same process: a drain is the process's.
    member.leave()
    heard.forget()
    let anew = try join("a", heard, life: "anew", lease: 600_000_000_000)
    #expect(heard.await { $0 == .draining(true, by: "ann") } != nil)
    #expect(throws: StoreError.self) { try store(.scheduler, node: "a").close() }
    heard.forget()
    #expect(try other.setDraining(false, of: "a", by: "ann"))
    #expect(heard.await { if case .draining(false, _) = $0 { true } else { false } } != nil)
    try store(.scheduler, node: "a").close()
    #expect(try other.setDraining(true, of: "a", by: "ann"))
    anew.leave()
    var next = ProcessPlace.current
    next.started += 1
    let started = try join("a", life: "started again", place: next)
    #expect(try other.members().map(\.isDraining) == [false])
    started.leave()
  }

  @Test("a beat renews the lease that its host has, and none that was given back")
  func renewsLease() throws {
    let heard = Heard()
    // Nothing but this test makes it beat or renew.
    let long: Int64 = 600_000_000_000
    let member = try join("a", heard, lease: long)
    defer { member.leave() }
    func beat() {
      heard.forget()
      member.beat()
      _ = heard.await { if case .members = $0 { true } else { false } }
    }
    func ask(_ question: String) throws -> String {
      try server.execute("SELECT \(question) FROM moondial.leadership", in: url)
    }
    let leader = try store(.scheduler, node: "a", lease: long)
    let before = try ask("expires_at")
    beat()
    #expect(try ask("expires_at > '\(before)'") == "t")
    leader.close()
    beat()
    #expect(try ask("expires_at <= clock_timestamp()") == "t")
  }

  @Test("who stands by asks nothing while its beats say that another host has the lease, and has it when it is free")
  func asksNothing() throws {
    let lease: Int64 = 2_000_000_000
    let first = try join("a")
    let leader = try store(.scheduler, node: "a", lease: lease)
    let heard = Heard()
    let second = try join("b", heard)
    let isWaiting = Monitor(false)
    let taken = Monitor<PostgresStore?>(nil)
    let standby = try NamedThread("standby") {
      let store = try? self.store(.scheduler, node: "b", lease: lease) { _ in isWaiting.change { $0 = true } }
      taken.change { $0 = store }
    }
    _ = isWaiting.wait { $0 ? true : nil }
    /// When sessions that neither beat nor lead asked something last.
    func asked() throws -> String {
      try server.execute(
        """
        SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
        AND query LIKE '%FROM leadership%' AND query NOT LIKE 'WITH beat%' ORDER BY 1
        """, in: url)
    }
    let before = try asked()
    #expect(!before.isEmpty)
    for _ in 1...4 {
      heard.forget()
      #expect(heard.await { if case .members = $0 { true } else { false } } != nil)
    }
    #expect(try asked() == before)
    leader.close()
    let next = taken.wait(until: monotonicNow() + 10_000_000_000) { $0 }
    #expect(next != nil)
    standby.join()
    next?.close()
    first.leave()
    second.leave()
  }

  @Test("a clock that differs from the server's by more than a second is told, and is in the member's row")
  func clocks() throws {
    let heard = Heard()
    let skewed = ShiftedClock(by: 300_000_000_000)
    let member = try join("a", heard, clock: skewed)
    defer { member.leave() }
    guard case .clockAhead(let ahead)? = heard.await({ if case .clockAhead = $0 { true } else { false } }) else {
      Issue.record("not told")
      return
    }
    #expect(ahead > 299_000_000_000 && ahead < 301_000_000_000)
    member.beat()
    let told = heard.await { if case .members(let members) = $0 { members.first?.clockAhead != 0 } else { false } }
    #expect(told != nil)
    skewed.shift.withLock { $0 = 0 }
    member.beat()
    #expect(heard.await { $0 == .clockAhead(0) } != nil)
  }

  @Test("a session that is ended is made anew, and a row that is gone is made again")
  func comesBack() throws {
    let heard = Heard()
    let member = try join("a", heard)
    defer { member.leave() }
    _ = heard.await { if case .members = $0 { true } else { false } }
    try server.execute("DELETE FROM moondial.members", in: url)
    try server.execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'moondial%'", in: url)
    heard.forget()
    let back = heard.await { if case .members(let members) = $0 { members.map(\.name) == ["a"] } else { false } }
    #expect(back != nil)
  }

  @Test("a clock's difference is what the time of the question leaves no doubt about")
  func differences() {
    // The server answered at some moment between the two.
    #expect([(10, 12, 14), (10, 10, 10), (20, 12, 22), (2, 12, 5)].map(difference) == [0, 0, 8, -7])
  }

  private func difference(_ before: Int64, _ server: Int64, _ after: Int64) -> Int64 {
    ServerClock.ahead(before: before, server: server, after: after)
  }
}

/// The system's clock, and a shift.
private final class ShiftedClock: WallClock {
  let shift: Mutex<Int64>
  init(by nanoseconds: Int64) { shift = Mutex(nanoseconds) }
  var now: Instant { SystemWallClock().now.advanced(byNanoseconds: shift.withLock { $0 }) }
}
