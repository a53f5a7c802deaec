import Basics
import Chronology
import JobModel
import MoondialTesting
import PostgresFixture
import TestSupport
import Testing

@testable import PostgresStore

private let start = StoreConformance.second(0)

private func run(_ id: Int64, _ job: String = "a", at seconds: Int64? = nil) -> RunRecord {
  var run = RunRecord(
    id: RunID(id), job: job, cause: .schedule, scheduledAt: StoreConformance.second(seconds ?? id),
    claimedAt: StoreConformance.second(seconds ?? id))
  run.finishedAt = run.claimedAt
  run.outcome = .succeeded
  return run
}

private func decision(_ second: Int64, number: Int64) -> DecisionRange {
  let at = StoreConformance.second(second)
  var range = DecisionRange(
    job: "a", kind: .skipped, reason: .overlap, first: at, last: at, count: 1, clockEpoch: ClockEpoch(0), decidedAt: at)
  range.number = number
  return range
}

private func open(
  _ url: String, _ mode: StoreAccess = .scheduler, _ edit: (inout PostgresStore.Options) -> Void = { _ in }
) throws -> PostgresStore {
  var options = PostgresStore.Options()
  options.clock = StandingClock(start)
  edit(&options)
  return try PostgresStore(StoreAddress(url), mode: mode, options: options)
}

private func error(_ body: () throws -> Void) -> StoreError? {
  do { try body() } catch { return error as? StoreError }
  return nil
}

@Suite("A PostgreSQL store", .enabled(if: PostgresServer.isInstalled))
struct PostgresStoreTests {
  let server: PostgresServer
  let url: String

  init() throws {
    server = try #require(PostgresServer.shared)
    url = try server.database()
  }

  // MARK: One host

  @Test("a second host is refused with who has the store, until the first one has gone")
  func oneHost() throws {
    let first = try open(url)
    let refusal = error { try open(url).close() }
    #expect(refusal?.code == .locked)
    #expect(refusal?.message.contains("another host schedules from this store (process ") == true)
    #expect(first.isHosted)
    first.close()
    let second = try open(url)
    #expect(second.isHosted)
    second.close()
    #expect(try !open(url, .reader).isHosted)
  }

  @Test("a host that was stopped in the middle of a transaction does not keep the next one waiting")
  func frozenTransaction() throws {
    let first = try open(url)
    // As the session of a host that is stopped between two packets: it has the row, and says nothing more.
    let frozen = try PostgresConnection(
      PostgresTarget(StoreAddress(url)), setup: "SET search_path = moondial; SET application_name = 'another name'")
    _ = try frozen.ask(
      """
      UPDATE leadership SET backend = pg_backend_pid(), expires_at = clock_timestamp(), \
      backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
      """)
    _ = try frozen.run([
      PostgresStep("BEGIN"), PostgresStep("SELECT prove((SELECT epoch FROM leadership), 0, 0, 60000)"),
    ])
    let second = try open(url)
    #expect(error { try first.commit(.make { $0.claims = [run(1)] }) }?.code == .lost)
    second.close()
    first.close()
  }

  @Test("who takes over ends the session of the former host, and none that has only its number")
  func eviction() throws {
    let first = try open(url)
    let other = try PostgresConnection(
      PostgresTarget(StoreAddress(url)), setup: "SET search_path = moondial; SET application_name = 'moondial'")
    _ = try other.ask(
      """
      UPDATE leadership SET backend = pg_backend_pid(), expires_at = clock_timestamp(), \
      backend_start = clock_timestamp() - interval '1 day'
      """)
    let second = try open(url)
    #expect(try other.ask("SELECT 1").count == 1)
    second.close()
    first.close()
  }

  @Test("a session that the host has given up proves nothing any more, whatever was sent to it")
  func formerSession() throws {
    let target = PostgresTarget(StoreAddress(url))
    try open(url).close()
    let setup = "SET search_path = moondial"
    let former = try PostgresConnection(target, setup: setup)
    let lease = try PostgresLease.take(former, target, length: 60_000_000_000, byForce: false)
    _ = try former.run([lease.proof(highestRun: 1, decision: 1, commit: 1)])
    let next = try PostgresConnection(target, setup: setup)
    let standing = try lease.resume(next, target)
    #expect(standing.commit == 1 && standing.decision == 1)
    #expect(error { _ = try former.run([lease.proof(highestRun: 2, decision: 2, commit: 2)]) }?.code == .lost)
    _ = try next.run([lease.proof(highestRun: 3, decision: 3, commit: 3)])
  }

