import JobModel
import Lua
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("a reload evaluates what changed and keeps what is good")
struct LoadReloadTests {
  private let fixture: LoadFixture
  init() throws { fixture = try LoadFixture() }

  private static let good = "job 'x' { every = '1m', run = function() return 1 end }"

  @Test("equal files are the same generation, with the same objects")
  func untouched() {
    let first = fixture.load(["a.lua": Self.good, "b.lua": "job 'y' { run = print }"])
    let second = fixture.load(["a.lua": Self.good, "b.lua": "job 'y' { run = print }"], after: first)
    #expect(first.number == Generation(1) && second.number == first.number)
    #expect(
      zip(first.scripts, second.scripts).allSatisfy { $0.active === $1.active && $0.evaluation === $1.evaluation })
    #expect(second.changes(since: first).isEmpty)
  }

  @Test("an edit changes its script's jobs and no others")
  func edit() {
    let first = fixture.load(["a.lua": Self.good, "b.lua": "job 'y' { run = print }"])
    let second = fixture.load(
      [
        "a.lua": "job 'x' { every = '2m', run = function() return 1 end }\njob 'z' { run = print }",
        "b.lua": "job 'y' { run = print }",
      ],
      after: first)
    #expect(second.number == Generation(2))
    #expect(second.changes(since: first) == GenerationChanges(added: ["z"], changed: ["x"]))
    #expect(first.scripts[1].active === second.scripts[1].active)
  }

  @Test("another function body is a change, the same one is none")
  func code() {
    let first = fixture.load(["a.lua": Self.good])
    let second = fixture.load(["a.lua": "job 'x' { every = '1m', run = function() return 2 end }"], after: first)
    #expect(second.changes(since: first) == GenerationChanges(changed: ["x"]))
    let third = fixture.load(["a.lua": "job 'x' { every = '60s', run = function() return 2 end } "], after: second)
    #expect(third.changes(since: second).isEmpty)
    #expect(third.jobs[0].payload === second.jobs[0].payload)
  }

  @Test("lines and comments that move are no change of code")
  func lines() throws {
    let first = fixture.load(["a.lua": Self.good])
    let second = fixture.load(["a.lua": "-- what it does\n\n" + Self.good], after: first)
    #expect(second.changes(since: first) == GenerationChanges(moved: ["x"]))
    #expect(second.jobs[0].source.line == 3)
    let difference = second.jobs[0].payload.difference(from: first.jobs[0].payload)
    #expect(difference == .lineInformation)
  }

  @Test("a captured local with another value is a change")
  func upvalue() {
    let first = fixture.load(["a.lua": "local n = 1\njob 'x' { run = function() return n end }"])
    let second = fixture.load(["a.lua": "local n = 2\njob 'x' { run = function() return n end }"], after: first)
    #expect(second.changes(since: first) == GenerationChanges(changed: ["x"]))
  }

  @Test("a broken script keeps its last good version until it is repaired")
  func broken() {
    let first = fixture.load(["a.lua": Self.good])
    let second = fixture.load(["a.lua": "job 'x' { every = '2m', run = function( }"], after: first)
    #expect(second.scripts[0].status == .stale)
    #expect(second.scripts[0].active === first.scripts[0].active)
    #expect(second.number == first.number)
    #expect(second.freshProblems(since: first).map(\.severity) == [.error])
    let third = fixture.load(["a.lua": "job 'x' { every = '2m', run = function( }"], after: second)
    #expect(third.freshProblems(since: second).isEmpty, "what is merely still there is not repeated")
    #expect(third.errors.count == 1)
    let fourth = fixture.load(["a.lua": "job 'x' { every = '2m', run = function() end }"], after: third)
    #expect(fourth.scripts[0].status == .current && fourth.problems.isEmpty)
    #expect(fourth.changes(since: third) == GenerationChanges(changed: ["x"]))
  }

  @Test("a script that was never good has no jobs")
  func neverGood() {
    let generation = fixture.load(["a.lua": "job 'x' {", "b.lua": "job 'y' { run = print }"])
    #expect(generation.scripts.map(\.status) == [.broken, .current])
    #expect(generation.jobs.map(\.name) == ["y"])
  }

  @Test("a deleted script takes its jobs with it")
  func deleted() {
    let first = fixture.load(["a.lua": Self.good, "b.lua": "job 'y' { run = print }"])
    let second = fixture.load(["b.lua": "job 'y' { run = print }"], after: first)
    #expect(second.changes(since: first) == GenerationChanges(removed: ["x"]))
    #expect(second.number == Generation(2))
  }

  @Test("a file that cannot be read keeps its script, and says so")
  func unreadable() {
    let first = fixture.load(["a.lua": Self.good])
    let problem = ScanProblem(.unreadable(errno: 13), ScriptPath("a.lua"))
    let second = fixture.loader.load(
      DirectorySnapshot([ScriptFile(ScriptPath("a.lua"), .script, .failure(problem))]), after: first)
    #expect(second.scripts[0].status == .stale && second.jobs.map(\.name) == ["x"])
    #expect(
      second.problems.map(\.description) == [
        "a.lua: Permission denied; give the host's user read access to this file"
      ])
  }

  @Test("a renamed script's jobs are the same jobs in another place")
  func renamed() {
    let first = fixture.load(["a.lua": Self.good])
    let second = fixture.load(["z/b.lua": Self.good], after: first)
    #expect(second.problems.isEmpty)
    #expect(second.jobs.map(\.name) == ["x"] && second.jobs[0].source.file == "z/b.lua")
    #expect(second.changes(since: first).added.isEmpty && second.changes(since: first).removed.isEmpty)
  }

  @Test("a module that changes reloads the scripts that require it, through others too")
  func module() {
    let script = "local m = require 'a'\njob 'x' { run = function() return m.value() end }"
    let first = fixture.load([
      "a.lua": script, "b.lua": "job 'y' { run = print }", "lib/a.lua": "return require 'b'",
      "lib/b.lua": "return { value = function() return 1 end }",
    ])
    #expect(first.problems.isEmpty)
    let second = fixture.load(
      [
        "a.lua": script, "b.lua": "job 'y' { run = print }", "lib/a.lua": "return require 'b'",
        "lib/b.lua": "return { value = function() return 2 end }",
      ], after: first)
    #expect(second.changes(since: first) == GenerationChanges(changed: ["x"]))
    #expect(second.scripts[1].evaluation === first.scripts[1].evaluation)
  }

  @Test("a module that was missing mends its scripts when it appears")
  func missingModule() {
    let script = "local m = require 'a'\njob 'x' { run = function() return m end }"
    let first = fixture.load(["a.lua": script])
    #expect(first.scripts[0].status == .broken)
    let second = fixture.load(["a.lua": script, "lib/a.lua": "return 1"], after: first)
    #expect(second.scripts[0].status == .current && second.problems.isEmpty)
  }

  @Test("a module that a run asked for changes the jobs of its script")
  func lateModule() {
    let script = "job 'x' { run = function() return require 'late' end }"
    let first = fixture.load(["a.lua": script, "lib/late.lua": "return 1"])
    fixture.loader.lateRequires.record(ScriptPath("a.lua"), asksFor: "late")
    let second = fixture.load(["a.lua": script, "lib/late.lua": "return 2"], after: first)
    #expect(second.changes(since: first) == GenerationChanges(changed: ["x"]))
    let third = fixture.load(["a.lua": script, "lib/late.lua": "return 2", "lib/other.lua": "return 1"], after: second)
    #expect(third.changes(since: second).isEmpty)
  }

  @Test("a half-written file is not spoken of until it was delivered again")
  func retried() throws {
    let fixture = try LoadFixture(retries: [true, false])
    let first = fixture.load(["a.lua": Self.good])
    let second = fixture.load(["a.lua": "job 'x' { every = '1m',"], after: first)
    #expect(second.problems.isEmpty && second.scripts[0].status == .current && second.pending == [ScriptPath("a.lua")])
    let third = fixture.load(["a.lua": "job 'x' { every = '1m',"], after: second)
    #expect(third.scripts[0].status == .stale && third.errors.count == 1 && third.pending.isEmpty)
    #expect(fixture.retried == [ScriptPath("a.lua"), ScriptPath("a.lua")])
  }

  @Test("an emptied file is waited for, then believed")
  func emptied() throws {
    let fixture = try LoadFixture(retries: [true, false])
    let first = fixture.load(["a.lua": Self.good])
    let second = fixture.load(["a.lua": ""], after: first)
    #expect(second.jobs.map(\.name) == ["x"])
    let third = fixture.load(["a.lua": ""], after: second)
    #expect(third.jobs.isEmpty && third.errors.isEmpty)
  }

  @Test("a half-written module holds back the scripts that require it")
  func halfModule() throws {
    let fixture = try LoadFixture(retries: [true])
    let script = "local m = require 'm'\njob 'x' { run = function() return m end }"
    let first = fixture.load(["a.lua": script, "lib/m.lua": "return 1"])
    let second = fixture.load(["a.lua": script, "lib/m.lua": "return {"], after: first)
    #expect(fixture.retried == [ScriptPath("lib/m.lua")])
    #expect(second.problems.isEmpty && second.jobs.count == 1)
  }

  @Test("new job defaults of the host reload every script, other settings none")
  func configuration() {
    var configuration = HostConfiguration()
    let first = fixture.load(["a.lua": Self.good], configuration: configuration)
    configuration.http.port = 9000
    let second = fixture.load(["a.lua": Self.good], after: first, configuration: configuration)
    #expect(second.scripts[0].evaluation === first.scripts[0].evaluation)
    configuration.jobDefaults = .init(fields: [("priority", 5)])
    let third = fixture.load(["a.lua": Self.good], after: second, configuration: configuration)
    #expect(third.changes(since: second) == GenerationChanges(changed: ["x"]))
    #expect(third.jobs[0].priority == 5)
  }
}
