import JobModel
import ScriptFixtures
import Testing
import TestSupport

@testable import HostModules
@testable import ScriptRuntime

@Suite("Host functions with arguments that make no sense", .onBothExecutors)
struct WrongArgumentTests {
  /// Those that would wait for long when an argument happens to make sense, and those that end the run.
  private static let leftOut: Set = [
    "sleep", "wait", "ctx.sleep", "ctx.sleep_until", "ctx.wait_for", "ctx.retry", "ctx.fail",
  ]

  @Test("each error names the script's line, wherever the argument stands and whatever it is")
  func errors() throws {
    let directory = try TemporaryDirectory()
    let fixture = try PoolFixture(grants: .all, base: directory.path)
    let names = HostFunctions.names.filter { !Self.leftOut.contains($0) }
    #expect(names.count > 80)
    let report = try fixture.run(
      """
      local values = { true, -1, 1.5, 0/0, 1/0, {}, function() end, coroutine.create(function() end), "\\xff\\0", json.null,
        { 1, x = 2 }, "x" }
      local odd, calls = json.array({}), 0
      for name in ("\(names.joined(separator: " "))"):gmatch("%S+") do
        local f = _G
        if name:sub(1, 4) == "ctx." then
          local field = ctx[name:sub(5)]
          f = type(field) == "function" and function(...) return field(ctx, ...) end
        else
          for part in name:gmatch("[^.]+") do f = f[part] end
        end
        if type(f) == "function" then
          for place = 1, 3 do
            for _, value in ipairs(values) do
              local arguments = { "x", "x", "x" }
              arguments[place] = value
              calls = calls + 1
              local ok, why = pcall(function() return (f(table.unpack(arguments, 1, place))) end)
              if not ok and not tostring(why):find("^test%.lua:%d+: ") then
                odd[#odd + 1] = name .. " " .. place .. " " .. type(value) .. ": " .. tostring(why)
              end
            end
          end
        end
      end
      if calls < 2000 then return calls end
      return odd
      """)
    #expect(report.result == "[]", "\(report.result ?? report.error?.message ?? "\(report.outcome)")")
  }

  @Test("what is too long for a name, a path or a text is refused, and the error says how long it is")
  func tooLong() throws {
    let directory = try TemporaryDirectory()
    let fixture = try PoolFixture(grants: .all, base: directory.path)
    let path = "has at most 4095 bytes, this one has 4096"
    let calls = [
      ("fs.read(long)", path), ("fs.write(long, 'x')", path), ("fs.copy('a', long)", path), ("fs.glob(long)", path),
      ("fs.lines(long)", path), ("sqlite.open(long)", path),
      ("jobs.run(long)", path), ("jobs.pause(long)", path),
      ("jobs.schedule(long, { every = 1 })", path), ("jobs.unschedule(long)", path), ("secret(long)", path),
      ("env.get(long)", path), ("notify(long, 's')", path), ("time.parse(long)", path), ("metric.counter(long)", path),
      ("return ctx[long]", path),
      ("ctx[long] = 1", path), ("exec({ 'true' }, { cwd = long })", path),
      ("ctx:sleep_until(long)", path), ("http.request(long, 'http://x')", path),
      ("emit(long)", "has 1 to 200 bytes, this one has 4096"),
      ("ctx:step(long, print)", "has 1 to 200 bytes, this one has 4096"),
      ("kv.get(long)", "has 1 to 512 bytes, this one has 4096"),
      ("http.get(long:rep(257))", "has at most 1048576 bytes, this one has 1052672"),
      ("ctx:progress(long:rep(257))", "has at most 1048576 bytes, this one has 1052672"),
      ("ctx:fail(long:rep(257))", "has at most 1048576 bytes, this one has 1052672"),
    ]
    for (call, refusal) in calls {
      let report = try fixture.run("local long = ('x'):rep(4096)\n\(call)")
      let message = report.error?.message ?? "\(report.outcome)"
      #expect(message.hasPrefix("test.lua:") && message.hasSuffix(refusal), "\(call): \(message)")
    }
    // As long as may be is tried: no such file, no such job.
    let most = try fixture.run("local _, why = fs.read(('x'):rep(4095)) return why")
    #expect(most.result?.contains("too long") == true, "\(most.result ?? most.error?.message ?? "")")
  }

  @Test("of a table with fifty thousand fields that are none the first are told")
  func unknownFields() throws {
    let report = try PoolFixture().run(
      "local t = { every = 1 } for i = 1, 50000 do t['k' .. i] = i end jobs.schedule('x', t)")
    let message = report.error?.message ?? ""
    #expect(message.contains("unknown field") && message.hasSuffix("and there may be more: mend these first"))
    #expect(message.utf8.count < 2_000)
  }

  @Test("of a message of twenty megabytes the beginning is looked at, and the line says how long it was")
  func longMessage() throws {
    let fixture = try PoolFixture()
    #expect(try fixture.run("log.info(('x'):rep(20 << 20))").outcome == .succeeded)
    #expect(fixture.log.all.contains { $0.message.hasSuffix("x… (cut: 20971520 bytes, 16384 are kept)") })
  }
}
