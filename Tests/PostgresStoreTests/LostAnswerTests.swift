import Basics
import Chronology
import JobModel
import MoondialTesting
import PostgresFixture
import StoreSupport
import TestSupport
import Testing

@testable import PostgresStore

private let start = StoreConformance.second(0)

@Suite("What a PostgreSQL store does when an answer is lost or late", .enabled(if: PostgresServer.isInstalled))
struct LostAnswerTests {
  let server: PostgresServer
  let proxy: PostgresProxy
  let url: String

  init() throws {
    server = try #require(PostgresServer.shared)
    proxy = try PostgresProxy(to: server)
    url = try server.database()
  }

  private func open(
    _ mode: StoreAccess = .scheduler, directly: Bool = false, _ edit: (inout PostgresStore.Options) -> Void = { _ in }
  ) throws -> PostgresStore {
    var options = PostgresStore.Options()
    options.clock = StandingClock(start)
    edit(&options)
    return try PostgresStore(StoreAddress(directly ? url : proxy.url(of: url)), mode: mode, options: options)
  }

  private func set(_ store: PostgresStore, _ text: String, expecting: Int64? = nil) throws -> Bool {
    let change = KeyValueChange(space: "s", key: "k", value: JSONText(text), expecting: expecting)
    return try store.keyValues.change(change, at: start)
  }

  private func finished(_ id: Int64) -> RunRecord {
    var run = RunRecord(id: RunID(id), job: "a", cause: .schedule, scheduledAt: start, claimedAt: start)
    run.finishedAt = start
    run.outcome = .succeeded
    return run
  }

  @Test("a value whose answer is lost is changed once, and answered as it was", arguments: [true, false])
  func compareAndSet(arrives: Bool) throws {
    let store = try open()
    #expect(try set(store, "1", expecting: 0))
    let version = try #require(try store.keyValues.value(of: "k", in: "s", at: start)?.version)
    proxy.next = arrives ? .loseAnswer : .loseRequest
    #expect(try set(store, "2", expecting: version), "it was the one that expected this version")
    #expect(proxy.next == nil)
    #expect(try store.keyValues.value(of: "k", in: "s", at: start)?.value == JSONText("2"))
    proxy.next = arrives ? .loseAnswer : .loseRequest
    #expect(try !set(store, "3", expecting: version), "and one that did not is answered so")
    #expect(try store.keyValues.value(of: "k", in: "s", at: start)?.value == JSONText("2"))
    store.close()
  }

  @Test("a process alongside says that it does not know, and does nothing twice")
  func alongside() throws {
    let store = try open(.alongside)
    #expect(try set(store, "1", expecting: 0))
    proxy.next = .loseAnswer
    var said = ""
    do { _ = try set(store, "2") } catch { said = "\(error)" }
    #expect(said.contains("it may have been written or not"), "\(said)")
    proxy.next = .loseAnswer
    try store.commit(.make { $0.finished = [finished(1)] })
    #expect(try store.runs(RunQuery()).map(\.id.number) == [1], "a batch is written again")
    store.close()
  }

  @Test("lines whose answer is lost are there once, and counted once", arguments: [true, false])
  func lines(arrives: Bool) throws {
    let store = try open()
    try store.commit(StoreBatch())
    proxy.next = arrives ? .loseAnswer : .loseRequest
    let line = RunLogLine(run: RunID(1), job: "a", at: start, level: "info", message: "it")
    store.append(log: [line, line])
    while proxy.next != nil { try store.commit(StoreBatch()) }
    try store.commit(StoreBatch())
    #expect(try store.log(of: RunID(1), limit: 9).count == 2)
    let bytes = try server.execute("SELECT bytes FROM moondial.log_sizes", in: url)
    #expect(bytes == "\(2 * line.bytes)")
    store.close()
  }

  @Test("a transaction whose answer is lost is committed once, with one intent")
  func transaction() throws {
    let store = try open()
    var transaction = RunTransaction()
    var step = RunStep(run: RunID(1), position: 1, kind: .transaction, name: "", attempt: 1, startedAt: start)
    step.finishedAt = start
    transaction.step = step
    transaction.keyValues = [KeyValueChange(space: "s", key: "k", value: JSONText("1"))]
    transaction.intent = RunIntent(run: RunID(1), position: 1, job: "a", at: start, operations: JSONText("[1]"))
    try store.commit(StoreBatch())
    proxy.next = .loseAnswer
    let answer = try store.commit(transaction, at: start)
    let intents = try store.load().intents
    #expect(intents.count == 1 && answer == .committed(intent: intents.first?.id ?? -1))
    store.close()
  }

