import Executors
import JobModel
import Lua
import ScriptFixtures
import Synchronization
import Testing
import TestSupport

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite(.onBothExecutors) struct AnswerTests {
  private static let megabyte = "\"" + String(repeating: "x", count: 1 << 20) + "\""

  @Test("values of a megabyte come a few at a time when the script lets them go")
  func served() throws {
    let fixture = try PoolFixture()
    fixture.values.put("k", Self.megabyte, in: "test.lua")
    let report = try fixture.run(
      """
      local list = {}
      for i = 1, 200 do list[i] = i end
      local sum = 0
      for _, r in ipairs(all(list, function() return #kv.get("k") end)) do sum = sum + r.value end
      return sum // 1048576
      """, fields: "memory = '16MB',")
    #expect(report.outcome == .succeeded, "\(report.error?.message ?? "")")
    #expect(report.result == "200")
    #expect(fixture.host.answerBytes.now == 0)
    #expect(fixture.host.answerBytes.peak <= 8 << 20)
  }

  @Test("values that the script keeps end the run as out_of_memory, and on_error is told")
  func kept() throws {
    let fixture = try PoolFixture()
    for index in 1...100 { fixture.values.put("k\(index)", Self.megabyte, in: "test.lua") }
    let report = try fixture.run(
      """
      local list = {}
      for i = 1, 100 do list[i] = i end
      all(list, function(i) return kv.get("k" .. i) .. i end)
      """, fields: "memory = '16MB', on_error = function(ctx, e) log.info('told ' .. e.outcome) end,")
    #expect(report.outcome == .outOfMemory)
    fixture.log.wait(for: "told out_of_memory")
    #expect(fixture.host.answerBytes.now == 0)
    #expect(fixture.host.answerBytes.peak <= 16 << 20)
  }

  @Test("an answer that cannot fit beside what the state keeps ends the run; one that fits without the garbage comes")
  func alone() throws {
    let fixture = try PoolFixture()
    fixture.values.put("k", "\"" + String(repeating: "x", count: 3 << 20) + "\"", in: "test.lua")
    let kept = try fixture.run(
      "local s = ('y'):rep(1100000) .. 'z' local v = kv.get('k') return #s + #v", fields: "memory = '4MB',")
    #expect(kept.outcome == .outOfMemory)
    #expect(kept.error?.message.contains("does not fit beside the job's Lua state under its memory limit") == true)
    let garbage = try fixture.run(
      "for i = 1, 3 do local s = ('y'):rep(300000) .. i end return #kv.get('k')", fields: "memory = '4MB',")
    #expect(garbage.result == "3145728", "\(garbage.error?.message ?? "")")
  }

  @Test(
    "texts on their way to the store are counted: those for which there is no room wait their turn",
    .onThreads(because: .answers))
  func inputs() throws {
    let fixture = try PoolFixture()
    fixture.values.hold()
    let job = try fixture.job(
      """
      local text = ("x"):rep(1000000)
      local list = {}
      for i = 1, 40 do list[i] = i end
      local ok = 0
      for _, r in ipairs(all(list, function(i) kv.set("k" .. i, text) return true end)) do ok = ok + (r.ok and 1 or 0) end
      return ok
      """, fields: "memory = '16MB',")
    let token = fixture.submit(job)
    fixture.values.waitUntilHeld()
    fixture.values.release()
    let report = fixture.reports.ending(of: token)
    #expect(report.result == "40", "\(report.error?.message ?? "")")
    #expect(fixture.host.answerBytes.peak <= 8 << 20)
    #expect(fixture.host.answerBytes.now == 0)
  }

  @Test(
    "one event reaches a hundred branches and a hundred runs; its text is there once, and is let go",
    .onThreads(because: .suspension))
  func fanOut() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      """
      job "branches" { memory = "16MB", run = function()
        local list = {}
        for i = 1, 100 do list[i] = i end
        local sum = 0
        for _, r in ipairs(all(list, function() return #wait("e").data end)) do sum = sum + r.value end
        return sum // 1000000
      end }
      job "alone" { max_instances = 200, memory = "4MB", run = function() return #wait("e").data end }
      job "emitter" { run = function() return emit("e", ("x"):rep(1000000)) end }
      """)
    func entry(_ name: String) -> JobEntry { job.first { $0.definition.name == name }! }
    let branches = fixture.submit(entry("branches"))
    let others = (0..<100).map { _ in fixture.submit(entry("alone")) }
    fixture.scheduler.waitForSubscriptions(200)
    #expect(fixture.run(entry("emitter")).result == "true")
    #expect(fixture.reports.ending(of: branches).result == "100")
    for other in others { #expect(fixture.reports.ending(of: other).result == "1000000") }
    fixture.scheduler.waitForSubscriptions(0)
    #expect(fixture.host.answerBytes.peak < 2 << 20)
    #expect(fixture.host.answerBytes.now == 0)
  }

  @Test("event data larger than the receiver's memory ends the receiver")
  func largeEvent() throws {
    let fixture = try PoolFixture()
    let jobs = try fixture.load(
      """
      job "small" { memory = "1MB", run = function() return #wait("e").data end }
      job "emitter" { run = function()
        local t = {}
        for i = 1, 200000 do t[i] = {} end
        return emit("e", t)
      end }
      """)
    let small = fixture.submit(jobs.first { $0.definition.name == "small" }!)
    fixture.scheduler.waitForSubscriptions(1)
    #expect(fixture.run(jobs.first { $0.definition.name == "emitter" }!).result == "true")
    #expect(fixture.reports.ending(of: small).outcome == .outOfMemory)
  }

  @Test(
    "absurd sizes are refused with a sentence",
    arguments: [
      ("1e12", "options.max must be from 0 to 67108864 bytes (the most that one answer may have), not 1000000000000"),
      ("1e13", "options.max must be from 0 to 67108864 bytes"), ("-1", "options.max must be from 0 to"),
      ("math.mininteger", "options.max must be from 0 to"), ("math.huge", "options.max: expected a whole number"),
      ("0/0", "options.max: expected a whole number"), ("0.5", "options.max: expected a whole number, got 0.5"),
      ("1e300", "options.max: expected a whole number"),
      ("'all'", "options.max: expected a whole number, got a string"),
    ])
  func sizes(size: String, message: String) throws {
    let fixture = try PoolFixture(grants: .all)
    let report = try fixture.run("return fs.read('x', { max = \(size) })")
    #expect(report.error?.message.contains("fs.read: " + message) == true, "\(report.error?.message ?? "")")
  }

  @Test("one answer may have no more than the run's memory")
  func ownMemory() throws {
    let fixture = try PoolFixture(grants: .all)
    let report = try fixture.run("return fs.read('x', { max = 20000000 })", fields: "memory = '16MB',")
    #expect(
      report.error?.message.contains("must be from 0 to 16777216 bytes (the job's whole memory), not 20000000") == true)
  }

  @Test("files are read a few at a time; one that does not fit ends the run")
  func files() throws {
    let directory = EditedDirectory()
    directory.write("big", String(repeating: "x", count: 3 << 20))
    let fixture = try PoolFixture(grants: .all, base: directory.path)
    let many = try fixture.run(
      """
      local list = {}
      for i = 1, 100 do list[i] = i end
      local sum = 0
      for _, r in ipairs(all(list, function() return #fs.read("big") end)) do sum = sum + r.value end
      return sum // 1048576
      """, fields: "memory = '16MB',")
    #expect(many.result == "300", "\(many.error?.message ?? "")")
    #expect(fixture.host.answerBytes.peak <= 8 << 20)
    let one = try fixture.run("return #fs.read('big')", fields: "memory = '3MB',")
    #expect(one.outcome == .outOfMemory)
    // Files whose size is not known before are read with more room each time.
    #expect(try fixture.run("return #fs.read('/proc/self/maps') > 100").result == "true")
    let written = try fixture.run(
      """
      local text = ("x"):rep(3000000)
      local list = {}
      for i = 1, 20 do list[i] = i end
      local ok = 0
      for _, r in ipairs(all(list, function(i) return fs.append("out", text) end)) do ok = ok + (r.ok and 1 or 0) end
      return { ok, fs.stat("out").size }
      """, fields: "memory = '16MB',")
    #expect(written.result == "[20,60000000]", "\(written.error?.message ?? "")")
    #expect(fixture.host.answerBytes.now == 0)
  }

  @Test("the output of programs is counted while it is read; what does not fit ends the run, and the programs with it")
  func outputs() throws {
    let fixture = try PoolFixture(grants: .all)
    let many = try fixture.run(
      """
      local list = {}
      for i = 1, 40 do list[i] = i end
      local sum = 0
      local function read() return #exec({ "head", "-c", "2097152", "/dev/zero" }, { max_output = 3000000 }).stdout end
      for _, r in ipairs(all(list, read)) do sum = sum + r.value end
      return sum // 2097152
      """, fields: "memory = '16MB',")
    #expect(many.result == "40", "\(many.error?.message ?? "")")
    #expect(fixture.host.answerBytes.peak <= 16 << 20)
    #expect(fixture.host.answerBytes.now == 0)
    let kept = try fixture.run(
      """
      local list = {}
      for i = 1, 20 do list[i] = i end
      all(list, function() return exec({ "head", "-c", "9000000", "/dev/zero" }, { max_output = 9000000 }) end)
      """, fields: "memory = '16MB', timeout = '1m',")
    #expect(kept.outcome == .outOfMemory, "\(kept.error?.message ?? "")")
    fixture.awaitNoPrograms()
    let input = try fixture.run(
      """
      local text = ("x"):rep(3000000)
      local list = {}
      for i = 1, 20 do list[i] = i end
      local sum = 0
      for _, r in ipairs(all(list, function() return exec({ "wc", "-c" }, { stdin = text }).stdout end)) do
        sum = sum + tonumber(r.value)
      end
      return sum
      """, fields: "memory = '16MB',")
    #expect(input.result == "60000000", "\(input.error?.message ?? "")")
    #expect(fixture.host.answerBytes.now == 0)
  }

  @Test(
    "an absurd max_output is refused with a sentence",
    arguments: ["1e13", "-1", "math.huge", "0/0", "0.5", "math.maxinteger", "2^62", "67108865"])
  func outputSizes(size: String) throws {
    let fixture = try PoolFixture(grants: .all)
    let report = try fixture.run("return exec({ 'true' }, { max_output = \(size) })")
    #expect(report.error?.message.contains("exec: options.max_output") == true, "\(report.error?.message ?? "")")
  }

  @Test(
    "runs of several scripts share the memory for answers, and all come to their end", .onThreads(because: .answers))
  func ceiling() throws {
    var configuration = LuaHostConfiguration()
    configuration.answerBytes = 4 << 20
    let fixture = try PoolFixture(configuration: configuration)
    fixture.values.put("k", Self.megabyte, in: "test.lua")
    let job = try fixture.job(
      """
      local list = {}
      for i = 1, 20 do list[i] = i end
      for _, r in ipairs(all(list, function() return #kv.get("k") end)) do assert(r.value == 1048576) end
      """, fields: "max_instances = 50,")
    let tokens = (0..<50).map { _ in fixture.submit(job) }
    for token in tokens { #expect(fixture.reports.ending(of: token).outcome == .succeeded) }
    #expect(fixture.host.answerBytes.peak <= 4 << 20)
    #expect(fixture.host.answerBytes.now == 0)
  }

  @Test("a run that is stopped while it waits for room leaves nothing behind")
  func stopped() throws {
    let fixture = try PoolFixture()
    fixture.values.put("k", Self.megabyte, in: "test.lua")
    fixture.values.hold()
    let job = try fixture.job(
      """
      local list = {}
      for i = 1, 100 do list[i] = i end
      all(list, function() return #kv.get("k") end)
      """, fields: "memory = '4MB',")
    let token = fixture.submit(job)
    fixture.values.waitUntilHeld()
    fixture.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .cancelled)
    fixture.values.release()
    #expect(fixture.host.answerBytes.now == 0)
  }
}