  @Test("a lease is renewed while nothing is written")
  func renewal() throws {
    let store = try open(url) { $0.lease = 300_000_000 }
    let first = try server.execute("SELECT expires_at FROM moondial.leadership", in: url)
    let connection = try PostgresConnection(PostgresTarget(StoreAddress(url)), setup: "SELECT 1")
    var later = first
    while later == first { later = try connection.ask("SELECT expires_at::text FROM moondial.leadership").text(0, 0) }
    #expect(store.isHosted)
    store.close()
  }

  // MARK: A server that goes away

  @Test("a restart of the server fails what is handed over meanwhile, and nothing of it is lost or there twice")
  func restart() throws {
    let server = try PostgresServer()
    let url = try server.database()
    let store = try open(url)
    let range = decision(1, number: 1)
    try store.commit(
      .make {
        $0.finished = [run(1)]; $0.decisions = [range]
      })
    try server.stop(.immediate)
    let next = decision(5, number: 2)
    let batch = StoreBatch.make {
      $0.finished = [run(2)]; $0.decisions = [range, next]
    }
    let away = error { try store.commit(batch) }
    #expect(away?.code == .io)
    #expect(away?.message.contains("its jobs wait until") == true)
    #expect(error { _ = try store.runs(RunQuery()) }?.code == .io)
    try server.start()
    while error({ try store.commit(batch) }) != nil {}
    #expect(try store.runs(RunQuery()).map(\.id.number) == [2, 1])
    #expect(try store.decisions(DecisionQuery()).map(\.count) == [1, 1])
    store.close()
  }

