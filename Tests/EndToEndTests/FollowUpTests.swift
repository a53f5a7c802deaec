import Foundation
import Glibc
import ScriptFixtures
import Testing

@Suite("What follows a run, and how it may end by itself", .onBothExecutors, .serialized, .timeLimit(.minutes(5)))
struct FollowUpTests {
  private static let looking = """
    local function work(ctx, name)
      print(name .. " begun")
      while not ctx:cancelled() do sleep("20ms") end
      fs.write("ended", name)
      print(name .. " saw it")
      return name
    end

    """
  private static let grants = "return { grants = { ['*'] = true } }"

  private func configure(_ place: Place, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
  }

  @Test("SIGTERM: a run that looks at ctx:cancelled ends by itself, and has succeeded")
  func drain() throws {
    let place = try Place()
    try configure(place, Self.grants)
    try place.save(
      "a.lua",
      Self.looking + "job 'look' { run_at_start = true, run = function(ctx) return work(ctx, 'look') end }\n")
    let host = try place.host("--grace", "10m")
    try host.awaitLine(containing: "look begun")
    host.signal(SIGTERM)
    try host.awaitLine(containing: "look saw it")
    #expect(try host.awaitExit() == 0)
    #expect(place.text("ended") == "look")
    #expect(try place.run("history", "--json").output.joined().contains(#""outcome":"succeeded""#))
  }

  @Test("overlap = replace: a run that looks ends by itself and is cancelled, and then the next one begins")
  func replace() throws {
    let place = try Place()
    try configure(place, Self.grants)
    try place.save(
      "a.lua",
      Self.looking + """
        job "look" { on = "go", overlap = "replace", run = function(ctx)
          if ctx.event.data == 2 then print("second begun") return end
          emit("begun")
          work(ctx, "first")
        end }
        job "first" { run_at_start = true, run = function() emit("go", 1) end }
        job "second" { on = "begun", run = function() sleep("200ms") emit("go", 2) end }
        """)
    let host = try place.host()
    try host.awaitLine(containing: "first begun")
    try host.awaitLine(containing: "first saw it")
    try host.awaitLine(containing: "second begun")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(place.text("ended") == "first")
    let runs = try place.run("history", "look", "--json").output.joined()
    #expect(runs.contains(#""outcome":"cancelled""#) && runs.contains("the run was cancelled, and ended by itself"))
  }

  @Test("attempts_left and err.final count down; on_failure of the job and of moondial.lua are called once each")
  func failures() throws {
    let place = try Place()
    try configure(
      place,
      """
      local prefix = "all:"
      return { on_failure = function(run, err)
        print(prefix .. " " .. run.job .. " " .. run.outcome .. " " .. run.attempts .. " " .. err.message .. " " .. tostring(err.final))
      end }
      """)
    try place.save(
      "a.lua",
      """
      job "a" { run_at_start = true, retry = { max = 1, base = "1ms" },
        run = function(ctx) print("left " .. ctx.attempts_left) error("no luck") end,
        on_error = function(ctx, err) print("error " .. tostring(err.final)) end,
        on_failure = function(ctx, err) print("failure " .. err.outcome) end }
      job "slow" { run_at_start = true, timeout = "50ms", run = function() while true do end end,
        on_failure = function(ctx, err) print("slow " .. err.outcome) end }
      """)
    let host = try place.host()
    for line in ["left 1", "error false", "left 0", "error true", "failure failed"] {
      try host.awaitLine(containing: line)
    }
    while !host.text.contains("slow timed_out") || !host.text.contains("all: slow timed_out 1")
      || !host.text.contains("all: a failed 2")
    {
      try host.awaitLine { _ in true }
    }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let calls = host.lines.filter { $0.text.contains("all: ") }
    #expect(calls.count == 2)
    #expect(calls.contains { $0.text.contains("no luck") && $0.text.contains("true") })
    #expect(host.lines.count { $0.text.contains("failure failed") } == 1)
  }

  @Test("what goes wrong in on_failure of moondial.lua is one line, and no failure of its own")
  func failingHook() throws {
    let place = try Place()
    try configure(place, "return { on_failure = function(run, err) error('hook ' .. run.job) end }\n")
    try place.save("a.lua", "job 'a' { run_at_start = true, run = function() error('no luck') end }\n")
    let host = try place.host()
    try host.awaitLine(containing: "on_failure of moondial.lua failed: ")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(host.lines.count { $0.text.contains("hook a") } == 1)
  }

