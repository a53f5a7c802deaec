import Foundation
import Glibc
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
    try first.awaitLine(containing: "the lease could not be renewed")
    try first.awaitLine(containing: "this host begins anew, to stand by")
    try first.awaitLine(containing: "standby: ")
    #expect(!first.text.contains(": ended"))
    #expect(try server.execute("SELECT outcome FROM moondial.runs WHERE id = 1", in: url) == "interrupted")
    // The roles change when the second one is stopped: at once, because it gives its lease back.
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    try first.awaitLine(containing: "1 job from 1 script")
    first.signal(SIGTERM)
    #expect(try first.awaitExit() == 0)
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
