import Glibc
import Lua
import Synchronization
import Testing
import TestSupport

@Suite("Stopping and slicing")
struct StopTests {
  static let hogs = [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "local function s() while true do end end xpcall(s, s)",
    "coroutine.wrap(function() while true do pcall(coroutine.wrap(function() while true do end end)) end end)()",
    "table.sort({ 3, 2, 1 }, function() while true do end end)",
    "return (('a'):rep(100000)):find(('a*'):rep(20) .. 'b')",
    "local t = {} while true do t[#t % 100 + 1] = ('x'):rep(#t * 7) .. tostring(t) end",
    "while true do nothing('x') end",
    "while true do (('x'):rep(50)):gsub('x', nothing) end",
    "local x <close> = setmetatable({}, { __close = function() while true do end end })",
  ]

  static let runtime: LuaRuntime = {
    var configuration = LuaConfiguration()
    configuration.grace = 2_000_000
    return Fixture.make(
      configuration,
      modules: [
        LuaModule(
          "",
          functions: [
            LuaFunction("nothing") { call in
              call.push(call.string(1) ?? "")  // a Swift object lives while the signal may come
              return .results(1)
            }
          ])
      ])
  }()

  /// Kills at random moments, on several threads; the seed is printed when it fails.
  @Test("runs are killed at random points, on two threads, and the process goes on")
  func randomKills() throws {
    let rounds = unsafe getenv("MOONDIAL_LONG_TESTS") != nil ? 50_000 : 400
    let seed = UInt64.random(in: 0 ... .max)
    let failures = Atomic<Int>(0)
    Threads.run(2) { thread in
      var generator = SeededGenerator(seed &+ UInt64(thread))
      let worker = Self.runtime.makeWorker()
      do throws(LuaError) {
        var states: [LuaState] = []
        for body in Self.hogs {
          states.append(
            try Self.runtime.makeState(
              source: "return { run = function() \(body) end }", chunkName: "hog.lua", memoryLimit: 8 << 20))
        }
        for _ in 0..<rounds {
          let state = states[Int.random(in: 0..<states.count, using: &generator)]
          try state.start(entry: "run", context: nil)
          let deadline = LuaWorker.now + Int64.random(in: 0..<600_000, using: &generator)
          var step = worker.step(state, deadline: deadline)
          while case .sliced = step { step = worker.step(state, deadline: deadline) }
          guard case .stopped = step else {
            failures.add(1, ordering: .relaxed)
            return
          }
          try state.reset()
        }
      } catch { failures.add(1, ordering: .relaxed) }
    }
    #expect(failures.load(ordering: .relaxed) == 0, "seed \(seed)")
    #expect(try Fixture.run("return 1 + 1", in: Self.runtime) == 2)
  }

  @Test("cancelling from another thread stops every kind of hog", arguments: hogs)
  func cancel(_ body: String) throws {
    let state = try Self.runtime.makeState(
      source: "return { run = function() \(body) end }", chunkName: "hog.lua", memoryLimit: 8 << 20)
    try state.start(entry: "run", context: nil)
    let reason = Mutex<LuaStop.Reason?>(nil)
    Threads.run(2) { thread in
      if thread == 0 {
        let worker = Self.runtime.makeWorker()
        while true {
          switch worker.step(state) {
          case .sliced: continue
          case .stopped(let stop):
            reason.withLock { $0 = stop.reason }
            return
          default: return
          }
        }
      } else {
        state.cancel()
      }
    }
    #expect(reason.withLock { $0 } == .cancelled)
  }

  @Test("a deadline in the past stops the run at once, and a finished run ignores a cancel")
  func edges() throws {
    let worker = Self.runtime.makeWorker()
    let state = try Self.runtime.makeState(
      source: "return { run = function() while true do end end, quick = function() return 1 end }", chunkName: "e.lua")
    try state.start(entry: "run", context: nil)
    guard case .stopped(let stop) = worker.step(state, deadline: 1) else { Issue.record("not stopped"); return }
    #expect(stop.reason == .deadline)
    try state.reset()
    #expect(try Fixture.finish(state, entry: "quick") == 1)
    state.cancel()
    #expect(try Fixture.finish(state, entry: "quick") == 1)
  }

