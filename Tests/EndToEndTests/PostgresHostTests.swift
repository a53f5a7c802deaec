import Foundation
import Glibc
import MongoFixtures
import PostgresFixture
import Testing

@Suite("A host with a PostgreSQL store", .serialized, .enabled(if: PostgresServer.isInstalled))
struct PostgresHostTests {
  private func configure(_ place: Place, _ stores: String) throws {
    let text = "return { stores = { \(stores) } }"
    try Data(text.utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
  }

  @Test("runs jobs, keeps kv, and commands read it while it is up and when it is not")
  func commands() throws {
    let server = try #require(PostgresServer.shared)
    let place = try Place()
    try configure(place, "default = \"\(try server.database())\"")
    try place.save(
      "a.lua",
      #"""
      job "greet" { every = "1h", run_at_start = true, run = function(ctx)
        kv.set("n", (kv.get("n") or 0) + 1)
        print("hello " .. kv.get("n"))
        return { n = kv.get("n") }
      end }
      """#)
    let before = try place.run("list")
    #expect(before.status == 0 && before.output.contains { $0.contains("greet") }, "\(before.errors)")
    let host = try place.host()
    try host.awaitLine(containing: "greet #1: hello 1")
    var history = try place.run("history", "greet")
    while !history.output.contains(where: { $0.contains("succeeded") }) { history = try place.run("history", "greet") }
    #expect(try place.run("doctor").output.contains { $0.contains("held by") && $0.contains("process \(host.pid)") })
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(try place.run("doctor").output.contains { $0.contains("held by") && $0.contains("no host") })
    let exec = try place.run("exec", "greet")
    #expect(exec.status == 0 && (exec.output + exec.errors).contains { $0.contains("hello 2") }, "\(exec)")
    #expect(try place.run("explain", "greet").output.contains { $0.contains("succeeded") })
    let backup = try place.run("backup", "copy.db")
    #expect(backup.status == 1 && backup.errors.contains { $0.contains("pg_dump") }, "\(backup.errors)")
  }

  @Test("what writes to it is in real time, too", .enabled(if: ProcessThread.mayBeInRealTime))
  func realTime() throws {
    let server = try #require(PostgresServer.shared)
    let place = try Place()
    try configure(place, "default = \"\(try server.database())\"")
    try place.save("a.lua", #"job "ticks" { every = "20ms", run = function() end }"#)
    let host = try place.host()
    try place.ask(until: "it writes in real time") { try ProcessThread.priorities(host, "store-writer") == [2] }
    host.signal(SIGKILL)
    try host.awaitExit()
  }

  @Test("status names the one of two stores that is away, and what waits for it")
  func oneIsAway() throws {
    let server = try PostgresServer()
    let place = try Place()
    try configure(place, "near = \"sqlite:near.db\", far = { url = \"\(try server.database())\", lease = \"10m\" }")
    try place.save(
      "a.lua",
      """
      job "near" { store = "near", every = "1h", run = print }
      job "far" { store = "far", every = "100ms", run = function() print("ran") end }
      """)
    let host = try place.host()
    try host.awaitLine(containing: "far #1: ran")
    try server.stop(.immediate)
    try host.awaitLine(containing: "its jobs stay due and are tried again every second")
    var status = try place.run("status")
    // The next fire time may be a tenth of a second away.
    for _ in 0..<50 where !status.output.contains(where: { $0.hasSuffix(", and waits for store far") }) {
      status = try place.run("status")
    }
    #expect(status.status == 1)
    #expect(status.output.first?.hasPrefix("problem    store far cannot be written: ") == true, "\(status.output)")
    #expect(status.output.contains { $0.hasPrefix("next ") && $0.hasSuffix(", and waits for store far") }, "\(status)")
    #expect(status.output.count { $0.contains("CANNOT BE WRITTEN") } == 1)
    #expect(try place.run("status", "--json").output.joined().contains("\"next_due_store\":\"far\""))
    host.signal(SIGKILL)
    try host.awaitExit()
  }

  @Test("killed in the middle of a run, it records it as interrupted at its next start, and recovers what asks for it")
  func killed() throws {
    let server = try #require(PostgresServer.shared)
    let place = try Place()
    try configure(place, "default = { url = \"\(try server.database())\", lease = \"2s\" }")
    try place.save(
      "a.lua",
      #"""
      job "long" { every = "1h", run_at_start = true, recover = true, run = function(ctx)
        print("began")
        if ctx.id == 1 then sleep("1h") end
      end }
      """#)
    let first = try place.host()
    try first.awaitLine(containing: "began")
    first.signal(SIGKILL)
    try first.awaitExit()
    let second = try place.host()
    try second.awaitLine(containing: "standby: ")
    try second.awaitLine(containing: "long #2: began")
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    #expect(try place.run("history", "long").output.contains { $0.contains("interrupted") })
  }

  @Test("while the server is away its jobs are late and say so, others go on, and nothing is lost or decided twice")
  func serverAway() throws {
    let server = try PostgresServer()
    let place = try Place()
    let url = try server.database()
    try configure(place, "default = \"sqlite:moondial.db\", shared = { url = \"\(url)\", lease = \"2s\" }")
    try place.save(
      "a.lua",
      #"""
      job "own" { every = "200ms", run = function() print("own") end }
      job "common" { store = "shared", every = "200ms", coalesce = "all", run = function() print("common") end }
      """#)
    let host = try place.host()
    try host.awaitLine(containing: "common #2: common")
    try server.stop(.immediate)
    try host.awaitLine { $0.contains("error") && $0.contains("its jobs") }
    for _ in 0..<5 { try host.awaitLine(containing: ": own") }
    try host.awaitLine(containing: "the lease could not be renewed")
    let before = try host.naps(of: "store-lease")
    for _ in 0..<5 { try host.awaitLine(containing: ": own") }
    #expect(try host.naps(of: "store-lease") - before < 100, "in doubt its watchman waits, and does not spin")
    try server.start()
    try host.awaitLine(containing: "its lease is renewed again")
    try host.awaitLine { $0.hasSuffix(": common") }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let twice = try server.execute(
      "SELECT count(*) FROM (SELECT 1 FROM moondial.runs GROUP BY scheduled_at HAVING count(*) > 1) t", in: url)
    #expect(twice == "0")
    let gaps = try server.execute(
      """
      SELECT count(*) FROM (SELECT scheduled_at - lag(scheduled_at) OVER (ORDER BY scheduled_at) AS step
      FROM moondial.runs) t WHERE step <> 200000000
      """, in: url)
    #expect(gaps == "0", "with coalesce = all each instant has its run")
  }

  @Test("a host that was stopped for longer than its lease is fenced, ends what it runs, and stands by")
  func frozen() throws {
    let server = try #require(PostgresServer.shared)
    let place = try Place()
    let url = try server.database()
    try configure(place, "default = { url = \"\(url)\", lease = \"2s\" }")
    try place.save(
      "a.lua",
      #"job "long" { every = "1h", run_at_start = true, run = function() print("began") sleep("1h") print("ended") end }"#
    )
    let first = try place.host("--state", ".first", "--grace", "0s", "--set", "node.name=first")
    try first.awaitLine(containing: "long #1: began")
    let second = try place.host("--state", ".second", "--grace", "0s", "--set", "node.name=second")
    try second.awaitLine(containing: "standby: ")
    first.signal(SIGSTOP)
    try second.awaitLine(containing: "1 job from 1 script")
    first.signal(SIGCONT)
    // Whether its lease is missed before the other host is noticed is chance.
    try first.awaitLine(containing: "another host has taken this store over: this one starts nothing from it any more")
    try first.awaitLine(containing: "this host begins anew, to stand by")
    try first.awaitLine(containing: "standby: ")
    #expect(!first.text.contains(": ended"))
    #expect(try server.execute("SELECT outcome FROM moondial.runs WHERE id = 1", in: url) == "interrupted")
    // The roles change when the second one is stopped: at once, because it gives its lease back.
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    try first.awaitLine(containing: "1 job from 1 script")
    #expect(try place.run("history", "long", "--state", ".first").output.count { $0.contains("long") } == 1)
    // To take over is no start.
    #expect(!second.text.contains("began"))
    first.signal(SIGTERM)
    #expect(try first.awaitExit() == 0)
  }

  @Test("a host that was fenced and finds the store free begins anew, which is no start")
  func fencedAlone() throws {
    let server = try #require(PostgresServer.shared)
    let place = try Place()
    let url = try server.database()
    try configure(place, "default = { url = \"\(url)\", lease = \"2s\" }, [\"local\"] = \"sqlite:own.db\"")
    try place.save(
      "a.lua",
      """
      job "one" { every = "1h", run_at_start = true, run = function() end }
      job "own" { every = "1h", run_at_start = true, store = "local", run = function() end }
      """)
    let first = try place.host("-v", "--state", ".first", "--set", "node.name=first")
    for _ in 1...2 { try first.awaitLine { $0.contains(" #") && $0.contains("succeeded") } }
    let second = try place.host("--state", ".second", "--set", "node.name=second")
    try second.awaitLine(containing: "standby: ")
    first.signal(SIGSTOP)
    try second.awaitLine(containing: "2 jobs from 1 script")
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    first.signal(SIGCONT)
    try first.awaitLine(containing: "this host begins anew")
    try first.awaitLine(containing: "2 jobs from 1 script")
    first.signal(SIGTERM)
    #expect(try first.awaitExit() == 0)
    for job in ["one", "own"] {
      let runs = try place.run("history", job, "--state", ".first", "--json").output
      #expect(runs.count == 1, "\(job): \(runs)")
    }
    // Whoever starts it does start it.
    let again = try place.host("-v", "--state", ".first", "--set", "node.name=first")
    for _ in 1...2 { try again.awaitLine { $0.contains(" #") && $0.contains("succeeded") } }
    again.signal(SIGTERM)
    #expect(try again.awaitExit() == 0)
  }

  @Test("a run with steps parks, survives kill -9, goes on where it was, and its transaction and outbox are done once")
  func steps() throws {
    let server = try #require(PostgresServer.shared)
    let place = try Place()
    let url = try server.database()
    try configure(place, "default = { url = \"\(url)\", lease = \"2s\" }")
    try StepsScript.live(in: place)
    #expect(try server.execute("SELECT count(*) FROM moondial.intents", in: url) == "0")
    #expect(try server.execute("SELECT count(*) FROM moondial.open_runs", in: url) == "0")
  }

  @Test(
    "a store moves from a file to PostgreSQL, on to MongoDB, back and into a file, killed in the middle of each way, and tells the same story"
  )
  func moves() throws {
    let server = try #require(PostgresServer.shared)
    let place = try Place()
    var stores = ["a.db", try server.database(), "b.db"]
    if MongoProcess.isThere {
      let mongo = try MongoProcess.shared(.alone).freshAddress()
      stores = ["a.db", try server.database(), mongo, try server.database(), "b.db"]
    }
    try SeededStore.fill(place.path + "/a.db", runs: 5_000)
    for (from, to) in zip(stores, stores.dropFirst()) {
      let planned = try place.run("migrate", "--from", from, "--to", to, "--dry-run")
      #expect(planned.status == 0, "\(planned)")
      let first = try HostProcess(["migrate", "--from", from, "--to", to], in: place.path)
      try first.awaitLine(containing: "rows of log")
      first.signal(SIGKILL)
      try first.awaitExit()
      let second = try place.run("migrate", "--from", from, "--to", to, "--json")
      #expect(second.status == 0 && second.output.joined().contains("\"resumed\":true"), "\(from) \(to): \(second)")
    }
    try SeededStore.expectSame(place.path + "/a.db", place.path + "/b.db")
    try SeededStore.expectSame(place.path + "/a.db", stores[1])
    let again = try place.run("migrate", "--from", "a.db", "--to", stores[1])
    #expect(again.status == 0 && again.output.first?.contains("holds the same") == true, "\(again)")
  }

  @Test("a migration makes nothing where an address was misspelt, and keeps hosts out of half a store")
  func careful() throws {
    let server = try #require(PostgresServer.shared)
    let place = try Place()
    let (empty, half) = (try server.database(), try server.database())
    for option in [["--dry-run"], []] {
      let misspelt = try HostProcess.run(["migrate", "--from", empty, "--to", "c.db"] + option, in: place.path)
      #expect(
        misspelt.status == 1 && misspelt.errors.contains { $0.contains("there is no store yet") }, "\(misspelt)")
    }
    #expect(try server.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'moondial'", in: empty) == "0")
    let unknown = try place.run("migrate", "--from", "postgress://ann:sesame@db1/x", "--to", "c.db")
    #expect(unknown.status == 2 && !unknown.errors.joined().contains("sesame"), "\(unknown)")

    try SeededStore.fill(place.path + "/a.db", runs: 5_000)
    let first = try HostProcess(["migrate", "--from", "a.db", "--to", half], in: place.path)
    try first.awaitLine(containing: "rows of log")
    first.signal(SIGKILL)
    try first.awaitExit()
    try configure(place, "default = \"\(half)\"")
    try place.save("a.lua", #"job "it" { every = "1h", run = function() end }"#)
    let host = try place.run("run", "scripts")
    #expect(host.status == 1 && host.errors.contains { $0.contains("is not finished") }, "\(host)")
  }

  @Test("what is wrong with an address is a sentence with its place, without the password")
  func addresses() throws {
    let place = try Place()
    try place.save("a.lua", #"job "it" { every = "1h", run = function() end }"#)
    try configure(place, "default = \"postgres://ann:sesame@/jobs?host=/nowhere\"")
    let host = try place.run("run", "scripts")
    #expect(host.status == 1 && host.errors.contains { $0.contains("cannot be reached") }, "\(host.errors)")
    #expect(!host.errors.joined().contains("sesame"))
    try configure(place, "default = { url = \"memory\", lease = \"5s\" }")
    let lease = try place.run("run", "scripts")
    #expect(lease.errors.contains { $0.contains("stores.default.lease is for stores that several hosts may name") })
  }
}

extension HostProcess {
  /// How often threads of that name have waited so far.
  func naps(of name: String) throws -> Int {
    let tasks = "/proc/\(pid)/task"
    return try FileManager.default.contentsOfDirectory(atPath: tasks).reduce(0) { sum, task in
      guard (try? String(contentsOfFile: "\(tasks)/\(task)/comm", encoding: .utf8)) == name + "\n",
        let status = try? String(contentsOfFile: "\(tasks)/\(task)/status", encoding: .utf8)
      else { return sum }
      let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }
      return sum + (line?.split(separator: "\t").last.flatMap { Int($0) } ?? 0)
    }
  }
}
