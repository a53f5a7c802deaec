import JobModel
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("what scripts say of each other is consistent")
struct LoadConflictTests {
  private let fixture: LoadFixture
  init() throws { fixture = try LoadFixture() }

  private func job(_ name: String, _ fields: String = "") -> String {
    "job '\(name)' { \(fields.isEmpty ? "" : fields + ", ")run = print }\n"
  }

  @Test("at start the first script in path order keeps a name")
  func atStart() {
    let generation = fixture.load(["a.lua": job("x"), "b.lua": job("y") + job("x")])
    #expect(generation.jobs.map(\.name) == ["x"])
    #expect(generation.scripts.map(\.status) == [.current, .broken])
    #expect(
      generation.problems.map(\.description) == [
        "b.lua:2: job \"x\" is already declared at a.lua:1, which stays loaded; give one of them another name"
      ])
  }

  @Test("later the loaded one keeps it, whatever its path")
  func later() {
    let first = fixture.load(["b.lua": job("x")])
    let second = fixture.load(["a.lua": job("x"), "b.lua": job("x")], after: first)
    #expect(second.jobs.map(\.source.file) == ["b.lua"])
    #expect(second.problems.map(\.location.file) == ["a.lua"])
  }

  @Test("the one that was kept out comes in when the name is free")
  func freed() {
    let first = fixture.load(["a.lua": job("x"), "b.lua": job("x")])
    let second = fixture.load(["b.lua": job("x")], after: first)
    #expect(second.jobs.map(\.source.file) == ["b.lua"] && second.problems.isEmpty)
    #expect(second.scripts[0].evaluation === first.scripts[1].evaluation, "it needs no second evaluation")
  }

  @Test("a job may move from one script to another in one save")
  func moved() {
    let first = fixture.load(["a.lua": job("x") + job("y"), "b.lua": job("z")])
    let second = fixture.load(["a.lua": job("y"), "b.lua": job("z") + job("x")], after: first)
    #expect(second.problems.isEmpty)
    #expect(second.scripts.map { $0.jobs.map(\.name) } == [["y"], ["z", "x"]])
  }

  @Test("a version that is kept out leaves the former one in force, with its names")
  func chain() {
    let first = fixture.load(["a.lua": job("a"), "b.lua": job("b")])
    // b takes a's name and gives up its own, which c takes: b stays as it was, so c must wait.
    let second = fixture.load(["a.lua": job("a"), "b.lua": job("a"), "c.lua": job("b")], after: first)
    #expect(second.jobs.map(\.name) == ["a", "b"])
    #expect(second.scripts.map(\.status) == [.current, .stale, .broken])
  }

  @Test("after may name a job of any script")
  func after() {
    let generation = fixture.load(["a.lua": job("a", "after = 'b'"), "b.lua": job("b")])
    #expect(generation.problems.isEmpty)
  }

  @Test("a name that no script declares is an error with a suggestion")
  func unknown() {
    let generation = fixture.load(["a.lua": job("load", "after = 'extrct'"), "b.lua": job("extract")])
    #expect(
      generation.problems.map(\.description) == [
        "a.lua:1: job \"load\": after names \"extrct\", but no job of that name is loaded; did you mean \"extract\"?"
      ])
    #expect(generation.jobs.map(\.name) == ["extract"])
  }

  @Test("while another script is broken, it may be declared there")
  func besideABrokenOne() {
    let generation = fixture.load(["a.lua": job("load", "after = 'extract'"), "b.lua": "job 'extract' { rum = print }"])
    #expect(generation.jobs.map(\.name) == ["load"])
    #expect(
      generation.errors.map(\.description) == [
        "a.lua:1: job \"load\": after names \"extract\", but no job of that name is loaded; declare it or remove it from after",
        "b.lua:1: job \"extract\": unknown field \"rum\"; did you mean \"run\"?",
        "b.lua:1: job \"extract\": run is missing; add run = function(ctx) … end",
      ])
  }

  @Test("when the named job goes, the script that names it stays, and says so")
  func gone() {
    let first = fixture.load(["a.lua": job("a", "after = 'b'"), "b.lua": job("b")])
    let second = fixture.load(["a.lua": job("a", "after = 'b'")], after: first)
    #expect(second.jobs.map(\.name) == ["a"] && second.errors.count == 1)
  }

  @Test("a circle is an error in each script of it, and keeps them out")
  func circle() {
    let generation = fixture.load([
      "a.lua": job("a", "after = 'b'"), "b.lua": job("b", "after = 'c'"), "c.lua": job("c", "after = 'a'"),
      "d.lua": job("d"),
    ])
    #expect(generation.jobs.map(\.name) == ["d"])
    let ring = "\"a\" after \"b\" after \"c\" after \"a\"; remove one of them"
    #expect(
      generation.errors.map(\.description) == [
        "a.lua:1: job \"a\" would wait for itself: \(ring)", "b.lua:1: job \"b\" would wait for itself: \(ring)",
        "c.lua:1: job \"c\" would wait for itself: \(ring)",
      ])
  }

  @Test("the edit that closes a circle is the one that is refused")
  func closing() {
    let first = fixture.load(["a.lua": job("a", "after = 'b'"), "b.lua": job("b")])
    let second = fixture.load(["a.lua": job("a", "after = 'b'"), "b.lua": job("b", "after = 'a'")], after: first)
    #expect(second.scripts.map(\.status) == [.current, .stale])
    #expect(second.job(named: "b")?.after == [])
  }

  @Test("a chain of 10,000 jobs is no circle and no recursion")
  func longChain() {
    let generation = fixture.load([
      "a.lua":
        "job '1' { run = print }\nfor i = 2, 10000 do job(tostring(i), { after = tostring(i - 1), run = print }) end"
    ])
    #expect(generation.problems.isEmpty && generation.jobs.count == 10_000)
  }
}
