import Lua
import Testing

/// A runtime with nothing but the sandbox, and one with the functions that these tests need.
enum Fixture {
  static let plain = make()

  static func make(
    _ configuration: LuaConfiguration = .init(), modules: [LuaModule] = [],
    onStuck: (@Sendable (LuaState) -> Void)? = nil
  ) -> LuaRuntime {
    do { return try LuaRuntime(configuration, modules: modules, onStuck: onStuck) } catch { fatalError(error.message) }
  }

  /// Runs a job body to its end on this thread.
  static func run(_ body: String, in runtime: LuaRuntime = plain, timeout: Int64? = nil, memory: Int? = nil) throws
    -> LuaValue
  {
    let state = try runtime.makeState(
      source: "return { run = function(ctx)\n\(body)\nend }", chunkName: "job.lua", memoryLimit: memory)
    return try finish(state, timeout: timeout)
  }

  struct Stopped: Error { let stop: LuaStop }

  static func finish(_ state: LuaState, entry: String = "run", timeout: Int64? = nil) throws -> LuaValue {
    try state.start(entry: entry, context: nil)
    let worker = state.runtime.makeWorker()
    let deadline = timeout.map { LuaWorker.now + $0 }
    while true {
      switch worker.step(state, deadline: deadline) {
      case .finished: return try state.result()
      case .failed(let error): throw error
      case .stopped(let stop): throw Stopped(stop: stop)
      case .sliced: continue
      case .suspended: Issue.record("suspended"); return .nil
      }
    }
  }
}

@Suite("States")
struct LuaStateTests {
  @Test("a run returns its first result as a value")
  func result() throws {
    #expect(try Fixture.run("return 6 * 7") == 42)
    #expect(
      try Fixture.run("return { a = 1, 'x', 'y', b = { true, 1.5 } }")
        == .table(LuaTable(array: ["x", "y"], fields: [(key: "a", value: 1), (key: "b", value: [true, 1.5])])))
    #expect(try Fixture.run("") == .nil)
  }

  @Test("upvalues persist between the runs of a kept state and start afresh after a reset")
  func persistence() throws {
    let state = try Fixture.plain.makeState(
      source: "local n = 0 return { run = function() n = n + 1 return n end }", chunkName: "count.lua")
    #expect(try Fixture.finish(state) == 1)
    #expect(try Fixture.finish(state) == 2)
    try state.reset()
    #expect(try Fixture.finish(state) == 1)
  }

  @Test("two states of one chunk share nothing")
  func isolation() throws {
    let source = "shared = 0 return { run = function() shared = shared + 1 return shared end }"
    let a = try Fixture.plain.makeState(source: source, chunkName: "a.lua")
    let b = try Fixture.plain.makeState(source: source, chunkName: "b.lua")
    #expect(try Fixture.finish(a) == 1)
    #expect(try Fixture.finish(a) == 2)
    #expect(try Fixture.finish(b) == 1)
  }

  @Test("an error has its position, its message and a traceback")
  func failure() throws {
    let error = #expect(throws: LuaError.self) {
      try Fixture.run("local function f() error('broken') end f() return 1")
    }
    #expect(error?.message == "job.lua:2: broken")
    #expect(error?.file == "job.lua")
    #expect(error?.line == 2)
    #expect(error?.traceback?.contains("in upvalue 'f'") == true || error?.traceback?.contains("in local 'f'") == true)
    #expect(error?.kind == .runtime)
  }

  @Test("a state works again after a failed run")
  func recovery() throws {
    let state = try Fixture.plain.makeState(
      source: "local n = 0 return { run = function() n = n + 1 if n == 1 then error('once') end return n end }",
      chunkName: "once.lua")
    #expect(throws: LuaError.self) { try Fixture.finish(state) }
    #expect(try Fixture.finish(state) == 2)
  }

  @Test("a thousand states come and go in the same memory")
  func reuse() throws {
    for i in 0..<1_000 {
      let value = try Fixture.run("local t = {} for i = 1, 100 do t[i] = tostring(i) end return #t + \(i)")
      #expect(value == .integer(Int64(100 + i)))
    }
  }

  @Test("a loop without end is stopped at its deadline, and the line is told")
  func deadline() throws {
    let stopped = #expect(throws: Fixture.Stopped.self) {
      try Fixture.run("local x = 0\nwhile true do\nx = x + 1\nend", timeout: 200_000_000)
    }
    #expect(stopped?.stop.reason == .deadline)
    #expect(stopped?.stop.location?.file == "job.lua")
    #expect((3...5).contains(stopped?.stop.location?.line ?? 0))
  }

  @Test("a long C call is left by force")
  func backstop() throws {
    let stopped = #expect(throws: Fixture.Stopped.self) {
      try Fixture.run("return (('a'):rep(100000)):find(('a*'):rep(20) .. 'b')", timeout: 200_000_000)
    }
    #expect(stopped?.stop.reason == .deadline)
    #expect(stopped?.stop.forced == true)
    #expect(stopped?.stop.location?.line == 2)
  }

  @Test("a run over its memory limit ends as out of memory")
  func memory() throws {
    let stopped = #expect(throws: Fixture.Stopped.self) {
      try Fixture.run("local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", memory: 4 << 20)
    }
    #expect(stopped?.stop.reason == .outOfMemory)
  }
}
