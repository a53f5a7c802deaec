import Glibc
import Lua
import Synchronization
import Testing

@Suite("Memory")
struct MemoryTests {
  /// Work that allocates in every way: strings, tables that grow, closures, coroutines, buffers, errors.
  static let work = """
    return { run = function(ctx)
      local t = {}
      for i = 1, 40 do t[i] = { name = 'n' .. i, f = function() return i end } end
      local s = table.concat({ ('x'):rep(300), ('y'):rep(9000) })
      local co = coroutine.wrap(function(...) coroutine.yield(select('#', ...)) return { ... } end)
      co(1, 2, 3)
      pcall(error, { s })
      local g = load('local a = ... return function() return a end')
      note({ #t, tostring(t), g(5)(), #s, co() })
      return wait(s:upper():sub(1, 10))
    end }
    """

  static let runtime = Fixture.make(
    modules: Waiting.modules + [
      LuaModule(
        "",
        functions: [
          LuaFunction("note") { call in
            do throws(LuaError) {
              let value = try call.value(1)
              call.push(value)
              call.push("a string")
            } catch { return .raise(error.message) }
            return .results(2)
          }
        ])
    ])

  @Test("the n-th allocation may fail, for every n: the run ends as out of memory and nothing leaks")
  func faults() throws {
    let before = Probe.alive.load(ordering: .relaxed)
    let worker = Self.runtime.makeWorker()
    let state = try Self.runtime.makeState(source: Self.work, chunkName: "work.lua")
    var failures = 0
    for n in 1...20_000 {
      state.failAllocation(n)
      var ended = false
      do throws(LuaError) {
        try state.start(entry: "run", context: nil, argument: .context, extra: [["a", ["b": 1]], "text"])
        loop: while true {
          switch worker.step(state) {
          case .suspended(let new):
            for s in new { _ = state.complete(s.ticket, with: ["answer", [1, 2, 3]]) }
          case .sliced: continue
          case .finished:
            if let result = try? state.result() { #expect(result == "answer") }  // reading it allocates as well
            ended = state.isReusable
            break loop
          case .stopped(let stop):
            #expect(stop.reason == .outOfMemory)
            break loop
          case .failed(let error):
            Issue.record("allocation \(n): \(error)")
            break loop
          }
        }
      } catch {
        #expect(error.kind == .memory)
      }
      if ended {
        #expect(n > 100)
        break
      }
      failures += 1
      try state.reset()
    }
    #expect(failures > 100)
    state.failAllocation(0)
    try state.reset()
    #expect(Probe.alive.load(ordering: .relaxed) == before)
  }

  @Test("the n-th allocation may fail while a script is loading and while its values are read")
  func declarationFaults() throws {
    let source =
      "local t = {} for i = 1, 20 do t[i] = { i, 'n' .. i, function() return i end } end return t, load('return 1')"
    for n in 1...5_000 {
      let declaration = try Self.runtime.makeDeclaration()
      declaration.failAllocation(n)
      do throws(LuaError) {
        let values = try declaration.evaluate(source, chunkName: "d.lua")
        #expect(values.count == 2)
        #expect(n > 50)
        return
      } catch { #expect(error.kind == .memory) }
    }
    Issue.record("it never got through")
  }

  @Test("memory goes back: runs that use sixteen megabytes each do not grow the process")
  func noLeak() throws {
    let state = try Fixture.plain.makeState(
      source: "return { run = function() local t = {} for i = 1, 2000 do t[i] = ('x'):rep(4000) .. i end end }",
      chunkName: "m.lua")
    for _ in 0..<5 { _ = try Fixture.finish(state); try state.reset() }
    let before = Resident.bytes
    for _ in 0..<30 { _ = try Fixture.finish(state); try state.reset() }
    // A sanitizer keeps freed blocks.
    if unsafe getenv("MOONDIAL_SANITIZER") == nil { #expect(Resident.bytes - before < 24 << 20) }
  }

  @Test("memory that states have used goes back when it is asked for, and is there again for the next")
  func givesBack() throws {
    let state = try Fixture.plain.makeState(
      source:
        "return { run = function() local t = {} for i = 1, 2000 do t[i] = ('x'):rep(4000) .. i end return #t end }",
      chunkName: "m.lua")
    #expect(try Fixture.finish(state) == 2_000)
    try state.reset()
    let before = Resident.bytes
    Fixture.plain.releaseSpareMemory()
    if unsafe getenv("MOONDIAL_SANITIZER") == nil { #expect(before - Resident.bytes > 4 << 20) }
    #expect(try Fixture.finish(state) == 2_000)
  }

  @Test("a run over its limit holds less than twice of it", arguments: [8, 32])
  func resident(_ megabytes: Int) throws {
    let limit = megabytes << 20
    let bodies = [
      "local t = {} for i = 1, math.huge do t[i] = ('x'):rep(100) .. i end",
      "local t = {} for i = 1, math.huge do t[i] = { i } end",
      "local s = 'x' while true do s = s .. s end",
      // One size after the other, keeping a few blocks of each: spans that are nearly empty.
      "local keep = {} for size = 1, 500 do local t = {} for i = 1, 4000 do t[i] = ('x'):rep(size * 16) .. i end for i = 1, 4000, 30 do keep[#keep + 1] = t[i] end end",
    ]
    for body in bodies {
      let state = try Fixture.plain.makeState(
        source: "return { run = function() \(body) end }", chunkName: "m.lua", memoryLimit: limit)
      try state.start(entry: "run", context: nil)
      let worker = Fixture.plain.makeWorker()
      guard case .stopped(let stop) = worker.step(state) else { continue }
      #expect(stop.reason == .outOfMemory)
      #expect(state.footprint < 2 * limit + (4 << 20), "\(state.footprint) bytes for a limit of \(limit): \(body)")
    }
  }

  @Test("the peak of a run is known, and starts anew with each")
  func peak() throws {
    let state = try Fixture.plain.makeState(
      source: "return { big = function() local s = ('x'):rep(1 << 20) return #s end, small = function() end }",
      chunkName: "p.lua")
    _ = try Fixture.finish(state, entry: "big")
    #expect(state.peakBytes > 1 << 20)
    state.collect()
    _ = try Fixture.finish(state, entry: "small")
    #expect(state.peakBytes < 1 << 18)
  }

  @Test("memory that can be collected does not end a run")
  func garbage() throws {
    #expect(
      try Fixture.run(
        "local n = 0 for i = 1, 20000 do local s = ('x'):rep(1000) .. i n = n + #s end return n > 0", memory: 2 << 20)
        == true)
  }
}
