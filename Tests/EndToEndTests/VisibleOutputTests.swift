import Chronology
import Foundation
import JobModel
import Testing

/// Every way out of the process, with names and texts that would drive a terminal, forge a line or hide something.
@Suite("Whatever others wrote shows, and does not act, end to end", .serialized, .timeLimit(.minutes(5)))
struct VisibleOutputTests {
  /// A line break that would begin a record of its own, and one of every kind of character that must not get out.
  private static let hostile =
    "x\nFORGED \u{1B}[2J\r\t\u{7}\u{7F}\u{85}\u{9B}31m\u{2028}\u{2029}\u{200B}\u{200E}\u{202E}\u{2066}\u{FEFF}\u{AD}"
    + "\u{E0041}é"
  /// The same for what must be one line without control characters of ASCII.
  private static let name = "job \u{85}\u{9B}31m\u{2028}\u{202E}\u{200B}\u{FEFF}\u{E0041}é"

  private static func acts(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F...0x9F, 0xAD, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xE0000...0xE0FFF: true
    default: false
    }
  }

  /// Whether each line of an ended command shows and none was forged; and that something hostile was printed at all.
  private func check(_ ended: HostProcess.Ended, printing part: String? = "FORGED", _ what: String) {
    let lines = ended.output + ended.errors
    for line in lines {
      #expect(!line.unicodeScalars.contains(where: Self.acts), "\(what): \(line.debugDescription)")
      #expect(!line.hasPrefix("FORGED"), "\(what): \(line)")
    }
    if let part { #expect(lines.contains { $0.contains(part) }, "\(what): \(lines)") }
  }

  private func check(json ended: HostProcess.Ended, _ what: String) throws {
    check(ended, printing: nil, what)
    for line in ended.output { _ = try JSONSerialization.jsonObject(with: Data(line.utf8), options: .fragmentsAllowed) }
    #expect(!ended.output.isEmpty, "\(what): \(ended.errors)")
  }

  /// A store in which every text is hostile.
  private func plant(_ path: String) throws {
    // Recent, so that no retention takes it away.
    let at = SystemWallClock().now
    var run = RunRecord(id: RunID(7), job: Self.hostile, cause: .schedule, scheduledAt: at, claimedAt: at)
    (run.startedAt, run.finishedAt, run.outcome, run.attempts) = (at, at, .failed, 1)
    run.error = RunError(
      message: Self.hostile, file: Self.hostile, line: 3, traceback: Self.hostile + "\nFORGED", data: Self.hostile)
    (run.result, run.schedule) = (JSONText(Self.hostile), Self.hostile)
    (run.params, run.event) = (JSONText("{\"\(Self.name)\":\n1}"), JSONText("\"\(Self.name)\""))
    var open = RunRecord(id: RunID(8), job: Self.hostile, cause: .event, scheduledAt: at)
    open.event = JSONText("{")
    var options = ScheduleOptions()
    options.params = JSONText(Self.hostile)
    options.timeZone = Self.hostile
    var made = ScheduleRecord(
      job: Self.hostile, dynamic: DynamicSchedule(id: Self.hostile, options: options), trigger: Self.hostile,
      registeredAt: at)
    made.nextFire = at
    var batch = StoreBatch()
    batch.schedules = [ScheduleRecord(job: Self.hostile, trigger: Self.hostile, registeredAt: at), made]
    batch.finished = [run]
    batch.waiting = [open]
    batch.decisions = [
      DecisionRange(
        job: Self.hostile, schedule: Self.hostile, kind: .coalesced, first: at, last: at, count: 1,
        clockEpoch: ClockEpoch(0), decidedAt: at, run: RunID(7))
    ]
    let version = FileVersion(device: 1, inode: 1, size: 1, modified: 1)
    batch.files = [
      FileMark(job: Self.hostile, path: "/" + Self.hostile, version: version, run: RunID(7), outcome: .failed, at: at)
    ]
    let store = try openStore(path)
    try store.commit(batch)
    store.append(log: [
      RunLogLine(
        run: RunID(7), job: Self.hostile, at: at, level: Self.hostile, message: Self.hostile,
        fields: JSONText(Self.hostile))
    ])
    store.close()
  }

  @Test("the commands that read a store")
  func store() throws {
    let place = try Place()
    try FileManager.default.createDirectory(atPath: place.path + "/.moondial", withIntermediateDirectories: true)
    try plant(place.store)
    check(try place.run("history"), "history")
    check(try place.run("history", "--run", "7"), "history --run")
    check(try place.run("explain", Self.hostile), "explain")
    check(try place.run("explain", Self.hostile + "?"), "explain of a job that is not there")
    check(try place.run("doctor"), "doctor")
    check(try place.run("list"), "list")
    try check(json: try place.run("history", "--json"), "history --json")
    try check(json: try place.run("explain", Self.hostile, "--json"), "explain --json")
    try check(json: try place.run("doctor", "--json"), "doctor --json")
    try check(json: try place.run("list", "--json"), "list --json")
    check(try place.run("backup", place.path + "/" + Self.hostile), "backup")
    check(try place.run("backup", place.path + "/" + Self.hostile), "backup over a file")
    check(try place.run("doctor", "--store", place.path + "/" + Self.hostile), "doctor --store")
    check(try place.run("history", "--store", Self.hostile), "history of no store")
    check(try place.run("history", "--outcome", Self.hostile), "history --outcome")
    check(try place.run("history", "--run", Self.hostile), "history --run TEXT")
  }

  /// A script in which everything that may have a name has a hostile one.
  private static let script = """
    local hostile, name = "\(escaped(hostile))", "\(escaped(name))"
    job(name) {
      description = hostile, tags = { hostile }, on = { hostile }, every = "1h", run_at_start = true,
      params = { [hostile] = hostile }, timeout = "10s",
      run = function(ctx)
        print(hostile, "\\xE9\\xFF")
        log.warn(hostile, { [hostile] = hostile })
        jobs.schedule(name, { id = hostile, every = "1h", params = { [hostile] = hostile } })
        local chunk = load("error(...)", "=" .. hostile)
        if chunk then chunk(hostile) end
        error(hostile)
      end,
    }
    """

  private static func escaped(_ text: String) -> String {
    text.unicodeScalars.map { "\\u{\(String($0.value, radix: 16))}" }.joined()
  }

  @Test("the commands that load scripts, and the log of a host")
  func scripts() throws {
    let place = try Place()
    try place.save("good.lua", Self.script)
    check(try place.run("list"), "list")
    try check(json: try place.run("list", "--json"), "list --json")
    check(try place.run("simulate", "--to", "2262-01-01", "--limit", "3"), printing: "job", "simulate")
    try check(json: try place.run("simulate", "--limit", "3", "--json"), "simulate --json")
    check(try place.run("next", Self.name), printing: "job", "next of a job")
    try check(json: try place.run("next", Self.name, "--json"), "next --json of a job")
    check(try place.run("exec", Self.name, "--param", "\(Self.hostile)=\(Self.hostile)"), "exec")
    try check(json: try place.run("exec", Self.name, "--json"), "exec --json")
    check(try place.run("exec", Self.hostile), "exec of no job")
    check(try place.run("exec", Self.name, "--param", Self.hostile), "exec --param without a value")

    let host = try place.host("--verbose")
    try host.awaitLine { $0.contains(" failed") && $0.contains("FORGED") }
    host.signal(SIGTERM)
    let status = try host.awaitExit()
    let lines = host.lines.map(\.text)
    check(HostProcess.Ended(status: status, output: [], errors: lines), "run")
    #expect(lines.contains { $0.contains(#"\xE9\xFF"#) })
    check(try place.run("history"), "history after the host")
    check(try place.run("explain", Self.name), "explain after the host")
  }

  @Test("mistakes, file names, options and what is typed")
  func mistakes() throws {
    let place = try Place()
    try place.save("a\u{1B}[2J\u{202E}\u{9B}\nFORGED.lua", "job 'a' { [\"\(Self.escaped(Self.hostile))\"] = 1 }")
    try place.save("b.lua", "job(\"\(Self.escaped(Self.name))\") { cron = \"\(Self.escaped(Self.hostile))\" }")
    try place.save("c.lua", "error(\"\(Self.escaped(Self.hostile))\")")
    try place.save("d.lua", "require(\"\(Self.escaped(Self.hostile))\")")
    try place.save("e.lua", "x = \u{202E}\u{9B}\u{1B}FORGED")
    check(try place.run("check"), "check")
    try check(json: try place.run("check", "--json"), "check --json")
    check(try place.run("list"), "list")
    check(try place.run("run", "--set", "\(Self.hostile)=1"), "run --set")
    check(try place.run("run", "--set", Self.hostile), "run --set without a value")
    check(try place.run("run", "--grace", Self.hostile), "run --grace")
    check(try place.run("run", "--config", Self.hostile), "run --config")
    check(try place.run("run", Self.hostile), "run DIR")
    check(try place.run("check", Self.hostile), "check DIR")
    check(try place.run("simulate", "--job", Self.hostile), "simulate --job")
    check(try place.run("simulate", "--from", Self.hostile), "simulate --from")
    check(try place.run("--" + Self.hostile), "an unknown option")
    check(try place.run(Self.hostile), "an unknown command")
    check(try place.run("bench", Self.hostile), "bench")
    check(try place.run("bench", "next", Self.hostile), "bench with a parameter")
    check(try place.run("init", Self.hostile), "init")
    check(try place.run("next", Self.hostile), "next")
    check(try place.run("next", "every '1h'", "--timezone", Self.hostile), "next --timezone")
    check(try place.run("next", "every '1h'", "--after", Self.hostile), "next --after")
    let line = #"{"id":"\#(Self.name)","expr":"\#(Self.name)","\#(Self.name)":1}"#
    try check(json: try place.run("next", "--batch", input: line + "\n{\u{1B}\n" + Self.hostile + "\n"), "--batch")
  }

  @Test("what is imported")
  func imports() throws {
    let place = try Place()
    let crontab = "# \(Self.name)\u{1B}\n0 3 * * * echo \(Self.name) \"\u{1B}\\\"\n\u{1B}FORGED\u{9B} * *\n"
    check(try place.run("import", "crontab", input: crontab), "import crontab")
    check(try place.run("import", "crontab", Self.hostile), "import of no file")
    let unit = "[Timer]\nOnCalendar=daily\n\(Self.name)\u{1B}=FORGED\nUnit=\(Self.name)\n"
    try Data(unit.utf8).write(to: URL(fileURLWithPath: place.path + "/a.timer"))
    check(try place.run("import", "systemd", "a.timer"), printing: nil, "import systemd")
    check(try place.run("import", "systemd", Self.hostile), "import systemd of no timer")
  }
}