  @Test("exec calls on_failure of moondial.lua after the last attempt, and says what goes wrong in it")
  func exec() throws {
    let place = try Place()
    try configure(
      place,
      """
      return { on_failure = function(run, err)
        print("told of " .. run.job .. " after " .. run.attempts .. ": " .. err.message .. ", " .. tostring(run.params.n))
        if run.params.n == 2 then error("hook broke", 0) end
      end }
      """)
    try place.save(
      "a.lua",
      "job 'a' { retry = { max = 1, base = '1ms' }, run = function(ctx) if ctx.params.n then error('no luck', 0) end end }\n"
    )
    let failed = try place.run("exec", "a", "--param", "n=1")
    #expect(failed.status == 1)
    #expect(failed.errors.count { $0.contains("told of a after 2: no luck, 1") } == 1, "\(failed)")
    let broken = try place.run("exec", "a", "--param", "n=2")
    #expect(broken.errors.contains { $0.contains("on_failure of moondial.lua failed: hook broke") }, "\(broken)")
    #expect(!(try place.run("exec", "a").errors.contains { $0.contains("told of") }))
    #expect(try place.run("history", "a", "--json").output.count == 3)
  }

  @Test("a function that on_failure must not be is told with what it is")
  func noFunction() throws {
    let place = try Place()
    try configure(place, "return { on_failure = 'mail' }\n")
    try place.save("a.lua", "job 'a' { run = function() end }\n")
    let check = try place.run("check")
    #expect(check.status != 0)
    #expect((check.errors + check.output).joined().contains("on_failure must be a function"))
  }

  @Test("after: a failure, any end, and a join get the result; the join goes on over a restart")
  func after() throws {
    let place = try Place()
    let text = """
      job "a" { run_at_start = FIRST, run = function() return { n = 7 } end }
      job "b" { run_at_start = not FIRST, run = function() return "b" end }
      job "bad" { run_at_start = FIRST, run = function() error("broken") end }
      job "got" { after = "a", run = function(ctx) print("got " .. ctx.event.result.n .. " of " .. ctx.event.job) end }
      job "rescue" { after = { job = "bad", outcome = "failed" },
        run = function(ctx) print("rescue " .. ctx.event.outcome .. " " .. ctx.event.error) end }
      job "join" { after = { all = { "a", "b" } },
        run = function(ctx) print("join " .. ctx.event.result .. " " .. ctx.event.runs.a) print(json.encode(ctx.event.results)) end }
      """
    try place.save("a.lua", text.replacingOccurrences(of: "FIRST", with: "true"))
    let first = try place.host()
    try first.awaitLine(containing: "got 7 of a")
    while !first.text.contains("rescue failed") { try first.awaitLine { _ in true } }
    first.signal(SIGTERM)
    #expect(try first.awaitExit() == 0)
    #expect(first.text.contains("broken") && !first.text.contains("join b"))
    try place.save("a.lua", text.replacingOccurrences(of: "FIRST", with: "false"))
    let second = try place.host()
    try second.awaitLine(containing: "join b ")
    // What the run before the restart returned is in the history.
    try second.awaitLine(containing: #"{"a":{"n":7},"b":"b"}"#)
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    let list = try place.run("list")
    let said = list.output.joined(separator: "\n")
    #expect(said.contains("after a failure of bad") && said.contains("after all of a, b"))
  }

  @Test(
    "mistakes in after are told with what to write",
    arguments: [
      ("{ job = 'x', outcome = 'faild' }", "did you mean \"failed\"?"),
      ("{ outcome = 'failed' }", "after names no job"),
      ("{ all = { 'x' }, outcome = 'any' }", "after.all stands alone"),
      ("{ jobs = 'x' }", "unknown field \"after.jobs\"; did you mean \"job\"?"),
      ("7", "after must be a job's name"),
      ("{ { job = 'a', outcome = 'failed' } }", "would wait for itself"),
      ("{ all = { 'nobody' } }", "no job of that name is loaded"),
    ])
  func mistakes(after: String, says: String) throws {
    let place = try Place()
    try place.save("x.lua", "job 'x' { run = function() end }\njob 'a' { after = \(after), run = function() end }\n")
    let check = try place.run("check")
    #expect(check.status == 1)
    #expect((check.errors + check.output).joined(separator: "\n").contains(says))
  }
}