  @Test("an answer that comes after the lease has ended counts, once this host has made sure that it still leads")
  func late() throws {
    let store = try open { $0.lease = 300_000_000 }
    let (run, outcome) = try holdAnswer(of: store)
    try awaitEnd()
    proxy.letGo()
    let answer = try #require(outcome.wait { $0.first })
    #expect(answer == nil, "\(String(describing: answer))")
    #expect(try store.load().unfinished.map(\.id).contains(run))
    store.close()
  }

  @Test("when another host leads by then, nothing begins by what was written, and nobody says that it was not")
  func overtaken() throws {
    let store = try open { $0.lease = 300_000_000 }
    let (run, outcome) = try holdAnswer(of: store)
    try awaitEnd()
    let next = try open(directly: true)
    proxy.letGo()
    let answer = try #require(outcome.wait { $0.first } ?? nil)
    #expect(answer.code == .lost && answer.message.contains("the other one's to settle"), "\(answer)")
    #expect(try next.load().unfinished.map(\.id).contains(run), "it was written")
    store.close()
    next.close()
  }

  /// Has a claim committed, and its answer held. What is held may be a renewal's: then the next one.
  private func holdAnswer(of store: PostgresStore) throws -> (RunID, Monitor<[StoreError?]>) {
    var id: Int64 = 0
    while true {
      id += 1
      let claim = RunRecord(id: RunID(id), job: "a", cause: .schedule, scheduledAt: start, claimedAt: start)
      let outcome = Monitor<[StoreError?]>([])
      proxy.next = .holdAnswer
      store.apply(.make { $0.claims = [claim] }) { error in outcome.change { $0.append(error) } }
      proxy.awaitHolding()
      let found = try server.execute("SELECT count(*) FROM moondial.open_runs WHERE id = \(id)", in: url)
      if found == "1" { return (claim.id, outcome) }
      proxy.letGo()
      _ = outcome.wait { $0.first }
    }
  }

  /// Returns when the lease has ended by the server's clock.
  private func awaitEnd() throws {
    try server.execute(
      "SELECT pg_sleep(greatest(0, extract(epoch FROM expires_at - clock_timestamp())) + 0.05) FROM moondial.leadership",
      in: url)
  }

  @Test("a host goes by a renewal of its lease only when no crash of the server takes it back")
  func renewedOnDisk() throws {
    let own = try PostgresServer()
    // Nobody writes to the disk what no commit does.
    try own.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    try own.execute("SELECT pg_reload_conf()")
    let url = try own.database()
    var options = PostgresStore.Options()
    options.synchronous = .normal
    try PostgresStore(StoreAddress(url), options: options).close()
    let target = PostgresTarget(StoreAddress(url))
    let setup = PostgresStore.setup(options)
    let connection = try PostgresConnection(target, setup: setup)
    let length: Int64 = 600_000_000_000
    let taken = try PostgresLease.take(connection, target, length: length, byForce: false)
    let lease = PostgresLease(epoch: taken.epoch, length: length, sentAt: HeldLease.now - length / 2)
    var writer = PostgresWriter(
      connection, target, setup: setup, lease: lease, options: options, mark: PostgresDecisionMark())
    _ = try writer.write([.batch(.of(finished(1)))])
    #expect(lease.untilRenewal <= 0, "a commit that may be lost is none")
    writer.maintain()
    #expect(lease.untilRenewal > 0)
    func end() throws -> String { try own.execute("SELECT expires_at FROM moondial.leadership", in: url) }
    let renewed = try end()
    try own.stop(.immediate)
    try own.start()
    #expect(try end() == renewed)
    writer.close()
  }

  @Test("an id for a run alongside, and a drain, are on the disk before anybody goes by them")
  func answeredOnDisk() throws {
    let own = try PostgresServer()
    try own.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    try own.execute("SELECT pg_reload_conf()")
    let url = try own.database()
    var options = PostgresStore.Options()
    options.synchronous = .normal
    func crash() throws {
      try own.stop(.immediate)
      try own.start()
    }
    func beside() throws -> PostgresStore {
      try PostgresStore(StoreAddress(url), mode: .alongside, options: options)
    }
    try PostgresStore(StoreAddress(url), options: options).close()
    try own.execute("CHECKPOINT")
    let first = try beside()
    let id = try first.externalRunID()
    try crash()
    first.close()
    let second = try beside()
    #expect(try second.externalRunID() != id)
    try own.execute(
      """
      INSERT INTO moondial.members(name, life, machine, place, process, process_started, version, labels, executors, \
      workers, since, expires_at) VALUES('a', 'x', '', '', 1, 1, '', '{}', '{}', '{}', now(), now() + interval '1 h')
      """, in: url)
    #expect(try second.setDraining(true, of: "a", by: "ann"))
    try crash()
    #expect(try own.execute("SELECT draining FROM moondial.members", in: url) == "t")
    second.close()
  }
}
