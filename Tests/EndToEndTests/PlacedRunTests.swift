import Foundation
import Glibc
import PostgresFixture
import Testing

@Suite("Runs on hosts that stand by", .serialized, .enabled(if: PostgresServer.isInstalled))
struct PlacedRunTests {
  let place: Place
  let url: String
  let server: PostgresServer

  init() throws {
    server = try #require(PostgresServer.shared)
    url = try server.database()
    place = try Place()
    let text = "return { stores = { default = { url = \"\(url)\", lease = \"2s\" } } }"
    try Data(text.utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
  }

  func host(_ name: String, _ labels: String = "plain", scripts: String = "scripts") throws -> HostProcess {
    try HostProcess(
      [
        "run", scripts, "--state", ".\(name)", "--set", "node.name=\(name)", "--set", "node.labels=\(labels)",
        "--grace", "10s",
      ], in: place.path)
  }

  func leader() throws -> HostProcess {
    let first = try host("first")
    try first.awaitLine(containing: "from 1 script in ")
    return first
  }

  func end(_ hosts: HostProcess...) throws {
    for host in hosts { host.signal(SIGTERM) }
    for host in hosts { #expect(try host.awaitExit() == 0) }
  }

  func sql(_ text: String) throws -> String { try server.execute(text, in: url) }

  /// Asks the server until it answers that.
  func awaitAnswer(_ sql: String, _ answer: String) throws {
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    var found = ""
    while Date() < end {
      found = try self.sql(sql)
      if found == answer { return }
    }
    Issue.record("\(sql): \(found)")
  }

  /// Asks the host that leads until it says so.
  func awaitExplained(_ job: String, _ part: String) throws {
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    var found: [String] = []
    while Date() < end {
      found = try place.run("explain", job, "--state", ".first").output
      if found.contains(where: { $0.contains(part) }) { return }
    }
    Issue.record("\(part) is not in \(found)")
  }

  static let waits = "while not ctx:cancelled() do sleep(\"20ms\") end"

  @Test("a host that stands by runs a job with its label: its result, lines, values and steps are in the store")
  func labels() throws {
    try place.save(
      "a.lua",
      """
      job "gpu" { on = "go", on_nodes = "gpu", run = function(ctx)
        local n = ctx:step("count", function() return 41 end)
        kv.set("n", n + 1)
        print("says " .. kv.get("n"))
        return { n = kv.get("n") }
      end }
      """)
    let first = try leader()
    // Nobody has the label: it waits, and says for what.
    let asked = try place.run("trigger", "gpu", "--state", ".first")
    #expect(asked.status == 0, "\(asked.errors)")
    try awaitExplained("gpu", "no host may run it: first (this host) has no label \"gpu\"")
    let second = try host("second", "gpu")
    try second.awaitLine(containing: "gpu #1: says 42")
    try awaitAnswer("SELECT outcome || ' ' || result || ' ' || attempts FROM moondial.runs", "succeeded {\"n\":42} 1")
    #expect(try sql("SELECT message FROM moondial.run_log WHERE run = 1") == "says 42")
    #expect(try sql("SELECT convert_from(key, 'UTF8') || value FROM moondial.kv") == "n42")
    let history = try place.run("history", "--state", ".first").output
    #expect(history.contains { $0.contains("gpu") && $0.contains("succeeded") }, "\(history)")
    // What became of it is durable, and then nothing of the placement is left.
    try awaitAnswer("SELECT count(*) FROM moondial.placed_runs", "0")
    #expect(!first.text.contains("says 42"))
    try end(second, first)
  }

  @Test("what waits for a host that is not there keeps no host from ending, and is recovered by the next one")
  func nobody() throws {
    try place.save(
      "a.lua", "job \"gpu\" { on = 'go', recover = true, on_nodes = 'gpu', run = function() print('ran') end }")
    let first = try leader()
    #expect(try place.run("trigger", "gpu", "--state", ".first").status == 0)
    try awaitExplained("gpu", "first (this host) has no label \"gpu\"")
    try end(first)
    #expect(
      try sql("SELECT outcome || ' ' || error FROM moondial.runs")
        == "interrupted the host stopped before there was one that may run this")
    let second = try host("second", "gpu")
    try second.awaitLine(containing: "gpu #2: ran")
    try end(second)
  }

  @Test("a host that is told to end while it waits for what others must end ends at once, and leaves that as it is")
  func endsWhileTakingOver() throws {
    try place.save("a.lua", "job \"it\" { on = 'go', run = print }")
    try end(try leader())
    // What a leader before it has placed, nobody has claimed and nobody ends, on a member that lives.
    _ = try sql(
      "INSERT INTO moondial.members(name, life, machine, place, process, process_started, version, labels, executors, "
        + "workers, since, expires_at) VALUES ('other', 'x', 'm', 'p', 1, 1, '0.1.0', '{}', '{}', '{}', now(), "
        + "now() + interval '1 h')")
    _ = try sql(
      "INSERT INTO moondial.placed_runs(epoch, number, run, attempt, job, node, life, fence, state, instructions) "
        + "SELECT 1, 1, 1, 1, 'it', 'other', 'x', fence, 'started', '' FROM moondial.members WHERE name = 'other'")
    let second = try host("second")
    try second.awaitLine(containing: "placed on others and gave up must end first")
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    #expect(second.text.contains("stopped") && !second.text.contains("was given up"))
    #expect(try sql("SELECT state FROM moondial.placed_runs") == "started")
  }

  @Test("runs go to whoever has fewer of them; a run on another host is cancelled like any other")
  func spread() throws {
    try place.save(
      "a.lua",
      "job \"many\" { on = 'go', max_instances = 50, run = function(ctx) print('began') \(Self.waits) end }\n"
        + "job \"asks\" { on = 'go', max_instances = 50, run = function(ctx) emit('x') print('asked') \(Self.waits) end }"
    )
    let first = try leader()
    let second = try host("second")
    try second.awaitLine(containing: "standby: ")
    try awaitAnswer("SELECT count(*) FROM moondial.members WHERE takes", "1")
    let workers = try #require(Int(try sql("SELECT workers[1] FROM moondial.members WHERE name = 'first'")))
    // The leader hears of the member's readiness with a beat.
    var run = 0
    repeat {
      run += 1
      #expect(try place.run("trigger", "many", "--state", ".first").status == 0)
      try awaitAnswer("SELECT count(*) FROM moondial.open_runs WHERE claimed_at IS NOT NULL", "\(run)")
    } while try run <= 2 * workers || sql("SELECT count(*) FROM moondial.placed_runs WHERE state = 'started'") == "0"
    try second.awaitLine(containing: ": began")
    let placed = try sql("SELECT min(run) FROM moondial.placed_runs WHERE state = 'started'")
    try awaitExplained("many", "on host second")
    // What asks the scheduler stays with the one that leads, however many it has.
    for _ in 0..<3 { #expect(try place.run("trigger", "asks", "--state", ".first").status == 0) }
    for _ in 0..<3 { try first.awaitLine(containing: ": asked") }
    let cancel = try place.run("cancel", placed, "--state", ".first")
    #expect(cancel.status == 0, "\(cancel.errors)")
    try awaitAnswer("SELECT outcome FROM moondial.runs WHERE id = \(placed)", "cancelled")
    // The leader ends in good order, and with it what it has placed.
    let table = try place.run("nodes", "--state", ".first").output
    #expect(table.contains { $0.hasPrefix("second") && $0.contains("stands by") }, "\(table)")
    second.signal(SIGKILL)
    first.signal(SIGKILL)
    for host in [first, second] { try host.awaitExit() }
  }

  @Test("kill -9 of a member: its run is interrupted once, and recovered on another host with the label")
  func killed() throws {
    try place.save(
      "a.lua",
      "job \"long\" { on = 'go', recover = true, on_nodes = 'gpu', run = function(ctx) print('began') \(Self.waits) end }"
    )
    let first = try leader()
    let second = try host("second", "gpu")
    #expect(try place.run("trigger", "long", "--state", ".first").status == 0)
    try second.awaitLine(containing: "long #1: began")
    let third = try host("third", "gpu")
    try awaitAnswer("SELECT count(*) FROM moondial.members WHERE takes", "2")
    second.signal(SIGKILL)
    try third.awaitLine(containing: "long #2: began")
    #expect(
      try sql("SELECT id || ' ' || outcome || ' ' || error FROM moondial.runs")
        == "1 interrupted host second, which had this run, was not heard of for the length of its lease")
    // Told to end, a host that stands by gives what it runs its grace.
    third.signal(SIGTERM)
    let cancel = try place.run("cancel", "2", "--state", ".first")
    #expect(cancel.status == 0, "\(cancel.errors)")
    #expect(try third.awaitExit() == 0)
    try awaitAnswer("SELECT outcome FROM moondial.runs WHERE id = 2", "cancelled")
    try awaitAnswer("SELECT count(*) FROM moondial.placed_runs", "0")
    try end(first)
    try second.awaitExit()
  }

  @Test("SIGSTOP of a member past its lease: what it says later is refused, and it ends what still runs")
  func frozen() throws {
    try place.save(
      "a.lua",
      """
      job "long" { on = 'go', recover = true, on_nodes = 'gpu', run = function(ctx)
        kv.set("last", ctx.id)
        print("began")
        while not ctx:cancelled() do kv.set("last", ctx.id) sleep("20ms") end
      end }
      """)
    let first = try leader()
    let second = try host("second", "gpu")
    #expect(try place.run("trigger", "long", "--state", ".first").status == 0)
    try second.awaitLine(containing: "long #1: began")
    second.signal(SIGSTOP)
    try awaitAnswer("SELECT outcome FROM moondial.runs WHERE id = 1", "interrupted")
    let third = try host("third", "gpu")
    try third.awaitLine(containing: "long #2: began")
    second.signal(SIGCONT)
    try second.awaitLine(containing: "was given up: nothing of it is written")
    // It has ended what it had, and takes runs again under another fence.
    try awaitAnswer("SELECT count(*) FROM moondial.members WHERE takes", "2")
    #expect(try sql("SELECT value FROM moondial.kv") == "2")
    #expect(try sql("SELECT string_agg(id || outcome, ',') FROM moondial.runs") == "1interrupted")
    #expect(try place.run("cancel", "2", "--state", ".first").status == 0)
    try awaitAnswer("SELECT outcome FROM moondial.runs WHERE id = 2", "cancelled")
    try end(third, second, first)
  }

  @Test(
    "kill -9 of the leader: what runs on another host goes on under the next one, be it that one, and ends once",
    arguments: [false, true])
  func adopted(itself: Bool) throws {
    try place.save(
      "a.lua",
      """
      job "long" { on = 'go', recover = true, on_nodes = 'gpu', run = function(ctx)
        kv.set("begun", true)
        print("began")
        while not kv.get("end") do sleep("20ms") end
        return "whole"
      end }
      """)
    let first = try leader()
    let second = try host("second", "gpu")
    #expect(try place.run("trigger", "long", "--state", ".first").status == 0)
    try second.awaitLine(containing: "long #1: began")
    var third: HostProcess?
    if !itself {
      third = try host("third")
      try third?.awaitLine(containing: "standby: ")
      // Who is drained leads nothing; what it has goes on.
      #expect(try place.run("nodes", "drain", "second", "--state", ".first").status == 0)
    }
    first.signal(SIGKILL)
    try first.awaitExit()
    try (third ?? second).awaitLine(containing: "from 1 script in ")
    #expect(try sql("SELECT count(*) FROM moondial.runs") == "0")
    // The leader knows where it is.
    let explained = try place.run("explain", "long", "--state", itself ? ".second" : ".third").output
    #expect(explained.contains { $0.contains("on host second") }, "\(explained)")
    _ = try sql("INSERT INTO moondial.kv SELECT id, 'end', 'true', 1 FROM moondial.kv_spaces")
    try awaitAnswer(
      "SELECT string_agg(outcome || ' ' || result || ' ' || attempts, ',') FROM moondial.runs", "succeeded \"whole\" 1")
    try awaitAnswer("SELECT count(*) FROM moondial.placed_runs", "0")
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    if let third { try end(third) }
  }

  @Test("a host with another version of a job is not given it, and explain says so")
  func versions() throws {
    try place.save("a.lua", "job \"it\" { on = 'go', on_nodes = 'gpu', run = function() print('one') end }")
    let other = place.path + "/other"
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
    let path = URL(fileURLWithPath: other + "/a.lua")
    try Data("job \"it\" { on = 'go', on_nodes = 'gpu', run = function() print('two') end }".utf8).write(to: path)
    let first = try leader()
    let second = try host("second", "gpu", scripts: "other")
    try awaitAnswer("SELECT count(*) FROM moondial.members WHERE takes", "1")
    #expect(try place.run("trigger", "it", "--state", ".first").status == 0)
    try awaitExplained("it", "second has another version of the job")
    // The job counts, not the directory: another file more is no reason.
    try Data("job \"it\" { on = 'go', on_nodes = 'gpu', run = function() print('one') end }".utf8).write(to: path)
    try Data("job \"more\" { on = 'go', run = print }".utf8).write(to: URL(fileURLWithPath: other + "/b.lua"))
    try second.awaitLine(containing: "it #1: one")
    try awaitAnswer("SELECT outcome FROM moondial.runs", "succeeded")
    try end(second, first)
  }
}
