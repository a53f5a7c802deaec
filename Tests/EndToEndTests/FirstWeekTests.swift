import Foundation
import Glibc
import ScriptFixtures
import Testing

/// The trial that the documentation has to pass: what a newcomer writes in a first week works the first time.
@Suite("A first week", .onBothExecutors, .serialized)
struct FirstWeekTests {
  private func place() throws -> Place {
    let place = try Place()
    for directory in ["srv/app", "srv/log", "srv/in", "srv/backup", "secrets"] {
      try FileManager.default.createDirectory(atPath: place.path + "/" + directory, withIntermediateDirectories: true)
    }
    func write(_ path: String, _ text: String) throws {
      try Data(text.utf8).write(to: URL(filePath: place.path + "/" + path))
    }
    try write("moondial.lua", FirstWeek.configuration)
    try write("secrets/backup-token", "token-4711\n")
    try write("srv/app/data", "data\n")
    try write("srv/log/a.log", String(repeating: "a line\n", count: 50))
    for script in FirstWeek.scripts { try place.save(script.name, script.text) }
    return place
  }

  @Test("twelve scripts are checked, shown and foretold before anything runs")
  func before() throws {
    let place = try place()
    let check = try place.run("check")
    #expect(check.status == 0 && check.output == ["22 jobs in 12 scripts, no mistakes"], "\(check)")
    #expect(check.errors.count == 1 && check.errors[0].contains("no grant for the secret backup-token"), "\(check)")
    let list = try place.run("list").output
    #expect(list.contains { $0.hasPrefix("import ") && $0.contains("with files srv/in/*.csv") })
    #expect(list.contains { $0.hasPrefix("both ") && $0.contains("after all of extract, load") })
    // Christmas is a Friday, and Friday to Sunday are free.
    let standups = try place.run("simulate", "--from", "2026-12-24", "--to", "2026-12-29", "--job", "standup").output
    #expect(standups == ["2026-12-24T09:00:00+01:00  standup", "2026-12-28T09:00:00+01:00  standup"])
    let payday = try place.run("next", "payroll", "-n", "1", "--after", "2026-12-20").output
    #expect(payday.last == "  2027-01-04T09:00:00+01:00")
  }

  @Test("their tests pass under a clock that the tests move")
  func tested() throws {
    let place = try place()
    try place.save("week_test.lua", FirstWeek.tests)
    let ended = try place.run("test")
    #expect(ended.status == 0 && ended.output.last?.hasPrefix("6 passed, 0 failed") == true, "\(ended)")
    let check = try place.run("check")
    #expect(check.output == ["22 jobs in 12 scripts, no mistakes"], "no host loads the tests: \(check)")
  }

