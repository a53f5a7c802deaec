import Foundation
import Glibc
import HTTPFixtures
import PostgresFixture
import Testing

@Suite("Hosts that share a store", .serialized, .enabled(if: PostgresServer.isInstalled), .timeLimit(.minutes(5)))
struct NodesTests {
  let place: Place
  let url: String
  let server: PostgresServer

  init() throws {
    server = try #require(PostgresServer.shared)
    url = try server.database()
    place = try Place()
  }

  private func configure(_ more: String = "", lease: String = "2s") throws {
    let text = "return { stores = { default = { url = \"\(url)\", lease = \"\(lease)\" } }, \(more) }"
    try Data(text.utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
  }

  private func host(_ name: String, prefix: [String] = []) throws -> HostProcess {
    try place.host("--state", ".\(name)", "--set", "node.name=\(name)", "--grace", "5s", prefix: prefix)
  }

  private struct Node: Decodable {
    var name: String
    var state: String
    var leader: Bool
    var version: String
    var labels: [String]
    var runs: Int
    var generation: Int
    var scripts: String
    var same_scripts: Bool?
    var clock_ahead_seconds: Double
    var lease_left_seconds: Double?
    var drained_by: String?
  }
  private struct Nodes: Decodable { var nodes: [Node] }

  private func nodes(_ state: String) throws -> [Node] {
    let answer = try place.run("nodes", "--state", state, "--json")
    try #require(answer.status == 0, "\(answer.errors)")
    return try JSONDecoder().decode(Nodes.self, from: Data(answer.output.joined().utf8)).nodes
  }

  /// Asks until the answer is as it should become by the next beats.
  private func eventually(_ state: String, _ isReached: ([Node]) -> Bool) throws -> [Node] {
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    while true {
      let found = try nodes(state)
      if isReached(found) { return found }
      guard Date() < end else {
        Issue.record("still \(found)")
        return found
      }
    }
  }

  @Test("each is shown, by the one that leads and on the machine of one that stands by, with who has other scripts")
  func shown() throws {
    try configure("node = { labels = { \"eu\" } }")
    try place.save(
      "a.lua",
      #"job "it" { every = "1h", run_at_start = true, run = function(ctx) while not ctx:cancelled() do sleep("20ms") end end }"#
    )
    let first = try host("first")
    try first.awaitLine(containing: "1 job from 1 script")
    let second = try host("second")
    try second.awaitLine(containing: "standby: ")
    let found = try eventually(".first") { $0.count == 2 && $0[0].runs == 1 && $0[1].same_scripts == true }
    #expect(found.map(\.name) == ["first", "second"] && found.map(\.state) == ["leads", "stands_by"])
    #expect(found[0].leader && found[0].generation == 1 && found[1].generation == 0)
    #expect(found.allSatisfy { $0.labels == ["eu"] && !$0.scripts.isEmpty && $0.clock_ahead_seconds == 0 })
    #expect(found[0].lease_left_seconds.map { $0 > 0 && $0 <= 2 } == true)
    // The one that stands by answers nothing itself: its machine reads the store.
    #expect(try nodes(".second").map(\.state) == ["leads", "stands_by"])
    let table = try place.run("nodes", "--state", ".second").output
    #expect(
      table.contains { $0.hasPrefix("first ") && $0.contains("leads, lease ") && $0.contains("1 of ") }, "\(table)")
    #expect(table.contains { $0.hasPrefix("second ") && $0.contains("stands by") }, "\(table)")
    #expect(
      try place.run("status", "--state", ".first").output.contains { $0.contains("node") && $0.contains("first") })
    let metrics = try RawClient(socket: place.path + "/.first/host.sock").request("GET", "/metrics").body
    #expect(metrics.contains("moondial_nodes{store=\"default\",state=\"stands_by\"} 1"), "\(metrics)")
    // Kill -9: what is not said any more is gone when the lease ends.
    second.signal(SIGKILL)
    try second.awaitExit()
    _ = try eventually(".first") { $0.count == 2 && $0[1].state == "gone" }
    first.signal(SIGTERM)
    #expect(try first.awaitExit() == 0)
  }

  @Test("a host that stands by and is stopped is a member no more, though its lease would last")
  func stoppedStandby() throws {
    try configure(lease: "10m")
    try place.save("a.lua", #"job "it" { every = "1h", run = function() end }"#)
    let first = try host("first")
    try first.awaitLine(containing: "1 job from 1 script")
    let second = try host("second")
    try second.awaitLine(containing: "standby: ")
    func members() throws -> String { try server.execute("SELECT name FROM moondial.members ORDER BY name", in: url) }
    #expect(try members() == "first\nsecond")
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    #expect(try members() == "first")
    first.signal(SIGTERM)
    #expect(try first.awaitExit() == 0)
    #expect(try members() == "")
  }

  @Test("a host with other scripts is named by status and nodes, until it has the same")
  func otherScripts() throws {
    try configure()
    try place.save("a.lua", #"job "it" { every = "1h", run = function() end }"#)
    let first = try host("first")
    try first.awaitLine(containing: "1 job from 1 script")
    let other = place.path + "/other"
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
    try Data("job 'it' { every = '2h', run = function() end }".utf8).write(to: URL(fileURLWithPath: other + "/a.lua"))
    let second = try HostProcess(
      ["run", "other", "--state", ".second", "--set", "node.name=second"], in: place.path)
    try second.awaitLine(containing: "standby: ")
    try first.awaitLine(containing: "host second of store \"default\" has other scripts than this one (first)")
    #expect(try place.run("status", "--state", ".first").output.contains { $0.contains("other scripts") })
    let table = try place.run("nodes", "--state", ".first").output
    #expect(table.contains { $0.contains("second has other scripts than the host that leads") }, "\(table)")
    try FileManager.default.removeItem(atPath: other + "/a.lua")
    try FileManager.default.copyItem(atPath: place.path + "/scripts/a.lua", toPath: other + "/a.lua")
    try first.awaitLine(containing: "have the same scripts again")
    for host in [second, first] { host.signal(SIGTERM) }
    for host in [second, first] { #expect(try host.awaitExit() == 0) }
  }

  @Test("two live hosts of one name are refused in a sentence; after kill -9 its name is free at once")
  func oneName() throws {
    try configure(lease: "10m")
    try place.save("a.lua", #"job "it" { every = "1h", run = function() end }"#)
    let first = try host("same")
    try first.awaitLine(containing: "1 job from 1 script")
    let second = try place.run("run", "scripts", "--state", ".second", "--set", "node.name=same")
    #expect(second.status == 1)
    #expect(second.errors.contains { $0.contains("another host is called \"same\" (process \(first.pid) on ") })
    first.signal(SIGKILL)
    try first.awaitExit()
    let third = try host("same")
    // Its lease lasts; its name does not.
    try third.awaitLine(containing: "standby: ")
    third.signal(SIGTERM)
    try third.awaitExit()
  }

  @Test("one that leads is drained: its run ends, another takes over at once, and it leads again when it is resumed")
  func drain() throws {
    // So long a lease that only word of its end can be the reason.
    try configure(lease: "10m")
    try place.save(
      "a.lua",
      #"""
      job "long" { every = "1h", run_at_start = true, run = function(ctx)
        print("began")
        while not ctx:cancelled() do sleep("20ms") end
        print("ended")
      end }
      """#)
    let first = try host("first")
    try first.awaitLine(containing: "long #1: began")
    let alone = try place.run("nodes", "drain", "first", "--state", ".first")
    #expect(alone.status == 1 && alone.errors.contains { $0.contains("nobody could take over from first") }, "\(alone)")
    #expect(
      try place.run("nodes", "drain", "nobody", "--state", ".first").errors.contains { $0.contains("there are first") })
    let second = try host("second")
    try second.awaitLine(containing: "standby: ")
    // Asked on the machine of the one that stands by.
    let order = try place.run("nodes", "drain", "first", "--state", ".second")
    #expect(order.status == 0, "\(order.errors)")
    try first.awaitLine(containing: "this host, first, is drained")
    try first.awaitLine(containing: "ended")
    try first.awaitLine(
      containing:
        "this host is drained (`moondial nodes resume first` ends that): this host waits, with all its jobs, until it has"
    )
    try second.awaitLine(containing: "1 job from 1 script")
    #expect(try server.execute("SELECT outcome FROM moondial.runs WHERE id = 1", in: url) == "succeeded")
    #expect(try eventually(".second") { $0.count == 2 }.map(\.state) == ["drained", "leads"])
    // One that stands by is drained: nothing happens to it, and nobody may be drained after it.
    let last = try place.run("nodes", "drain", "second", "--state", ".second")
    #expect(last.status == 1 && last.errors.contains { $0.contains("nobody could take over") }, "\(last)")
    #expect(try place.run("nodes", "resume", "first", "--state", ".second").status == 0)
    try first.awaitLine(containing: "first, is not drained any more")
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    try first.awaitLine(containing: "1 job from 1 script")
    #expect(
      try place.run("nodes", "--state", ".first").output.contains { $0.contains("first") && $0.contains("leads") })
    first.signal(SIGTERM)
    #expect(try first.awaitExit() == 0)
  }

  @Test(
    "the dashboard shows who shares a store, drains its own host, saying that the page ends with it, and resumes it",
    .enabled(if: Browser.program != nil, "needs chromium (Debian: apt install chromium)"))
  func page() throws {
    try configure(lease: "10m")
    try place.save(
      "a.lua", #"job "parks" { run_at_start = true, run = function(ctx) ctx:wait_for("a sign", "1d") end }"#)
    let first = try place.host(
      "--state", ".first", "--set", "node.name=first", "--set", "http.listen=127.0.0.1:0")
    try first.awaitLine(containing: "1 job from 1 script")
    let second = try place.host(
      "--state", ".second", "--set", "node.name=second", "--set", "http.listen=127.0.0.1:0")
    try second.awaitLine(containing: "standby: ")
    func link(_ state: String) throws -> String {
      try #require(try place.run("dashboard", "--state", state).output.first { $0.hasPrefix("http") })
    }
    let browser = try Browser(try #require(Browser.program), in: place.path, at: link(".first"))
    let row = "[...document.querySelectorAll('tbody tr')].find((row) => row.cells[0].textContent === 'first')"
    let overview = try browser.wait(
      until: "\(row).textContent.includes('leads') && document.body.innerText.includes('stands by')")
    #expect(overview.contains("The hosts that share a store") && overview.contains("run #1 goes on"), "\(overview)")
    #expect(browser.complaints.isEmpty, "\(browser.complaints)")
    try browser.perform("\(row).querySelector('button').click()")
    let asked = try browser.wait(until: "document.getElementById('dialog').open")
    #expect(asked.contains("Drain first") && asked.contains("ends with it"), "\(asked)")
    try browser.perform("document.querySelector('#dialog form').requestSubmit()")
    try first.awaitLine(containing: "this host, first, is drained by browser")
    try second.awaitLine(containing: "1 job from 1 script")
    try browser.wait(until: "document.body.innerText.includes('The host does not answer.')")
    let audit = try RawClient(socket: place.path + "/.second/host.sock").request("GET", "/api/v1/audit").body
    #expect(audit.contains(#""action":"drain_node","subject":"first""#), "\(audit)")
    // The one that has taken over shows it too, and lets it lead again.
    try browser.perform("location.href = '\(link(".second"))'")
    try browser.wait(until: "\(row).textContent.includes('drained')")
    try browser.perform("\(row).querySelector('button').click()")
    try first.awaitLine(containing: "this host, first, is not drained any more")
    try browser.wait(until: "\(row).textContent.includes('stands by') && \(row).textContent.includes('Drain')")
    for host in [first, second] { host.signal(SIGTERM) }
    for host in [first, second] { _ = try host.awaitExit() }
  }

  @Test("a machine whose clock is five minutes ahead says so, and the others see it")
  func skew() throws {
    try configure()
    try place.save("a.lua", #"job "it" { every = "1h", run = function() end }"#)
    let library = try place.skewedClock(seconds: 300)
    let host = try host("first", prefix: ["/usr/bin/env", "LD_PRELOAD=\(library)"])
    try host.awaitLine(containing: "1 job from 1 script")
    try host.awaitAnywhere("this machine's clock is 300 s ahead of the one of store \"default\"")
    let found = try eventually(".elsewhere") { $0.first.map { $0.clock_ahead_seconds > 299 } ?? false }
    #expect(found.map(\.state) == ["leads"])
    #expect(
      try place.run("nodes", "--state", ".elsewhere").output.contains {
        $0.contains("the clock of first is 300 s ahead")
      })
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test("without a store that others may name there is one node; bad settings are a sentence each")
  func alone() throws {
    try place.save("a.lua", #"job "it" { every = "1h", run = function() end }"#)
    let nobody = try place.run("nodes")
    #expect(nobody.status != 0 && !nobody.errors.isEmpty)
    let host = try place.host()
    try host.awaitLine(containing: "1 job from 1 script")
    #expect(try place.run("nodes").output.contains { $0.contains("runs alone") })
    let drain = try place.run("nodes", "drain", "x")
    #expect(drain.status == 1 && drain.errors.contains { $0.contains("shares no store with others") }, "\(drain)")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let ended = try place.run("nodes")
    #expect(ended.status == 3 && ended.errors.contains { $0.contains("does not tell of hosts") }, "\(ended)")
    for (setting, sentence) in [
      ("node = { name = \"a b\" }", "node.name: \"a b\" must have 1 to 63 letters"),
      ("node = { name = 3 }", "node.name must be a name like \"web1\""),
      ("node = { labels = { \"\" } }", "node.labels must be a word like"),
      ("node = { labels = { gpu = true } }", "node.labels must be a word like"),
      ("node = { label = \"gpu\" }", "unknown setting \"node.label\"; did you mean \"labels\"?"),
      ("node = \"web1\"", "node must be a table like"),
    ] {
      try Data("return { \(setting) }".utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
      let check = try place.run("check", "scripts")
      #expect(
        check.status == 1 && (check.output + check.errors).contains { $0.contains(sentence) }, "\(setting): \(check)")
    }
  }
}
