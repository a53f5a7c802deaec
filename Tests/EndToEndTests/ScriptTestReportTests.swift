import Foundation
import Testing

/// What `moondial test` says of failures beyond its own output: `on_failure` of `moondial.lua`, and JUnit's XML.
@Suite("moondial test: failures told to others, end to end", .timeLimit(.minutes(5)))
struct ScriptTestReportTests {
  private func place(_ files: [String: String], configuration: String = "return {}") throws -> Place {
    let place = try Place()
    for (name, text) in files { try place.save(name, text) }
    try Data(configuration.utf8).write(to: URL(filePath: place.path + "/moondial.lua"))
    return place
  }

  @Test("on_failure of moondial.lua is called for each run that failed for good, and may wait")
  func onFailure() throws {
    let place = try place(
      [
        "jobs.lua": """
        job "bad" { retry = { max = 1, base = "1m" }, run = function(ctx) error("attempt " .. ctx.attempt, 0) end }
        job "good" { run = function() return 1 end }
        """,
        "jobs_test.lua": """
        test("told once, after the last attempt", function(t)
          t:fake("notify", true)
          local before = t:now()
          local run = t:run("bad")
          t:equal(run.attempts, 2)
          local calls = t:calls("notify")
          t:equal(#calls, 1)
          t:equal(calls[1][1], "ops")
          t:equal(calls[1][2], "bad failed: attempt 2")
          t:ok(t:now() - run.finished_at >= 5, "the run is answered when the hook has ended")
          t:equal(t:logs()[1].message, "told by bad")
        end)
        test("not told of others", function(t) t:run("good") t:equal(#t:logs(), 0) end)
        test("tells what goes wrong", function(t)
          t:run("bad")
          t:match(t:logs("bad")[1].message, "^on_failure of moondial.lua failed: .*notify: ")
        end)
        """,
      ],
      configuration: """
        return { on_failure = function(run, err)
          assert(fs.write("seen", run.job))
          notify("ops", run.job .. " " .. run.outcome .. ": " .. err.message)
          sleep("5s")
          log.warn("told by " .. run.job)
        end }
        """)
    let ended = try place.run("test")
    #expect(ended.status == 0, "\(ended)")
    #expect(!FileManager.default.fileExists(atPath: place.path + "/seen"), "it reaches the test's directory only")
  }

  /// The file without what differs from time to time.
  private func report(_ place: Place, _ arguments: String...) throws -> (HostProcess.Ended, String) {
    let ended = try HostProcess.run(["test", "--junit", "results.xml"] + arguments, in: place.path)
    return (ended, place.text("results.xml").replacing(#/ time="\d+\.\d{6}"/#, with: ""))
  }

  @Test("--junit: a suite for each file, a case for each test, with what it logged; mistakes are errors")
  func junit() throws {
    let place = try place([
      "jobs.lua": "job 'a' { run = function() print('a & b') return 1 end }",
      "a_test.lua": """
      test("one < two", function(t) print("in \\27[1m\\0 one", t:run("a").result) end)
      test("differs", function(t)
        t:equal("a\\"b", 2)
      end)
      """,
      "b_test.lua": "test('three', function() end)", "c_test.lua": "test('broken'",
    ])
    let (ended, text) = try report(place)
    #expect(ended.status == 1)
    let lines = text.split(separator: "\n").map(String.init)
    try #require(lines.count > 20, "\(text)")
    #expect(lines[0] == #"<?xml version="1.0" encoding="UTF-8"?>"#)
    #expect(lines[1] == #"<testsuites name="moondial test" tests="4" failures="1" errors="1" skipped="0">"#)
    #expect(lines[2] == #"  <testsuite name="c_test.lua" tests="1" failures="0" errors="1" skipped="0">"#)
    #expect(
      lines[3] == #"    <testcase name="is loaded" classname="c_test" file="c_test.lua" line="1">"#)
    #expect(lines[4].hasPrefix(#"      <error message=""#) && lines[4].contains(#"type="mistake">c_test.lua:1: "#))
    let first = try #require(lines.firstIndex { $0.contains(#"<testsuite name="a_test.lua" tests="2" failures="1""#) })
    #expect(
      lines[first + 1] == #"    <testcase name="one &lt; two" classname="a_test" file="a_test.lua" line="1">"#)
    #expect(lines[first + 2] == #"      <system-out>info a #1: a &amp; b"#)
    #expect(lines[first + 3] == #"info test: in \x1B[1m\x00 one\t1</system-out>"#)
    #expect(
      lines[first + 6]
        == #"      <failure message="expected 2, got &quot;a\&quot;b&quot;" type="failed">a_test.lua:3: expected 2, "#
        + #"got &quot;a\&quot;b&quot;"#, "\(lines[first + 6])")
    #expect(lines.contains(#"    <testcase name="three" classname="b_test" file="b_test.lua" line="1"/>"#))
    #expect(lines.last == "</testsuites>")
  }

  @Test("--junit: nothing of an earlier time stays, and a place that does not do is said before a test runs")
  func file() throws {
    let place = try place(["a_test.lua": "test('one', function() print('ran') end)"])
    #expect(try report(place).1.contains("name=\"one\""))
    let (none, text) = try report(place, "--filter", "two")
    #expect(none.status == 1)
    #expect(text.hasSuffix(#" tests="0" failures="0" errors="0" skipped="0">"# + "\n</testsuites>\n"), "\(text)")
    let nowhere = try place.run("test", "-v", "--junit", "none/results.xml")
    #expect(nowhere.status == 1 && nowhere.output.isEmpty)
    #expect(nowhere.errors == ["moondial: cannot write none/results.xml: No such file or directory"])
  }

  @Test("a test that fails where a job misses the libraries of its executor says so, and no other does")
  func libraries() throws {
    let place = try place(
      [
        "jobs.lua": """
        job "opens" { executor = "open", run = function() return io.open("/etc/hostname") ~= nil end }
        job "closed" { executor = "closed", run = function() error("no", 0) end }
        """,
        "jobs_test.lua": """
        test("opens", function(t) t:equal(t:run("opens").outcome, "succeeded") end)
        test("closed", function(t) t:equal(t:run("closed").outcome, "succeeded") end)
        test("expected", function(t) t:equal(t:run("opens").outcome, "failed") end)
        """,
      ],
      configuration: """
        return { executors = {
          open = { type = "process", libraries = "all" }, closed = { type = "process" },
        } }
        """)
    let note = "executor \"open\" has libraries = \"all\": a test runs its jobs in the sandbox, without them"
    let ended = try place.run("test", "--junit", "results.xml")
    #expect(ended.status == 1)
    let line = try #require(ended.output.firstIndex(of: "  " + note), "\(ended.output)")
    #expect(ended.output[line - 1].hasPrefix("  opens #1 failed: jobs.lua:1: io is not here"))
    #expect(ended.output.count { $0.contains("sandbox") } == 1, "\(ended.output)")
    #expect(place.text("results.xml").contains(note.replacing("\"", with: "&quot;")))
    let json = try place.run("test", "--json").output.filter { $0.contains("\"note\"") }
    #expect(json.count == 1 && json[0].contains("\"name\":\"opens\""), "\(json)")
  }
}
