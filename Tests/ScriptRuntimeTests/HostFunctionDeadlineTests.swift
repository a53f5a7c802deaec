import Executors
import JobModel
import Lua
import ScriptFixtures
import TestSupport
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

/// The rule that every function of the host ends at its run's deadline, whatever it is given: as `timed_out`, with the
/// hook and the retries that follow from it, and not as `stuck`.
@Suite("Host functions and deadlines", .onBothExecutors, .disabled(if: isUnderSanitizer))
struct HostFunctionDeadlineTests {
  /// All functions that the host gives to scripts, as scripts write them; of `ctx` those that are the host's own.
  static let functions: [String] =
    HostFunctions.names.filter { !$0.hasPrefix("ctx.") }
    + ContextModule.module().functions.map(\.name).filter { !$0.hasPrefix("_") }.map { "ctx." + $0 }

  /// Scripts' arguments that make work: large strings of several kinds, large and deep tables.
  private static func body(_ function: String) -> String {
    let isMethod = function.hasPrefix("ctx.")
    return """
      local big, digits = ("x"):rep(24 << 20), ("41"):rep(12 << 20)
      local wide, named, text = {}, {}, ("[1,"):rep(50) .. "1" .. ("]"):rep(50)
      for i = 1, 200000 do wide[i] = i end
      for i = 1, 50000 do named["k" .. (i * 7919 % 50000)] = i end
      local json = "[" .. ("1234567,"):rep(2000000) .. "1]"
      local string = '"' .. ("y"):rep(20000000) .. '"'
      local options = { format = ("%Y"):rep(2000000), zone = big, data = wide, params = named, stdin = big, env = named }
      local first = \(isMethod ? "ctx, " : "")nil
      local calls = {
        { big }, { digits }, { json }, { string }, { wide }, { named }, { text }, { "name", big }, { "name", wide },
        { "name", named }, { 0, options }, { "name", options }, { "name", "name", big }, { "name", 1, wide },
        { { "true", big } }, { wide, wide }, { named, { pretty = true } }, { big, big }, { "name", { every = big } },
        { "name", { every = "1h", params = named } }, { "name", { trigger = wide } },
      }
      local f = \(function)
      while true do
        for _, c in ipairs(calls) do
          pcall(f, \(isMethod ? "ctx, " : "")table.unpack(c, 1, 3))
        end
      end
      """
  }

  @Test("each ends at the deadline of its run")
  func deadlines() throws {
    #expect(Self.functions.count > 40)
    var lua = LuaConfiguration()
    lua.hostPatience = 5_000_000_000
    let fixture = try PoolFixture(workers: 3, lua: lua)
    // `ctx` is what `run` is given; these end a run at once, which is an end as well.
    let ending = ["ctx.fail", "ctx.retry"]
    var runs: [(function: String, token: RunToken)] = []
    let text = Self.functions.enumerated().map { index, name in
      "job 'f\(index)' { timeout = '250ms', memory = '512MB', state = 'run', run = function(ctx)\n"
        + "\(Self.body(name))\nend }"
    }
    for (index, source) in text.enumerated() {
      let job = try fixture.load(source)[0]
      runs.append((Self.functions[index], fixture.submit(job)))
    }
    for run in runs {
      let report = fixture.reports.ending(of: run.token)
      let isEnd = report.outcome == .timedOut || ending.contains(run.function)
      #expect(isEnd, "\(run.function): \(report.outcome), \(report.error?.message ?? "")")
      #expect(report.outcome != .stuck)
    }
  }

  @Test("a comparator, a large JSON text and a large hash hold up nobody who waits", .onThreads(because: .runs))
  func givesWay() throws {
    let fixture = try PoolFixture(workers: 1)
    let hogs = [
      "local t = {} for i = 1, 100000 do t[i] = i * 7919 % 100003 end while true do table.sort(t, function(a, b) return a > b end) end",
      "local s = ('x'):rep(40 << 20) while true do hash.sha256(s) end",
      "local s = '[' .. ('1234567,'):rep(4000000) .. '1]' while true do json.decode(s) end",
      "while true do (('x'):rep(200000)):find(('x*'):rep(12) .. 'y') end",
    ]
    for hog in hogs {
      let long = try fixture.load("job 'long' { memory = '1GB', run = function() \(hog) end }")[0]
      let token = fixture.submit(long)
      fixture.reports.started(token)
      // While the other goes on: there is one worker, and these come to their end all the same.
      let short = try fixture.load("job 'short' { run = function() return 1 end }")[0]
      for _ in 0..<20 { #expect(fixture.run(short).result == "1") }
      #expect(!fixture.reports.all.contains { $0.token == token && $0.kind == .ended })
      fixture.cancel(token)
      #expect(fixture.reports.ending(of: token).outcome == .cancelled)
    }
  }
}
