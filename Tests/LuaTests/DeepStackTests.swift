import Lua
import Synchronization
import Testing
import TestSupport

/// Runs whose call stack is deep. `lua_sethook` visits every frame of it, so whatever arms the hook must do so rarely:
/// a signal handler that takes longer than the pause between two signals leaves the script, the hook and the jump no
/// time.
@Suite("Deep call stacks")
struct DeepStackTests {
  static let depths = [1_000, 20_000, 150_000, 400_000]

  /// What is done at the bottom of the stack. None of them ends by itself.
  static let bottoms = [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "table.sort({ 3, 2, 1 }, function() while true do end end)",
    "(('a'):rep(100000)):find(('a*'):rep(20) .. 'b')",
    "while true do local t = {} for i = 1, 100 do t[i] = ('x'):rep(i) end end",
    "local step = coroutine.wrap(function() while true do coroutine.yield() end end) while true do step() end",
    "coroutine.wrap(function() while true do end end)()",
    "while true do nothing('x') end",
  ]

  static let runtime: LuaRuntime = {
    var configuration = LuaConfiguration()
    configuration.grace = 2_000_000
    configuration.memoryLimit = 256 << 20
    return Fixture.make(
      configuration,
      modules: [
        LuaModule(
          "",
          functions: [
            LuaFunction("nothing") { call in
              call.push(call.string(1) ?? "")
              return .results(1)
            }
          ])
      ])
  }()

  /// A body that goes `depth` calls down, or as deep as the stack allows, and does `bottom` there.
  static func body(depth: Int, bottom: String) -> String {
    """
    local function bottom() \(bottom) end
    local function down(n) if n == 0 then return bottom() end return 1 + down(n - 1) end
    if not pcall(down, \(depth)) then down(150000) end
    """
  }

  /// The same in coroutines within coroutines, each with a deep stack of its own.
  static func nested(levels: Int, depth: Int, bottom: String) -> String {
    """
    local function bottom() \(bottom) end
    local level
    local function down(n, inner) if n == 0 then return level(inner) end return 1 + down(n - 1, inner) end
    function level(n) if n == 0 then return bottom() end return coroutine.wrap(down)(\(depth), n - 1) end
    level(\(levels))
    """
  }

  private func expectStop(_ body: String, after timeout: Int64) throws {
    let stopped = #expect(throws: Fixture.Stopped.self) {
      _ = try Fixture.run(body, in: Self.runtime, timeout: timeout)
    }
    #expect(stopped?.stop.reason == .deadline)
  }

  @Test("a run ends at its deadline at any depth", arguments: depths, bottoms)
  func deadline(_ depth: Int, _ bottom: String) throws {
    try expectStop(Self.body(depth: depth, bottom: bottom), after: 150_000_000)
  }

  @Test("so does one in nested coroutines", arguments: [(3, 100_000), (20, 20_000), (100, 1_000)], bottoms)
  func nestedDeadline(_ shape: (levels: Int, depth: Int), _ bottom: String) throws {
    try expectStop(Self.nested(levels: shape.levels, depth: shape.depth, bottom: bottom), after: 200_000_000)
  }

  @Test("recursion without an end stops, whatever catches its overflow")
  func endlessRecursion() throws {
    try expectStop("local function r(n) return 1 + r(n + 1) end while true do pcall(r, 1) end", after: 150_000_000)
    try expectStop("local function r(n) local ok = pcall(r, n + 1) return r(n + 1) end r(1)", after: 150_000_000)
    try expectStop(
      "local function r(n) local t <close> = setmetatable({}, { __close = function() end }) return 1 + r(n + 1) end "
        + "while true do pcall(r, 1) end", after: 150_000_000)
  }

  @Test("a run that others wait for gives way at any depth, and goes on", arguments: depths)
  func slices(_ depth: Int) throws {
    var configuration = LuaConfiguration()
    configuration.slice = 1_000_000
    configuration.memoryLimit = 256 << 20
    let runtime = Fixture.make(configuration)
    runtime.setOthersWaiting(true)
    let state = try runtime.makeState(
      source: """
        local function bottom() local x = 0 for i = 1, 3e7 do x = x + i % 7 end return x end
        local function down(n) if n == 0 then return bottom() end return 0 + down(n - 1) end
        return { run = function() local ok, x = pcall(down, \(depth)) return ok and x or down(100000) end }
        """, chunkName: "deep.lua")
    try state.start(entry: "run", context: nil)
    let worker = runtime.makeWorker()
    var slices = 0
    while case .sliced = worker.step(state) { slices += 1 }
    #expect(slices > 0)
    #expect(try state.result() == .integer(89_999_997))
  }

  @Test("runs are killed at random points of going down and up, on two threads")
  func randomKills() throws {
    let seed = UInt64.random(in: 0 ... .max)
    let bad = Atomic<Int>(0)
    Threads.run(2) { thread in
      var generator = SeededGenerator(seed &+ UInt64(thread))
      let worker = Self.runtime.makeWorker()
      do throws(LuaError) {
        let source = """
          local function down(n) if n == 0 then return 0 end return 1 + down(n - 1) end
          local function level(n, depth)
            if n == 0 then while true do down(depth) end end
            return coroutine.wrap(function() local function d(k) if k == 0 then return level(n - 1, depth) end
              return 1 + d(k - 1) end return d(depth) end)()
          end
          return { run = function() level(2, 100000) end }
          """
        let state = try Self.runtime.makeState(source: source, chunkName: "deep.lua")
        for _ in 0..<40 {
          try state.start(entry: "run", context: nil)
          let deadline = LuaWorker.now + Int64.random(in: 0..<60_000_000, using: &generator)
          var step = worker.step(state, deadline: deadline)
          while case .sliced = step { step = worker.step(state, deadline: deadline) }
          guard case .stopped = step else {
            bad.add(1, ordering: .relaxed)
            return
          }
          try state.reset()
        }
      } catch { bad.add(1, ordering: .relaxed) }
    }
    #expect(bad.load(ordering: .relaxed) == 0, "seed \(seed)")
  }
}
