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
  /// All functions that the host gives to scripts, as scripts write them; of `ctx` those that can be called.
  static let functions: [String] =
    HostFunctions.names.filter { !$0.hasPrefix("ctx.") }
    + (["cancelled", "deadline", "retry", "fail", "progress"] + StepModule.methods).map { "ctx." + $0 }

  /// Scripts' arguments that make work: large strings of several kinds, large and deep tables.
  private static let arguments = """
    local big, digits = ("x"):rep(6 << 20), ("41"):rep(3 << 20)
    local wide, named, text = {}, {}, ("[1,"):rep(50) .. "1" .. ("]"):rep(50)
    for i = 1, 50000 do wide[i] = i end
    for i = 1, 12500 do named["k" .. (i * 7919 % 12500)] = i end
    local json = "[" .. ("1234567,"):rep(500000) .. "1]"
    local string = '"' .. ("y"):rep(5000000) .. '"'
    local options = { format = ("%Y"):rep(500000), zone = big, data = wide, params = named, stdin = big, env = named }
    local calls = {
      { big }, { digits }, { json }, { string }, { wide }, { named }, { text }, { "name", big }, { "name", wide },
      { "name", named }, { 0, options }, { "name", options }, { "name", "name", big }, { "name", 1, wide },
      { { "true", big } }, { wide, wide }, { named, { pretty = true } }, { big, big }, { "name", { every = big } },
      { "name", { every = "1h", params = named } }, { "name", { trigger = wide } },
    }
    """
  /// The line of the job's script on which `arguments` ends.
  private static let lastOfArguments = 1 + arguments.split(separator: "\n").count

  private static func job(of function: String, timeout: Int) -> String {
    """
    job 'calls' { timeout = '\(timeout)ms', memory = '512MB', state = 'run', run = function(ctx)
    \(arguments)
    while true do
      for _, c in ipairs(calls) do
        pcall(\(function), \(function.hasPrefix("ctx.") ? "ctx, " : "")table.unpack(c, 1, 3))
      end
    end
    end }
    """
  }

  @Test("each ends at the deadline of its run")
  func deadlines() throws {
    #expect(Self.functions.count > 70)
    // These end a run at once, which is an end as well; the last one parks it.
    let ending = ["ctx.fail", "ctx.retry", "ctx.wait_for"]
    var lua = LuaConfiguration()
    lua.hostPatience = 5_000_000_000
    let fixture = try PoolFixture(workers: 3, lua: lua)
    var left = Self.functions.map { (function: $0, timeout: 250) }
    while !left.isEmpty {
      let runs = try left.prefix(3).map { function, timeout in
        (function, timeout, fixture.submit(try fixture.load(Self.job(of: function, timeout: timeout))[0]))
      }
      left.removeFirst(runs.count)
      for (function, timeout, token) in runs {
        let report = fixture.reports.ending(of: token)
        let message = report.error?.message ?? ""
        let line = message.split(separator: ":").dropFirst().first.flatMap { Int($0) } ?? 0
        let isKilled = message.hasSuffix("and its process was killed")
        if report.outcome == .timedOut, line <= Self.lastOfArguments, !isKilled, timeout < 30_000 {
          // The arguments alone took the time, so that the function was not called: as long again says nothing else.
          left.append((function, 2 * timeout))
          continue
        }
        let isInCall = line > Self.lastOfArguments || isKilled
        let isEnd = report.outcome == .timedOut && isInCall || ending.contains(function)
        #expect(isEnd, "\(function): \(report.outcome), \(message)")
        #expect(report.outcome != .stuck)
      }
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
