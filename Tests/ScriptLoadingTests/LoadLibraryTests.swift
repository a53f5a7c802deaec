import JobModel
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

/// Modules that only runs require, globals that nobody sets, and where things are said to be.
@Suite("Scripts and what they lean on") struct LoadLibraryTests {
  let fixture: LoadFixture
  init() throws { fixture = try LoadFixture() }

  @Test("a module that only a run requires belongs to its script from the first load on")
  func lateModuleByText() {
    let script = "job 'x' { run = function() return require('late').f() end }"
    let first = fixture.load([
      "a.lua": script, "lib/late.lua": "return { f = function() return require 'deep' end }",
      "lib/deep.lua": "return 1",
    ])
    #expect(first.problems.isEmpty)
    let second = fixture.load(
      [
        "a.lua": script, "lib/late.lua": "return { f = function() return require 'deep' end }",
        "lib/deep.lua": "return 2",
      ],
      after: first)
    #expect(second.changes(since: first) == GenerationChanges(changed: ["x"]))
  }

  @Test("a broken module that only a run requires is an error at once, in its own line")
  func brokenLateModule() {
    let script = "job 'x' { run = function() return require 'late' end }"
    let first = fixture.load(["a.lua": script, "lib/late.lua": "return 1"])
    let second = fixture.load(["a.lua": script, "lib/late.lua": "local x =\nreturn ="], after: first)
    #expect(second.scripts[0].status == .stale)
    #expect(second.errors.map(\.description) == ["lib/late.lua:2: unexpected symbol near 'return'"])
    let third = fixture.load(["a.lua": script, "lib/late.lua": "return 1"], after: second)
    #expect(third.problems.isEmpty && third.scripts[0].status == .current)
  }

  @Test("a module that is not there is a note where a run asks for it")
  func missingLateModule() {
    let script = "job 'x' {\n  run = function() -- require 'not_this'\n    return require \"lte\"\n  end }"
    let first = fixture.load(["a.lua": script, "lib/late.lua": "return 1"])
    #expect(
      first.problems.map(\.description) == [
        "a.lua:3: note: module 'lte' not found: no file lib/lte.lua or lib/lte/init.lua in the scripts directory; did you mean \"late\"?"
      ])
    let second = fixture.load(["a.lua": script, "lib/late.lua": "return 1", "lib/lte.lua": "return 2"], after: first)
    #expect(second.problems.isEmpty && second.changes(since: first) == GenerationChanges(changed: ["x"]))
  }

  @Test("names that code reads and nobody sets are notes, in the script and not in its modules")
  func undeclared() {
    let generation = fixture.load([
      "a.lua": """
      local m = require 'm'
      job 'x' { run = function()
        if not cache then cache = m end
        helper()
        return mispelt, io.open
      end }
      function helper() end
      """,
      "lib/m.lua": "if jit then return nothing_of_mine end return {}",
    ])
    #expect(
      generation.problems.map(\.description) == [
        "a.lua:5: note: the global \"mispelt\" is read here, and nothing sets it",
        "a.lua:5: note: io is not here: use fs for files, exec for programs, print or log for lines",
      ])
  }

  @Test("a field of a host table is said to be added where that is written")
  func hostTables() {
    let generation = fixture.load([
      "a.lua": "local u = require 'u'\njob 'x' { run = u }",
      "lib/u.lua": "\nfunction string.split(s) return s end\nreturn string.split",
    ])
    #expect(
      generation.errors.map(\.description) == [
        "lib/u.lua:2: string.split was added to a host table; make it a local function, because each job gets the host's own tables"
      ])
  }

  @Test("a large table of a module is the script's, however few jobs use it; one of the script itself is the job's")
  func largeTables() {
    let fill = "local t = {} for i = 1, 30000 do t[i] = ('%050d'):format(i) end"
    let generation = fixture.load([
      "a.lua": "local m = require 'm'\nlocal f = require('m').f\njob 'x' { run = function() return m.t[1], f(2) end }",
      "lib/m.lua": "\(fill) return { t = t, f = function(i) return t[i] end }",
    ])
    #expect(generation.problems.isEmpty)
    let other = fixture.load(["b.lua": "\(fill)\njob 'y' { run = function() return t[1] end }"])
    #expect(other.errors.first?.message.contains("more than 1 MB of captured locals") == true)
  }

  @Test("captured iterators of the stock libraries are kept")
  func iterators() {
    let generation = fixture.load([
      "a.lua":
        "local step = ipairs({})\nlocal codes = utf8.codes('')\njob 'x' { run = function() return step, codes end }"
    ])
    #expect(generation.problems.isEmpty)
  }

  @Test(
    "requests for modules are found in any text",
    arguments: [
      ("require 'a'", ["a"]), ("local x = require(\"a.b\")", ["a.b"]), ("require[[a]]", ["a"]),
      ("require ( -- here\n 'a' )", ["a"]), ("-- require 'a'", []), ("--[==[ require 'a' ]==]", []),
      ("local s = \"require 'a'\"", []), ("require('a' .. x)", []), ("loader.require 'a'", []), ("prerequire 'a'", []),
      ("require(name)", []), ("require '", []), ("require [[", []), ("--[[", []),
      ("x = [=[ ]] require 'a' ]=] require 'b'", ["b"]),
      ("pcall(require, 'a')", []), ("'\\' require \\'a'", []),
    ])
  func scan(_ text: String, _ names: [String]) {
    #expect(RequireScan.requests(in: Array(text.utf8)).map(\.name) == names)
  }
}
