import Foundation
import MongoFixtures
import Testing

/// The binary over a MongoDB store.
@Suite("A host over MongoDB, end to end", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoHostTests {
  private func place(_ address: String, _ script: String) throws -> Place {
    let place = try Place()
    try Data("return { stores = { default = \"\(address)\" } }".utf8)
      .write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    try place.save("a.lua", script)
    return place
  }

  @Test(
    "jobs run, commands answer, and after kill -9 the next host has what was claimed, paused and set",
    arguments: MongoProcess.Kind.allCases)
  func life(kind: MongoProcess.Kind) throws {
    let server = try MongoProcess.shared(kind)
    let place = try place(
      server.freshAddress(),
      """
      job "once" { run_at_start = true, run = function() kv.set("$a.b", { seen = true }) print("once is done") end }
      job "held" { run_at_start = true, run = function() print("held") sleep("1h") end }
      job "tick" { every = "100ms", run = function() end }
      """)
    #expect(try place.run("list").status == 0, "nothing is there yet")
    let host = try place.host("-v")
    try host.awaitAnywhere("once is done")
    try host.awaitAnywhere(": held")
    try host.awaitLine { $0.contains("tick #") && $0.contains("succeeded") }
    if ProcessThread.mayBeInRealTime {
      try place.ask(until: "it writes in real time") { try ProcessThread.priorities(host, "mongo-writer").contains(2) }
    }
    #expect(try place.run("pause", "tick", "--reason", "moving house").status == 0)
    let second = try place.host("--state", place.path + "/other")
    try second.awaitLine(containing: "another host has it (process \(host.pid) on ")
    second.signal(SIGKILL)
    try second.awaitExit()
    let history = try place.run("history", "once", "--json")
    #expect(history.status == 0 && history.output.joined().contains("\"succeeded\""), "\(history)")
    let explained = try place.run("explain", "held")
    #expect(explained.output.contains { $0.contains("running since") }, "\(explained)")
    #expect(try place.run("exec", "once").status == 0, "a run beside the host")
    let both = try place.run("history", "once", "--json")
    #expect(both.output.joined(separator: "\n").split(separator: "\n").count == 2, "\(both)")
    let doctor = try place.run("doctor", "--json")
    #expect(doctor.status == 0 && doctor.output.joined().contains("\"kv\":1"), "\(doctor)")
    host.signal(SIGKILL)
    try host.awaitExit()

    let next = try place.host()
    try next.awaitAnywhere(": held")
    #expect(next.text.contains("interrupted"))
    let paused = try place.run("list")
    #expect(paused.output.contains { $0.hasPrefix("tick ") && $0.contains("paused") }, "\(paused)")
    #expect(try place.run("resume", "tick").status == 0)
    let log = try place.run("logs", "once")
    #expect(log.output.contains { $0.contains("once is done") }, "\(log)")
    next.signal(SIGTERM)
    try next.awaitLine(containing: "stopping")
    next.signal(SIGTERM)
    try next.awaitExit()
  }

  @Test(
    "a run with steps parks, survives kill -9, goes on where it was, and its transaction and outbox are done once",
    arguments: MongoProcess.Kind.allCases)
  func steps(kind: MongoProcess.Kind) throws {
    try StepsScript.live(in: place(MongoProcess.shared(kind).freshAddress(), ""))
  }

  @Test("a migration makes nothing where an address was misspelt")
  func misspelt() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let place = try Place()
    for option in [["--dry-run"], []] {
      let moved = try HostProcess.run(["migrate", "--from", address, "--to", "c.db"] + option, in: place.path)
      #expect(
        moved.status == 1 && moved.errors.contains { $0.contains("there is no store yet") }, "\(moved)")
    }
    #expect(try MongoProcess.shared(.alone).holds(address) == false)
  }

  @Test("mongod restarts under a host: jobs of other stores go on, and no fire is lost or decided twice")
  func restart() throws {
    let server = try MongoProcess(.replicaSet)
    let place = try place(
      server.address("jobs"),
      """
      job "tick" { every = "100ms", overlap = "queue", coalesce = "all", run = function() end }
      job "other" { every = "100ms", store = "local", run = function() end }
      """)
    try Data("return { stores = { default = \"\(server.address("jobs"))\", [\"local\"] = \"memory\" } }".utf8)
      .write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    let host = try place.host("-v")
    try host.awaitLine { $0.contains("tick #") && $0.contains("succeeded") }
    server.kill()
    for _ in 0..<5 { try host.awaitLine { $0.contains("other #") && $0.contains("succeeded") } }
    try server.start()
    for _ in 0..<5 { try host.awaitLine { $0.contains("tick #") && $0.contains("succeeded") } }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)

    let lines = try place.run("history", "tick", "--limit", "100000", "--json").output
    var times: [String] = []
    for line in lines {
      let run = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      times.append(try #require(run["scheduled_at"] as? String))
      #expect(run["outcome"] as? String == "succeeded", "\(line)")
    }
    #expect(Set(times).count == times.count && times.count > 6)
    // Newest first; one interval lies between two of them, wherever mongod was.
    let instants = try times.map { try #require(Self.milliseconds($0)) }
    for (later, earlier) in zip(instants, instants.dropFirst()) { #expect(later - earlier == 100, "\(times)") }
  }

  private static func milliseconds(_ text: String) -> Int64? {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    return formatter.date(from: text).map { Int64(($0.timeIntervalSince1970 * 1_000).rounded()) }
  }

  @Test("a host that was frozen for longer than its lease is fenced, ends what it runs, and stands by")
  func frozen() throws {
    let server = try MongoProcess.shared(.alone)
    let address = server.freshAddress()
    let place = try place(
      address,
      """
      job "tick" { every = "200ms", run = function() end }
      job "long" { run_at_start = true, run = function() print("began") sleep("1h") print("ended") end }
      """)
    try Data("return { stores = { default = { url = \"\(address)\", lease = \"2s\" } } }".utf8)
      .write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    let first = try place.host("-v", "--grace", "0s")
    try first.awaitLine { $0.contains("tick #") && $0.contains("succeeded") }
    let second = try place.host("-v", "--grace", "0s", "--state", place.path + "/other")
    try second.awaitLine(containing: "another host has it (process ")
    first.signal(SIGSTOP)
    try second.awaitLine { $0.contains("tick #") && $0.contains("succeeded") }
    first.signal(SIGCONT)
    try first.awaitAnywhere("this host begins anew, to stand by")
    try first.awaitLine(containing: "standby: ")
    #expect(!first.text.contains(": ended"))
    for _ in 0..<3 { try second.awaitLine { $0.contains("tick #") && $0.contains("succeeded") } }
    // To take over is no start.
    #expect(!second.text.contains("began"))
    first.signal(SIGKILL)
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    let runs = try place.run("history", "tick", "--limit", "100000", "--json", "--state", place.path + "/other").output
    let times = try runs.map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])["scheduled_at"] as? String
    }
    #expect(Set(times).count == times.count && times.count > 4)
  }

  @Test("a store moves from a file to MongoDB and back, killed in the middle of each way, and tells the same story")
  func moves() throws {
    let server = try MongoProcess.shared(.alone)
    let address = server.freshAddress()
    let place = try Place()
    try SeededStore.fill(place.path + "/a.db", runs: 5_000)
    for (from, to) in [("a.db", address), (address, "b.db")] {
      let first = try HostProcess(["migrate", "--from", from, "--to", to], in: place.path)
      try first.awaitLine(containing: "rows of log")
      first.signal(SIGKILL)
      try first.awaitExit()
      let second = try place.run("migrate", "--from", from, "--to", to, "--json")
      #expect(second.status == 0 && second.output.joined().contains("\"resumed\":true"), "\(second)")
    }
    try SeededStore.expectSame(place.path + "/a.db", place.path + "/b.db")
  }
}
