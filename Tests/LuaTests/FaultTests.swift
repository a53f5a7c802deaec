import Lua
import Testing

/// Memory that is over while a template is made, and while functions are captured and built. Allocation faults of
/// running scripts are in MemoryTests.
@Suite("Allocation faults outside of runs")
struct FaultTests {
  @Test("the n-th allocation may fail while the templates are made, for every n: an error, and nothing is left behind")
  func template() throws {
    let modules = [
      LuaModule(
        "shop",
        functions: [
          LuaFunction("price") { call in
            call.push(3); return .results(1)
          }
        ],
        constants: [("names", ["a", ["b": 1.5]]), ("limit", 10)],
        prelude:
          "local shop = ... local n = 0 shop.total = function() n = n + shop.price() return n end setmetatable(shop, {})"
      ),
      LuaModule("", prelude: "local _, host = ... host.context { __index = function(_, key) return key end }"),
    ]
    var configuration = LuaConfiguration()
    configuration.regionSize = 1 << 24
    var failures = 0
    for n in 1...20_000 {
      configuration.failingTemplateAllocation = n
      do {
        let runtime = try LuaRuntime(configuration, modules: modules)
        #expect(n > 100)
        #expect(try Fixture.run("return shop.total() + #shop.names", in: runtime) == 5)
        break
      } catch let error as LuaError {
        #expect(error.message.contains("memory") || error.message.contains("do not fit"), "\(n): \(error.message)")
        failures += 1
      }
    }
    #expect(failures > 100 && failures < 20_000)
    configuration.failingTemplateAllocation = 0
    #expect(try Fixture.run("return shop.total()", in: LuaRuntime(configuration, modules: modules)) == 3)
  }

  /// Shared locals, recursion, cycles, metatables, host functions, globals and a weak table.
  static let script = """
    local n, list = 0, { 1, 2, { deep = { "text" } } }
    list.self = list
    local mt = setmetatable({}, { __mode = "k" })
    local object = setmetatable({ name = "o" }, { __index = list, __len = function() return n end })
    function shared(k) n = n + k return k < 1 and n or shared(k - 1) end
    local upper, format = string.upper, ("").format
    return { run = function() return format("%s %d %d %s", upper(object.name), shared(3), #object, tostring(mt ~= object[3].deep)) end }
    """

  private struct Failing: LuaOrigin {
    let capsule: LuaCapsule
    let allocation: Int

    func build(_ state: LuaState) throws(LuaError) {
      state.failAllocation(allocation)
      try capsule.build(state)
    }
  }

  @Test("the n-th allocation may fail while a capsule is built, in new states and in ones that are used again")
  func build() throws {
    let capsule = try CapsuleFixture.capture(Self.script).capsules[0]
    let kept = try Fixture.plain.makeState(capsule)
    for n in 1...5_000 {
      let origin = Failing(capsule: capsule, allocation: n)
      do {
        let state = try Fixture.plain.makeState(origin)
        state.failAllocation(0)
        #expect(n > 30)
        #expect(try Fixture.finish(state) == "O 6 6 true")
        return
      } catch let error as LuaError { #expect(error.kind == .memory, "\(n): \(error)") }
      #expect(throws: LuaError.self) { try kept.reset(to: origin, memoryLimit: nil) }
      try kept.reset(to: capsule, memoryLimit: nil)
      if n % 8 == 0 { #expect(try Fixture.finish(kept) == "O 6 6 true") }
    }
    Issue.record("it never got through")
  }

  @Test("the n-th allocation may fail while functions are captured")
  func capture() throws {
    let source = Self.script + " "
    for n in 1...5_000 {
      let declaration = try Fixture.plain.makeDeclaration()
      let values = try declaration.evaluate(source, chunkName: "s.lua")
      guard case .table(let job)? = values.first, case .function(let run)? = job["run"] else {
        Issue.record("no job"); return
      }
      declaration.failAllocation(n)
      do {
        let capsule = try LuaCapture(of: [["run": run]], in: declaration).capsules[0]
        #expect(n > 10)
        #expect(try Fixture.finish(Fixture.plain.makeState(capsule)) == "O 6 6 true")
        return
      } catch let error as LuaCaptureError { #expect(error.message.contains("memory"), "\(n): \(error)") }
    }
    Issue.record("it never got through")
  }
}