  @Test("each of them can be tried alone, with what it would be given")
  func alone() throws {
    let place = try place()
    try Data("item,price\ntea,1.5\nmilk,2\ntea,3\n".utf8).write(to: URL(filePath: place.path + "/srv/in/a.csv"))
    func tries(_ job: String, _ more: [String] = [], _ words: String) throws {
      let ended = try HostProcess.run(["exec", job] + more, in: place.path)
      let said = (ended.output + ended.errors).joined(separator: "\n")
      #expect(ended.status == 0 && said.contains(words), "\(job): \(said)")
      #expect(!said.contains("token-4711"), "\(said)")
    }
    try tries("backup", [], #"{"kept":1,"#)
    try tries("rotate logs", [], "succeeded")
    try tries("disk alarm", [], #"dropped: emit("disk.full")"#)
    try tries("disk mail", ["--event", #"{"used":91}"#], #"disk is full {"used":91}"#)
    try tries("health", [], #""localhost:1":false"#)
    try tries("import", ["--file", "srv/in/a.csv"], #"imported {"rows":3}"#)
    try tries("nightly report", [], #"{"rows":2}"#)
    try tries("extract", [], "transform, both would run after this")
    try tries("transform", ["--event", #"{"job":"extract","result":{"rows":4}}"#], #"{"rows":8}"#)
    try tries("fan out", [], #""sum":179"#)
    try tries("sync stock", [], #""stock""#)
    try tries("payroll", [], "succeeded")
    try tries("remind", ["--param", "text=tea"], "remember: tea")
    let refused = try place.run("exec", "no grant")
    #expect(refused.status == 1 && refused.errors.joined().contains("has no grant for the secret backup-token"))
    let unsaid = try place.run("exec", "transform", "--event", "1")
    #expect(
      unsaid.status == 2
        && unsaid.errors.joined().contains("runs after extract: say how that ended with --event '{\"job\": \"extract\""),
      "\(unsaid)")
  }

  @Test("under a host each of them does what it says, and is found in history, list, explain and metrics")
  func hosted() throws {
    let place = try place()
    let host = try place.host()
    try host.awaitAnywhere(#"disk is full {"used":"#)
    try host.awaitAnywhere(#"down {"host":"localhost:1"}"#)
    try host.awaitAnywhere("remember: tea")
    func runs(_ job: String, _ words: String) throws {
      let ended = try place.run("trigger", job, "--wait")
      #expect(ended.status == 0 && ended.output.contains { $0.contains(words) }, "\(job): \(ended)")
    }
    for kept in 1...2 { try runs("backup", #"{"kept":\#(kept),"#) }
    try runs("backup", #"{"kept":2,"#)
    try runs("rotate logs", "succeeded")
    #expect(place.text("srv/log/a.log").isEmpty)
    let rotated = try FileManager.default.contentsOfDirectory(atPath: place.path + "/srv/log")
    #expect(rotated.count { $0.hasSuffix(".gz") } == 1, "\(rotated)")
    try runs("extract", #"{"rows":42}"#)
    try host.awaitAnywhere(#"loaded {"rows":84}"#)
    try host.awaitAnywhere(#"both {"extract":{"rows":42}"#)
    try runs("fan out", #"{"error":"fanout.lua:7: five","sum":179}"#)
    for name in ["orders", "stock", "billing"] { try runs("sync " + name, "\"\(name)\"") }
    try Data("item,price\ntea,1.5\nmilk,2\ntea,3\n".utf8).write(to: URL(filePath: place.path + "/srv/in/a.csv"))
    try host.awaitAnywhere(#"imported {"rows":3}"#)
    try runs("nightly report", #"{"rows":2}"#)
    #expect(place.text("srv/report.html").contains("<li>tea: 4.5</li>"))
    try Data("item,price\ntea,dear\n".utf8).write(to: URL(filePath: place.path + "/srv/in/b.csv"))
    try host.awaitAnywhere("import needs you: line 2 has no price")
    #expect(try place.run("trigger", "no grant", "--wait").status == 1)
    try host.awaitAnywhere("no grant needs you: ")
    #expect(!host.text.contains("token-4711") && host.text.contains("using ***"))
    let explained = try place.run("explain", "import").output.joined(separator: "\n")
    #expect(explained.contains("b.csv failed in run"), "\(explained)")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let failed = try place.run("history", "--outcome", "failed").output
    #expect(failed.count == 3 && failed.dropFirst().allSatisfy { $0.contains("import") || $0.contains("no grant") })
    #expect(try place.run("metrics").output.contains { $0.contains("disk_used_percent") })
    #expect(try place.run("list").output.contains { $0.hasPrefix("  water") && $0.contains("dynamic schedule") })
  }

  @Test("debug lines tell a run's start from a call of the host's on_failure")
  func failureCall() throws {
    let place = try Place()
    try Data(FirstWeek.configuration.utf8).write(to: URL(filePath: place.path + "/moondial.lua"))
    try place.save("a.lua", "job \"bad\" { run_at_start = true, run = function() error(\"no luck\") end }\n")
    let host = try place.host("-v")
    try host.awaitAnywhere("bad needs you: ")
    host.signal(SIGTERM)
    try host.awaitExit()
    let lines = host.lines.map(\.text).filter { $0.contains(" bad #") }
    #expect(lines.count { $0.hasSuffix(": started") } == 1, "\(lines)")
    #expect(lines.count { $0.hasSuffix(": on_failure of moondial.lua is called") } == 1, "\(lines)")
  }
}