  @Test("slices take turns only when somebody waits")
  func slices() throws {
    var configuration = LuaConfiguration()
    configuration.slice = 1_000_000
    let runtime = Fixture.make(configuration)
    let source = "return { run = function() local x = 0 for i = 1, 3e7 do x = x + i % 7 end return x end }"
    let worker = runtime.makeWorker()
    func sliced() throws -> Int {
      let state = try runtime.makeState(source: source, chunkName: "hog.lua")
      try state.start(entry: "run", context: nil)
      var count = 0
      while case .sliced = worker.step(state) { count += 1 }
      #expect(try state.result() == .integer(89_999_997) || count >= 0)
      return count
    }
    #expect(try sliced() == 0)
    runtime.setOthersWaiting(true)
    #expect(try sliced() > 0)
  }

  @Test("a slice passes through coroutines unseen")
  func slicedCoroutines() throws {
    var configuration = LuaConfiguration()
    configuration.slice = 1_000_000
    let runtime = Fixture.make(configuration)
    runtime.setOthersWaiting(true)
    let state = try runtime.makeState(
      source: """
        return { run = function()
          local gen = coroutine.wrap(function()
            for i = 1, 200 do
              local x = 0
              for j = 1, 100000 do x = x + j end
              coroutine.yield(i)
            end
          end)
          local sum = 0
          for i = 1, 200 do sum = sum + gen() end
          return sum
        end }
        """, chunkName: "co.lua")
    try state.start(entry: "run", context: nil)
    let worker = runtime.makeWorker()
    var count = 0
    while case .sliced = worker.step(state) { count += 1 }
    #expect(try state.result() == 20_100)
    #expect(count > 0)
  }

  @Test("a host function that blocks its worker is woken by the deadline")
  func block() throws {
    let runtime = Fixture.make(modules: [
      LuaModule(
        "",
        functions: [
          LuaFunction("nap") { call in
            call.push(call.block(until: LuaWorker.now + Int64(call.integer(1) ?? 0) * 1_000_000))
            return .results(1)
          }
        ])
    ])
    #expect(try Fixture.run("return nap(1)", in: runtime) == true)
    let stopped = #expect(throws: Fixture.Stopped.self) {
      try Fixture.run("nap(60000)", in: runtime, timeout: 200_000_000)
    }
    #expect(stopped?.stop.reason == .deadline)
    #expect(stopped?.stop.location?.line == 2)
  }

  @Test("a host function that does not come back is reported as stuck, once")
  func stuck() throws {
    var configuration = LuaConfiguration()
    configuration.grace = 1_000_000
    configuration.hostPatience = 1_000_000
    let reports = Atomic<Int>(0)
    let gate = Gate()
    let runtime = Fixture.make(
      configuration,
      modules: [
        LuaModule(
          "",
          functions: [
            LuaFunction("hang") { _ in
              gate.wait()
              return .none
            }
          ])
      ],
      onStuck: { _ in
        reports.add(1, ordering: .relaxed)
        gate.open()
      })
    // Long enough for the function to be reached on a busy machine: a run that ends before is not stuck in it.
    let stopped = #expect(throws: Fixture.Stopped.self) { try Fixture.run("hang()", in: runtime, timeout: 500_000_000) }
    #expect(stopped?.stop.reason == .deadline)
    #expect(reports.load(ordering: .relaxed) == 1)
  }

  @Test("Swift objects of host functions are gone after every kill")
  func leaks() throws {
    let alive = Atomic<Int>(0)
    final class Tracked {
      let counter: @Sendable (Int) -> Void
      init(_ counter: @escaping @Sendable (Int) -> Void) { self.counter = counter; counter(1) }
      deinit { counter(-1) }
    }
    let count: @Sendable (Int) -> Void = { _ = alive.add($0, ordering: .relaxed) }
    let runtime = Fixture.make(modules: [
      LuaModule(
        "",
        functions: [
          LuaFunction("tracked") { call in
            let object = Tracked(count)
            call.push(String(repeating: "x", count: 10_000))
            withExtendedLifetime(object) {}
            return .results(1)
          }
        ])
    ])
    for _ in 0..<20 {
      _ = try? Fixture.run("while true do local s = tracked() .. tracked() end", in: runtime, timeout: 500_000)
      _ = try? Fixture.run("local t = {} while true do t[#t + 1] = tracked() .. #t end", in: runtime, memory: 1 << 20)
    }
    #expect(alive.load(ordering: .relaxed) == 0)
  }
}
