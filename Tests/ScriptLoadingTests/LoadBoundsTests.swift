import Chronology
import JobModel
import Lua
import ScriptFixtures
import Testing
import Triggers

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("What a script may declare is bounded, and each bound is a sentence with its place")
struct LoadBoundsTests {
  private func only(_ script: String, _ change: (ScriptLoader) -> Void = { _ in }) throws -> String {
    let fixture = try LoadFixture()
    change(fixture.loader)
    let problems = fixture.problems(script)
    #expect(problems.count == 1, "\(problems)")
    return problems.first ?? ""
  }

  @Test("a trigger that doubles is refused where it passes the limit")
  func doubling() throws {
    let problem = try only("local t = every '1h'\nfor i = 1, 18 do\n  t = any_of { t, t }\nend")
    #expect(
      problem
        == "a.lua:3: any_of: it has 16382 parts; a trigger may have 10000: give the times to several jobs")
  }

  @Test(
    "every way to nest is refused where it becomes too deep",
    arguments: [
      "any_of { t }", "all_of { t }", "except(t, '2026-12-25')", "only(t, c)",
      "any_of { t, start_date = '2027-01-01' }", "except('x', { t })", "cron('0 3 * * *', { name = t })",
    ])
  func nesting(call: String) throws {
    let problems = try LoadFixture().problems(
      "local c = calendar_of { weekdays = 'sat,sun' }\nlocal t = every '1h'\nfor i = 1, 100000 do t = \(call) end")
    let message = "triggers are inside one another 33 deep; at most 32 are allowed"
    #expect(problems.contains { $0.hasPrefix("a.lua:3: ") && $0.hasSuffix(message) }, "\(problems)")
  }

  @Test("a hundred values that share their parts cost what they are, not what they would be written out")
  func sharing() throws {
    let fixture = try LoadFixture()
    let generation = fixture.load([
      "a.lua": """
      local all = {}
      for n = 1, 100 do
        local t = every("1h")
        for i = 1, 11 do t = any_of { t, t } end
        all[n] = t
      end
      job "a" { trigger = all[100], run = print }
      """
    ])
    #expect(generation.problems.isEmpty && generation.jobs.count == 1, "\(generation.problems)")
  }

  @Test("a value describes itself within bounds, however often it names its parts")
  func description() {
    var specification = TriggerSpecification(constructor: "every", arguments: [.string("1h")])
    #expect(specification.luaDescription == "every(\"1h\")")
    for _ in 0..<60 {
      specification = TriggerSpecification(
        constructor: "any_of", arguments: [.table(LuaTable(array: [.object(specification), .object(specification)]))])
    }
    #expect(specification.luaDescription.hasPrefix("any_of({ any_of({ ") && specification.luaDescription.hasSuffix("…"))
    #expect(specification.luaDescription.utf8.count <= LuaTextWriter.limit + 3)
    #expect(specification.extent.parts == .max || specification.extent.complaint != nil)
  }

  @Test("long lists and texts of megabytes are refused")
  func lists() throws {
    let list = "local d = {} for i = 1, 20000 do d[i] = '2027-01-01' end\n"
    #expect(try only(list + "at(d)").hasPrefix("a.lua:2: at: it has 20002 parts"))
    #expect(try only(list + "calendar_of { dates = d }").hasPrefix("a.lua:2: calendar_of: it has 20003 parts"))
    #expect(try only(list + "job 'a' { at = d, run = print }").contains("its trigger is too large: it has 20002 parts"))
    #expect(
      try only("cron(string.rep('0', 1000000))")
        == "a.lua:1: cron: its texts have 1000000 bytes; those of a trigger may have 262144")
    let rules = try only("job 'a' { trigger = rrule(string.rep('RRULE:FREQ=DAILY\\n', 101)), run = print }")
    #expect(rules.contains("it has 101 rules; at most 100 are allowed"))
  }

  @Test("so are more jobs, parts and bytes than a script may declare")
  func quota() throws {
    var quota = DeclareQuota()
    quota.jobs = 10
    quota.triggerParts = 100
    quota.bytes = 10_000
    let small = quota
    let jobs = "a script may declare 10 jobs; let several scripts declare them (quotas.jobs_per_script in moondial.lua)"
    #expect(try only("for i = 1, 11 do job('j' .. i) { run = print } end") { $0.quota = small } == "a.lua:1: \(jobs)")
    #expect(try only("for i = 1, 11 do job { name = 'j' .. i, run = print } end") { $0.quota = small }.hasSuffix(jobs))
    #expect(
      try only("while true do job 'x' end") { $0.quota = small }.hasSuffix(jobs), "an open call counts as well")
    let made =
      "every: the trigger values of a script may have 100 parts; make them once and share them "
      + "(quotas.trigger_parts_per_script in moondial.lua)"
    #expect(try only("while true do every '1h' end") { $0.quota = small } == "a.lua:1: \(made)")
    let used = try only(
      "local t = any_of { every '1h', every '2h', every '3h', every '4h' }\n"
        + "for i = 1, 10 do job('j' .. i) { trigger = t, run = print } end"
    ) { $0.quota = small }
    #expect(used.contains("the triggers of a script's jobs may have 100 parts"))
    let bytes = try only("job 'a' { run = print, params = { x = string.rep('y', 20000) } }") { $0.quota = small }
    #expect(bytes.contains("what a script declares may have 10000 bytes"))
  }

  @Test("a script that is refused leaves the others as they are")
  func others() throws {
    let fixture = try LoadFixture()
    var configuration = HostConfiguration()
    configuration.quotas.jobsPerScript = 3
    let generation = fixture.load(
      [
        "a.lua": "for i = 1, 9 do job('a' .. i) { run = print } end", "b.lua": "job 'b' { run = print }",
      ], configuration: configuration)
    #expect(generation.jobs.map(\.name) == ["b"])
    #expect(generation.errors.count == 1)
  }

  @Test("the most jobs of all scripts together are counted in path order")
  func generation() throws {
    let fixture = try LoadFixture()
    let script = { (name: String) in "for i = 1, 4 do job('\(name)' .. i) { run = print } end" }
    let loaded = fixture.load(["a.lua": script("a"), "b.lua": script("b"), "c.lua": "job 'c' { run = print }"])
    var assembly = GenerationAssembly(loaded.scripts.map { (evaluation: $0.evaluation, former: nil) }, mostJobs: 6)
    let choices = assembly.resolve()
    #expect(choices.map { $0.active?.jobs.count } == [4, nil, 1])
    #expect(choices[1].conflicts.map(\.message).first?.contains("more than 6") == true)
  }

  @Test("what the host does on a script's behalf ends with the script's time")
  func deadline() throws {
    let over = WorkDeadline(allowed: 0)
    var text = "BEGIN:VCALENDAR\r\n"
    for _ in 0..<300 { text += "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\n" }
    let bytes = Array((text + "END:VCALENDAR\r\n").utf8)
    let late = #expect(throws: TriggerError.self) {
      try CalendarFile(bytes, zones: LoadFixture.zones, deadline: over)
    }
    #expect(late?.message == "the script was still loading after 0 ms")
    let context = TriggerContext(zones: LoadFixture.zones, deadline: over)
    #expect(throws: TriggerError("the script was still loading after 0 ms")) {
      try TriggerBuilder.build("every", [.string("1h")], context: context)
    }
    let specification = TriggerSpecification(constructor: "every", arguments: [.string("1h")])
    #expect(throws: TriggerError("the script was still loading after 0 ms")) { try specification.build(in: context) }
  }
}
