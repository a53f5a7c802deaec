import Chronology
import Importing
import JobModel
import ScriptFixtures
import Testing
import TestSupport
import Triggers

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

/// Imported scripts are loaded as any other, and fire when the original would.
@Suite("imported crontabs and timers")
struct LoadImportTests {
  private let origin = ImportOrigin(source: "a file", script: "a.lua")
  private let context = TriggerContext(zones: LoadFixture.zones)

  private func load(_ script: ImportedScript) throws -> [JobDefinition] {
    let generation = try LoadFixture().load(["a.lua": script.lua])
    // A script without jobs is worth a note to whoever keeps one; not here.
    #expect(generation.errors.map(\.description) == [], "\(script.lua)")
    #expect(generation.jobs.count == script.jobCount)
    return generation.jobs
  }

  private func fires(_ trigger: AnyTrigger?) -> [Instant] {
    var fires: [Instant] = []
    var instant = Instant(seconds: 1_790_000_000)
    while fires.count < 5, let next = trigger?.next(after: instant) {
      fires.append(next)
      instant = next
    }
    return fires
  }

  @Test("random entries load, and fire when the expression does", arguments: [1, 2, UInt64.random(in: 0...UInt64.max)])
  func crontab(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    let schedules = [
      "0 3 * * *", "*/5 9-17 * * mon-fri", "30 2 1,15 * fri", "@daily", "@hourly", "15 4 * JAN-mar 0", "7 7 7 7 *",
      "@reboot",
      "59 23 31 12 7", "*/7 */3 * * *",
    ]
    let commands = [
      "backup --all", #"find / -name "*.o" -delete"#, "echo it''s \\% done", #"awk '{print $1}' x | sort > "/tmp/a b""#,
      "cat%one%two",
      "printf ']]' \"]=]\"", "tést ünïcode", "true # comment", "a && b || c; d &", "x\t\ty", #"echo \"#, "end",
      "[[ -f a ]] && b]",
    ]
    var text = "# jobs\n\nMAILTO=\"\"\n"
    var expected: [AnyTrigger?] = []
    var zone = "UTC"
    for _ in 0..<30 {
      if random.below(10) == 0 { text += "VAR_\(random.below(9)) = \"a 'b' \\\\ \(random.below(100))\"\n" }
      if random.below(8) == 0 {
        zone = ["UTC", "Europe/Berlin", "Asia/Kolkata"][random.below(3)]
        text += "CRON_TZ=\(zone)\n"
      }
      let schedule = schedules[random.below(schedules.count)]
      text += "\(schedule)  \(commands[random.below(commands.count)])\n"
      let built = try TriggerBuilder.build(
        "cron", [.string(schedule)],
        context: TriggerContext(zones: LoadFixture.zones, zone: LoadFixture.zones.zone(named: zone)))
      expected.append(built.trigger)
    }
    let made = Crontab(text, isSystemWide: false).script(from: origin, context: context)
    #expect(made.notes == [], "seed \(seed)")
    let jobs = try load(made)
    #expect(Set(jobs.map(\.name)).count == expected.count)
    // Jobs come in the order of their names: match each with the line it was made of by its number in the script.
    let inOrder = made.lua.split(separator: "\n").filter { $0.hasPrefix("job \"") }
      .compactMap { line in jobs.first { line.hasPrefix("job \"\($0.name)\" {") } }
    #expect(inOrder.map { fires($0.trigger) } == expected.map { fires($0) }, "seed \(seed)")
    #expect(inOrder.map { $0.trigger?.firesAtStart } == expected.map { $0?.firesAtStart }, "seed \(seed)")
  }

  @Test("whatever a file holds, the script loads", arguments: [7, UInt64.random(in: 0...UInt64.max)])
  func anything(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    let pieces = [
      "* * * * * ", "0 3 * * * ", "@daily ", "root ", "x", "=", "\"", "'", "\\", "%", "]]", "[[", "--", "\n", "\r\n",
      "\r",
      "#", "\t", " ", "é", "\u{7F}", "\u{1}", "CRON_TZ=", "UTC", "MAILTO=", "SHELL=", "end", "${A}", "$A", "[Timer]\n",
      "[Service]\n", "OnCalendar=", "daily\n", "ExecStart=", "/bin/x ", "Environment=", "A=b\n", ";", "%i",
      "[Unit]\nDescription=", "OnUnitActiveSec=", "90min\n", "User=", "|", "&&",
    ]
    for _ in 0..<150 {
      let text = (0..<random.below(60)).map { _ in pieces[random.below(pieces.count)] }.joined()
      let crontab = Crontab(text, isSystemWide: random.below(2) == 0)
      _ = try load(crontab.script(from: origin, context: context))
      let name = "\(text.prefix(random.below(9))).timer"
      let timer = TimerUnit(name: name, timer: "[Timer]\nOnCalendar=daily\n\(text)") { _ in
        "[Service]\nExecStart=/bin/x\n\(text)"
      }
      _ = try load(TimerUnit.script(of: [timer], from: origin, context: context))
    }
  }

  @Test("a system crontab and a timer load without a note")
  func others() throws {
    let crontab = Crontab(
      "SHELL=/bin/bash\nPATH=/bin:/sbin\n17 * * * * root cd / && run-parts /etc/cron.hourly\n@weekly www-data x%y\n",
      isSystemWide: true)
    #expect(
      try load(crontab.script(from: origin, context: context)).map(\.name).sorted() == ["run-parts-cron.hourly", "x"])
    let timer = TimerUnit(
      name: "a@b.timer", timer: "[Timer]\nOnCalendar=Mon 03:00\nOnUnitActiveSec=90min\nOnBootSec=5min\n"
    ) { _ in
      "[Service]\nType=oneshot\nExecStart=/bin/x\nExecStart=-/bin/y \"a\\n\" %i\nEnvironment=A=1\nTimeoutSec=5min\n"
        + "WorkingDirectory=/\n"
    }
    let jobs = try load(TimerUnit.script(of: [timer], from: origin, context: context))
    #expect(jobs.map(\.name) == ["a@b"] && jobs[0].timeout != nil && jobs[0].misfireGraceTime != nil)
  }
}
