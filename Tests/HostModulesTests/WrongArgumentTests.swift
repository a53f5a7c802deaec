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
}
