import Foundation
import Testing

/// What the commands say while a host is up, and after it was killed: what runs, what waits and for what.
@Suite("Runs that have not ended, end to end", .serialized, .timeLimit(.minutes(5)))
struct OpenRunTests {
  /// Settings of a host with two stores, whose zone is not the machine's.
  static let configuration = """
    return {
      timezone = "Asia/Kolkata",
      stores = { default = "sqlite:moondial.db", fast = "sqlite:fast.db" },
      executors = { default = { workers = 4 } },
      groups = { db = { max = 1 }, api = { rate = "1/1h" } },
    }
    """

  private func place(_ script: String) throws -> Place {
    let place = try Place()
    try Data(Self.configuration.utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    try place.save("a.lua", script)
    return place
  }

  @Test("explain names what a run waits for: its group, its rate, an instance, its next attempt; list what runs")
  func waits() throws {
    let place = try place(
      """
      job "holder" { run_at_start = true, group = "db", priority = 10, run = function() print("held") sleep("1h") end }
      job "grouped" { run_at_start = true, group = "db", run = print }
      job "flaky" { run_at_start = true, retry = { max = 1, base = "1h", backoff = "fixed", jitter = false },
        run = function() error("not yet") end }
      job "asks" { run_at_start = true, run = function()
        for _ = 1, 2 do assert(jobs.run("rated")) assert(jobs.run("queued")) end
        print("asked")
      end }
      job "rated" { group = "api", overlap = "queue", max_instances = 5, run = print }
      job "queued" { overlap = "queue", store = "fast", run = function() print("queued begins") sleep("1h") end }
      job "once" { run_at_start = true, store = "fast", run = print }
      """)
    let host = try place.host("-v")
    var awaited: Set = [": held", "next attempt in", ": asked", "queued begins", "rated #", "once #"]
    while !awaited.isEmpty {
      let line = try host.awaitLine { line in awaited.contains { line.contains($0) } }
      awaited = awaited.filter { !line.contains($0) }
    }
    try host.awaitLine { $0.contains("succeeded in") }
    func explained(_ job: String, _ words: String) throws {
      let ended = try place.run("explain", job)
      #expect(ended.status == 0 && ended.output.contains { $0.contains(words) }, "\(job): \(ended)")
    }
    try explained("grouped", #"waits for a slot in group "db" (max = 1): run "#)
    try explained("grouped", "of holder must end first")
    try explained("rated", #"waits for the rate of group "api" (1/1h): the next start is possible at "#)
    try explained("queued", #"waits in the queue of its job (overlap = "queue") until run "#)
    try explained("flaky", "its 1st attempt has failed; it waits for its next one until ")
    try explained("holder", "running since ")
    let rows = try place.run("list").output
    func row(_ job: String) -> String { rows.first { $0.hasPrefix(job + " ") } ?? "" }
    #expect(row("holder").contains("running since "))
    #expect(row("grouped").contains(" waiting "))
    #expect(row("flaky").contains("next attempt "))
    #expect(row("queued").contains("1 running, 1 waiting"))
    #expect(row("once").contains(" succeeded "), "a job of another store has its last outcome: \(row("once"))")

    host.signal(SIGKILL)
    try host.awaitExit()
    try explained("holder", "the host that claimed it is gone: the next one records it as interrupted")
    try explained("grouped", "waits for a host: none is up")
    let second = try place.host()
    try second.awaitLine { $0.contains("holder #") && $0.contains("interrupted") }
    try second.awaitLine(containing: ": held")
    // Its start has been reported when the host has answered.
    try explained("holder", "running since ")
    second.signal(SIGTERM)
    try second.awaitLine(containing: "stopping")
    second.signal(SIGTERM)
    try second.awaitExit()
    // Of the run that the kill ended nobody knows how long it took; of one that the stop ended, everybody.
    let ended = try place.run("history", "holder", "--outcome", "interrupted", "--json").output
    let took = try ended.map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])["duration_ms"]
    }
    #expect(took.count == 2 && took.last is NSNull, "\(ended)")
    #expect((took.first as? Double ?? 0) > 0, "\(ended)")
    let table = try place.run("history", "holder").output
    #expect(table.last?.contains("interrupted  -  ") == true, "\(table)")
  }

  @Test("without a host, parked runs neither run nor wait, and a pause of everything is told with its reason")
  func withoutHost() throws {
    let place = try place(
      """
      job "parks" { run_at_start = true, run = function(ctx) ctx:sleep("1h") end }
      job "plain" { every = "1h", run = print }
      """)
    let host = try place.host("-v")
    try host.awaitAnywhere("parked until")
    #expect(try place.run("pause", "--all", "--reason", "the disk is full").status == 0)
    func list() throws -> [[String: Any]] {
      let text = try place.run("list", "--json").output.joined()
      return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
    }
    func facts(_ jobs: [[String: Any]]) -> [String] {
      jobs.map { job in
        "\(job["name"] ?? "") \(job["running"] ?? "") \(job["waiting"] ?? "") \(job["now"] ?? "") "
          + "\(job["paused_with_everything"] ?? "")"
      }
    }
    let hosted = facts(try list())
    #expect(hosted.first?.hasPrefix("parks 0 0 parked until ") == true && hosted.last?.hasSuffix(" 1") == true)
    host.signal(SIGKILL)
    try host.awaitExit()
    #expect(facts(try list()) == hosted)
    let table = try place.run("list")
    #expect(table.errors.contains { $0.contains("everything is paused by ") && $0.contains("the disk is full") })
    let explained = try place.run("explain", "plain").output
    #expect(explained.first?.hasPrefix("everything is paused by ") == true, "\(explained)")
  }

  @Test("a run that was tried again keeps its first start; its last attempt has one of its own")
  func starts() throws {
    let place = try place(
      """
      job "third" { run_at_start = true, retry = { max = 2, base = "1s", backoff = "fixed", jitter = false },
        run = function(ctx) if ctx.attempt < 3 then error("no") end print("done") end }
      """)
    let host = try place.host("-v")
    try host.awaitLine(containing: "succeeded in")
    let line = try #require(try place.run("history", "--json").output.first)
    let run = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    func time(_ key: String) throws -> Date {
      let formatter = ISO8601DateFormatter()
      let text = try #require(run[key] as? String).replacingOccurrences(
        of: #"\.\d+"#, with: "", options: .regularExpression)
      return try #require(formatter.date(from: text))
    }
    #expect(try time("last_attempt_at").timeIntervalSince(time("started_at")) >= 1)
    #expect(try abs(time("started_at").timeIntervalSince(time("scheduled_at"))) <= 1)
    let explained = try place.run("explain", "third").output.joined()
    #expect(explained.contains("after 3 attempts, the last one at "), "\(explained)")
    #expect(!explained.contains(#/started \d\.\d s late/#.ignoresCase()) || !explained.contains("2."))
  }

  @Test("--limit shows the newest of runs and decisions together, and says how much lies before")
  func limit() throws {
    let place = try place(#"job "tick" { every = "20ms", max_instances = 100, run = function() end }"#)
    let host = try place.host("-v")
    for _ in 1...8 { try host.awaitLine(containing: "succeeded in") }
    host.signal(SIGTERM)
    try host.awaitExit()
    let output = try place.run("explain", "tick", "--limit", "3").output
    #expect(output.count == 5, "\(output)")
    #expect(output.last?.contains(#/^and \d+ more runs before that/#) == true, "\(output)")
  }

  @Test("one zone everywhere: every time that any output shows is in it, and every command takes it back")
  func times() throws {
    let place = try place(
      """
      job "tick" { every = "300ms", store = "fast", run = function(ctx) print("ticked") end }
      job "daily" { cron = "0 3 * * *", timezone = "America/New_York", run = print }
      job "hourly" { every = "1h", run = print }
      """)
    let host = try place.host("-v")
    for _ in 1...3 { try host.awaitLine(containing: "ticked") }
    try host.awaitLine(containing: "succeeded in")
    let time = #/\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)/#
    let held = try place.run("doctor").output.filter { $0.hasPrefix("held by") }
    #expect(!held.isEmpty && held.allSatisfy { $0.hasSuffix("+05:30") }, "\(held)")
    host.signal(SIGTERM)
    try host.awaitExit()
    var texts = host.lines.map(\.text)
    for command in [
      ["list"], ["list", "--json"], ["history", "--limit", "3"], ["history", "--json", "--limit", "3"],
      ["history", "--run", "1"], ["explain", "tick", "--limit", "3"], ["explain", "tick", "--json", "--limit", "2"],
      ["simulate", "--job", "hourly"], ["simulate", "--json", "--job", "daily"], ["doctor"], ["doctor", "--json"],
      ["next", "hourly", "-n", "2"], ["next", "hourly", "-n", "2", "--json"], ["next", "0 9 * * *", "-n", "1"],
    ] {
      let ended = try HostProcess.run(command, in: place.path)
      #expect(ended.status == 0, "\(command): \(ended)")
      let found = ended.output.flatMap { $0.matches(of: time).map { String($0.output.0) } }
      #expect(!found.isEmpty, "\(command) shows no time: \(ended.output)")
      #expect(found.allSatisfy { $0.hasSuffix("+05:30") }, "\(command) is in another zone: \(found)")
      texts += found
    }
    let times = Set(texts.flatMap { $0.matches(of: time).map { String($0.output.0) } }).sorted()
    #expect(times.count > 20)
    for (index, text) in times.enumerated() {
      // Each kind of option takes its turn; five of them are one process each.
      let command = [
        ["next", "* * * * *", "-n", "1", "--after", text], ["next", "* * * * *", "-n", "1", "--from", text],
        ["simulate", "--job", "daily", "--from", text, "--to", "2200-01-01", "--limit", "1"],
        ["history", "--since", text], ["history", "--until", text], ["explain", "tick", "--at", text],
      ][index % 6]
      let ended = try HostProcess.run(command, in: place.path)
      #expect(ended.status == 0, "\(command): \(ended.errors)")
    }
    // A fire time that was copied is found again.
    let due = try #require(try place.run("history", "tick", "--limit", "1").output.last?.firstMatch(of: time))
    let found = try place.run("explain", "tick", "--at", String(due.output.0)).output
    #expect(found.count == 1 && found[0].contains(" run "), "\(found)")
  }

  @Test("next and simulate go on with the phase of an interval that the store has")
  func phase() throws {
    let place = try place(#"job "rare" { every = "7h", store = "fast", run = print }"#)
    let host = try place.host()
    try host.awaitLine(containing: "1 job from 1 script")
    let listed = try #require(
      try place.run("list").output.first { $0.hasPrefix("rare") }?.firstMatch(of: #/\d{4}-\S+/#)?.output)
    host.signal(SIGTERM)
    try host.awaitExit()
    let next = try place.run("next", "rare", "-n", "2", "--timezone", "Asia/Kolkata").output
    let simulated = try place.run("simulate", "--job", "rare").output
    // Shown to the millisecond, and answered in full.
    let stem = listed.prefix(23)
    #expect(next.dropFirst().first?.contains(stem) == true, "\(listed) \(next)")
    #expect(simulated.first?.hasPrefix(stem) == true, "\(listed) \(simulated)")
  }

  @Test("a name that nobody knows is an error with the nearest names; one that has only history is known")
  func names() throws {
    let place = try place(
      """
      job "backup-db" { store = "fast", run = print }
      job "backup-www" { run = print }
      """)
    #expect(try place.run("exec", "backup-db").status == 0)
    for arguments in [
      ["history", "backup-bd"], ["explain", "backup-bd"], ["exec", "backup-bd"], ["next", "backup-bd"],
      ["simulate", "--job", "backup-bd"],
    ] {
      let ended = try HostProcess.run(arguments, in: place.path)
      #expect(ended.status == 1 && ended.output.isEmpty, "\(arguments): \(ended)")
      #expect(ended.errors.last?.contains("did you mean \"backup-db\"") == true, "\(arguments): \(ended.errors)")
    }
    let never = try place.run("history", "backup-www")
    #expect(never.status == 0 && never.errors == ["no run of backup-www is kept so far"], "\(never)")
    try place.save("a.lua", "")
    #expect(try place.run("history", "backup-db").output.count == 2)
    #expect(try place.run("explain", "backup-db").status == 0)
    let gone = try place.run("exec", "backup-db")
    #expect(gone.status == 1 && gone.errors.joined().contains("no script in scripts declares \"backup-db\" any more"))
    #expect(try place.run("history", "backup-www").status == 1)
  }
}