  @Test("a session that the server ends is replaced")
  func endedSessions() throws {
    let store = try open(url)
    try store.commit(.make { $0.finished = [run(1)] })
    _ = try store.runs(RunQuery())
    try server.execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
      in: url)
    #expect(try store.runs(RunQuery()).count == 1, "a reader tries once more by itself")
    try store.commit(.make { $0.finished = [run(2)] })
    #expect(try store.runs(RunQuery()).count == 2, "the writer makes another one before it gives up")
    store.close()
  }

  @Test("a batch that the server refuses fails alone")
  func poison() throws {
    try open(url).close()
    try server.execute("ALTER TABLE moondial.runs ADD CHECK(id <> 13)", in: url)
    let store = try open(url)
    let answers = Monitor<[Int64: StoreError?]>([:])
    for id in 1...40 as ClosedRange<Int64> {
      store.apply(.make { $0.finished = [run(id)] }) { error in answers.change { $0[id] = .some(error) } }
    }
    try store.commit(StoreBatch())
    let failed = answers.withLock { $0.filter { $0.value != nil }.keys.sorted() }
    #expect(failed == [13])
    #expect(try store.runs(RunQuery()).count == 39)
    store.close()
  }

  // MARK: What is kept

  @Test("history goes beyond its limits in slices, with its lines, and the newest run stays")
  func pruning() throws {
    let store = try open(url)
    store.append(
      log: (1...2_000).map { id in
        RunLogLine(run: RunID(Int64(id)), job: "a", at: start, level: "info", message: "line")
      })
    try store.commit(StoreBatch())
    while try store.log(of: RunID(2_000), limit: 1).isEmpty { try store.commit(StoreBatch()) }
    try store.commit(.make { $0.finished = (1...2_000).map { run(Int64($0)) } })
    var retention = Retention()
    retention.standard = Retention.Limit(runs: 5, age: nil)
    store.setRetention(retention)
    while try store.runs(RunQuery(limit: 10)).count > 5 { try store.commit(StoreBatch()) }
    #expect(try store.runs(RunQuery()).map(\.id.number) == [2_000, 1_999, 1_998, 1_997, 1_996])
    #expect(try server.execute("SELECT count(*) FROM moondial.run_log", in: url) == "5")
    #expect(try store.load().nextRunID == RunID(2_001))
    store.close()
  }

  @Test("what is too old goes, but for the newest run of each job")
  func age() throws {
    let store = try open(url) { options in
      options.clock = StandingClock(StoreConformance.second(100 * 86_400))
      options.retention.standard = Retention.Limit(runs: nil, age: 86_400_000_000_000)
      options.retention.jobs["b"] = Retention.Limit(runs: nil, age: nil)
    }
    try store.commit(
      .make {
        $0.finished = [run(1), run(2), run(3, "b"), run(4, "b"), run(5, "c", at: 100 * 86_400), run(6, "c")]
      })
    var left: [Int64] = []
    while left != [6, 5, 4, 3, 2] {
      try store.commit(StoreBatch())
      left = try store.runs(RunQuery()).map(\.id.number)
    }
    store.close()
  }

  @Test("lines of the oldest runs make room when a job has more than its share")
  func logQuota() throws {
    let store = try open(url) { $0.retention.logBytesPerJob = 10_000 }
    for id in 1...50 as ClosedRange<Int64> {
      store.append(
        log: [
          RunLogLine(
            run: RunID(id), job: "a", at: start, level: "info", message: String(repeating: "x", count: 1_000))
        ])
    }
    var bytes = Int.max
    while bytes > 10_000 {
      try store.commit(StoreBatch())
      bytes = Int(try server.execute("SELECT coalesce(sum(bytes), 0) FROM moondial.log_sizes", in: url)) ?? 0
    }
    #expect(try store.log(of: RunID(50), limit: 9).count == 1, "the newest stay")
    #expect(try store.log(of: RunID(1), limit: 9).isEmpty)
    store.close()
  }

  @Test("a text with the character NUL comes back as it was, and harms no other")
  func zeros() throws {
    let store = try open(url)
    var failed = run(1)
    failed.outcome = .failed
    failed.error = RunError(message: "a\0b\u{f8fa}\u{f8fa}0c")
    try store.commit(.make { $0.finished = [failed, run(2)] })
    #expect(try store.runs(RunQuery(id: RunID(1))).first?.error?.message == "a\0b\u{f8fa}\u{f8fa}0c")
    let change = KeyValueChange(space: "s\0", key: "k\0", value: JSONText("1"))
    #expect(try store.keyValues.change(change, at: start))
    #expect(try store.keyValues.keys(prefix: "k\0", in: "s\0", limit: 9, at: start) == ["k\0"])
    store.close()
  }

  @Test("a sign that makes one letter with what follows it comes back as it was")
  func accents() {
    for text in ["\u{f8fa}\u{301}", "\u{f8fa}0\u{301}x", "\0\u{301}", "\u{f8fa}1\u{f8fa}", "\u{f8fa}", "é\0", ""] {
      let written = String(decoding: PostgresText.escaped(text.utf8), as: UTF8.self)
      #expect(Array(PostgresText.unescaped(written).utf8) == Array(text.utf8), "\(text.debugDescription)")
    }
    #expect(PostgresText.unescaped("\u{f8fa}\u{301}") == "\u{f8fa}\u{301}", "it was written by somebody else")
  }

  @Test("a join remembers a run of a job whose name begins with an accent")
  func accentedNames() throws {
    let store = try open(url)
    var record = ScheduleRecord(job: "join", trigger: nil, registeredAt: start)
    record.arrivals = [UpstreamArrival(job: "\u{301}up", run: RunID(7))]
    try store.commit(.make { $0.schedules = [record] })
    #expect(try store.schedules() == [record])
    store.close()
  }

  @Test("paths that are longer than an index entry are remembered")
  func longPaths() throws {
    let store = try open(url)
    let path = "/" + String(repeating: "d/", count: 2_000)
    let mark = FileMark(
      job: "a", path: path, version: FileVersion(device: .max, inode: .max, size: 1, modified: 2), at: start)
    try store.commit(.make { $0.files = [mark] })
    #expect(try store.files(of: "a") == [mark])
    store.close()
  }

  @Test("an orphan is forgotten with its parked run and its steps, unless a host is up that will go on with it")
  func forgetting() throws {
    let host = try open(url)
    var record = ScheduleRecord(job: "a", trigger: nil, registeredAt: start)
    record.orphanedAt = start
    var parked = run(1)
    (parked.outcome, parked.finishedAt, parked.claimedAt, parked.startedAt) = (nil, nil, nil, start)
    parked.park = RunPark(position: 1, until: nil, event: "go")
    let step = RunStep(run: RunID(1), position: 1, kind: .wait, name: "go", attempt: 1, startedAt: start)
    try host.commit(
      .make {
        $0.schedules = [record]
        $0.waiting = [parked]
        $0.steps = [.put(step)]
      })
    let beside = try open(url, .alongside)
    #expect(try beside.forget("a") == .underWay(RunID(1)))
    #expect(try beside.forget("b") == .unknown)
    host.close()
    #expect(try beside.forget("a") == .forgotten)
    #expect(try beside.steps(of: RunID(1)).isEmpty && beside.openRuns().isEmpty && beside.schedules().isEmpty)
    beside.close()
  }

  // MARK: Alongside a host

  @Test("a process alongside a host gets ids that hosts leave out, and its run is alive as long as it is")
  func alongside() throws {
    let host = try open(url)
    try host.commit(.make { $0.finished = [run(1)] })
    let beside = try open(url, .alongside)
    let id = try beside.externalRunID()
    #expect(id == RunID(16))
    try beside.commit(
      .make { $0.claims = [RunRecord(id: id, job: "x", cause: .manual, scheduledAt: start, claimedAt: start)] })
    #expect(try host.load().unfinished.isEmpty, "it is not the host's to end")
    host.close()
    #expect(try beside.living(among: beside.openRuns()) == [id])
    beside.close()
    let next = try open(url)
    #expect(try next.load().unfinished.map(\.id) == [id], "its process has gone")
    #expect(try next.load().nextRunID > id)
    next.close()
  }

  @Test("a run alongside a host is alive also after its session was ended, and after the server was started anew")
  func alongsideAgain() throws {
    let own = try PostgresServer()
    let url = try own.database()
    let host = try open(url)
    let beside = try open(url, .alongside)
    let id = try beside.externalRunID()
    try beside.commit(
      .make { $0.claims = [RunRecord(id: id, job: "x", cause: .manual, scheduledAt: start, claimedAt: start)] })
    func holder() throws -> String {
      try own.execute(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = \(0x4d4f_4f4e)", in: url)
    }
    for accident in ["ended", "restarted"] {
      let before = try holder()
      #expect(!before.isEmpty)
      if accident == "ended" {
        try own.execute("SELECT pg_terminate_backend(\(before))", in: url)
      } else {
        try own.stop(.fast)
        try own.start()
      }
      let end = monotonicNow() + 20_000_000_000
      var after = ""
      // A host that starts right after the server waits for it.
      while accident == "ended", after.isEmpty || after == before, monotonicNow() < end { after = try holder() }
      #expect(after != before, "\(accident)")
      #expect(try host.load().unfinished.isEmpty, "\(accident): it is not the host's to end")
    }
    beside.close()
    host.close()
  }

  @Test("a reader changes nothing, says when there is nothing yet, and what it may not do")
  func reading() throws {
    #expect(error { try open(url, .reader).close() }?.code == .absent)
    try open(url).close()
    let reader = try open(url, .reader)
    #expect(error { try reader.commit(.make { $0.finished = [run(1)] }) }?.code == .readOnly)
    reader.close()
    try server.execute("INSERT INTO moondial.versions VALUES(99)", in: url)
    for mode in [StoreAccess.reader, .scheduler] { #expect(error { try open(url, mode).close() }?.code == .version) }
  }

  // MARK: What cannot be used

  @Test("an address that leads nowhere is one sentence, without its password")
  func nowhere() throws {
    let cases = [
      ("postgres://postgres:sesame@/none?host=\(server.directory)", "there is no such database"),
      ("postgres://ann:sesame@/x?host=/nowhere", "cannot be reached"),
      ("postgres://ann@/x?host=/nowhere&password=sesame", "cannot be reached"),
      ("postgres://ann@/x?nonsense=1", "cannot be reached"),
    ]
    for (address, sentence) in cases {
      let message = error { try open(address).close() }?.message ?? ""
      #expect(message.contains(sentence), "\(address): \(message)")
      #expect(!message.contains("sesame") && !message.contains("\n"), "\(message)")
    }
  }

  @Test("a database in another encoding, a user without rights")
  func unusable() throws {
    try server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    #expect(error { try open(server.url("latin")).close() }?.message.contains("not in UTF-8") == true)
    try server.execute("CREATE ROLE guest LOGIN")
    let guest = url.replacing("postgres://postgres@", with: "postgres://guest@")
    let refusal = error { try open(guest).close() }
    #expect(refusal?.code == .readOnly)
    #expect(refusal?.message.contains("GRANT CREATE") == true, "\(refusal?.message ?? "")")
  }

  @Test("two hosts that begin on an empty database at once make one set of tables")
  func migrations() throws {
    let outcomes = Monitor<[StoreAccess]>([])
    Threads.run(4) { _ in
      if let store = try? open(url, .alongside) {
        store.close()
        outcomes.change { $0.append(.alongside) }
      }
    }
    #expect(outcomes.withLock { $0.count } == 4)
    let versions = try server.execute("SELECT count(*) FROM moondial.versions", in: url)
    #expect(versions == "\(PostgresSchema.currentVersion)")
  }
}
