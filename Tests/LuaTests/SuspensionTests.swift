import Glibc
import Lua
import Synchronization
import Testing
import TestSupport

/// A request that counts what happens to it.
final class Probe: LuaRequest {
  static let alive = Atomic<Int>(0)
  let text: String
  let abandoned = Atomic<Int>(0)

  init(_ text: String) {
    self.text = text
    Probe.alive.add(1, ordering: .relaxed)
  }

  deinit { Probe.alive.subtract(1, ordering: .relaxed) }

  func abandon() { abandoned.add(1, ordering: .relaxed) }
}

enum Waiting {
  /// `wait(text)` suspends and gives what the test completes it with; `all(list, f)` runs f on each element at once.
  static let modules: [LuaModule] = [
    LuaModule(
      "",
      functions: [
        LuaFunction("wait", in: .run) { call in call.suspend(Probe(call.string(1) ?? "")) },
        LuaFunction("suspendable") { call in
          call.push(call.canSuspend)
          return .results(1)
        },
      ]),
    LuaModule(
      "",
      prelude: """
        local module, host = ...
        local branch, wait, forget, create, unpack = host.branch, host.wait, host.forget, coroutine.create, table.unpack
        module.all = function(list, f)
          local results, waiting = {}, {}
          local function go(i, ok, ...)
            if ok == nil then waiting[(...)] = i else results[i] = ok and (...) or { error = (...) } end
          end
          local branches = {}
          for i, value in ipairs(list) do
            branches[i] = create(f)
            go(i, branch(branches[i], value))
          end
          while next(waiting) do
            local tickets = {}
            for ticket in pairs(waiting) do tickets[#tickets + 1] = ticket end
            local ticket = wait(unpack(tickets))
            local i = waiting[ticket]
            waiting[ticket] = nil
            go(i, branch(branches[i]))
          end
          return results
        end
        module.any = function(list, f)
          local waiting, branches = {}, {}
          for i, value in ipairs(list) do
            branches[i] = create(f)
            local ok, x = branch(branches[i], value)
            if ok then return x end
            if ok == nil then waiting[x] = i end
          end
          while next(waiting) do
            local tickets = {}
            for ticket in pairs(waiting) do tickets[#tickets + 1] = ticket end
            local ticket = wait(unpack(tickets))
            local i = waiting[ticket]
            waiting[ticket] = nil
            local ok, x = branch(branches[i])
            if ok then
              for ticket in pairs(waiting) do forget(ticket) end
              return x
            end
            if ok == nil then waiting[x] = i end
          end
        end
        """),
  ]
  static let runtime = Fixture.make(modules: modules)

  static func state(_ body: String) throws -> LuaState {
    try runtime.makeState(source: "return { run = function(ctx)\n\(body)\nend }", chunkName: "job.lua")
  }

  /// Runs to the end, answering each request with `answer` (its text by default), the youngest first.
  static func run(_ body: String, answer: (String) -> [LuaValue] = { [.string(LuaString($0))] }) throws -> LuaValue {
    let state = try state(body)
    let worker = runtime.makeWorker()
    var open: [LuaSuspension] = []
    try state.start(entry: "run", context: nil)
    while true {
      switch worker.step(state) {
      case .finished: return try state.result()
      case .failed(let error): throw error
      case .stopped(let stop): throw Fixture.Stopped(stop: stop)
      case .sliced(let new): open += new
      case .suspended(let new):
        open += new
        var ready = false
        while !ready, let next = open.popLast() {
          ready = state.complete(next.ticket, with: answer((next.request as! Probe).text))
        }
        #expect(ready, "the run sleeps and nothing can wake it")
        if !ready { return .nil }
      }
    }
  }
}

@Suite("Suspension")
struct SuspensionTests {
  @Test(
    "a host function suspends and goes on with what it was given",
    arguments: [
      ("plainly", "return wait('a') .. wait('b')", "ab"),
      ("inside pcall", "local ok, x = pcall(wait, 'a') return tostring(ok) .. x", "truea"),
      ("inside nested pcalls", "return select(3, pcall(pcall, function() return wait('x') end))", "x"),
      ("inside xpcall", "return select(2, xpcall(function() return wait('x') end, error))", "x"),
      ("in an xpcall handler", "return select(2, xpcall(error, function(e) return e .. wait('!') end, 'e'))", "e!"),
      (
        "in an iterator",
        "local s = '' for x in function(_, p) if not p then return wait('once') end end do s = s .. x end return s",
        "once"
      ),
      ("in a coroutine", "return coroutine.wrap(function() return wait('in') end)()", "in"),
      (
        "in nested coroutines",
        "local w = coroutine.wrap return w(function() return w(function() return w(function() return wait('deep') end)() end)() end)()",
        "deep"
      ),
      (
        "between yields",
        """
        local co = coroutine.create(function(a) local b = wait('h') local c = coroutine.yield(a .. b) return c .. wait('t') end)
        local _, x = coroutine.resume(co, '1') local _, y = coroutine.resume(co, '2') return x .. y
        """, "1h2t"
      ),
      ("in __index", "return setmetatable({}, { __index = function(_, k) return wait(k) end }).key", "key"),
      ("in __call", "return setmetatable({}, { __call = function(_, k) return wait(k) end })('c')", "c"),
      ("in __add", "return setmetatable({}, { __add = function(_, k) return wait('sum') end }) + 1", "sum"),
      (
        "in __close",
        "local s = '' do local x <close> = setmetatable({}, { __close = function() s = wait('closed') end }) end return s",
        "closed"
      ),
      ("after pcall in a coroutine", "return coroutine.wrap(function() pcall(error) return wait('z') end)()", "z"),
    ])
  func goesOn(_ how: String, _ body: String, _ expected: String) throws {
    #expect(try Waiting.run(body) == .string(LuaString(expected)))
  }

  @Test(
    "inside a C call it raises a sentence that says so",
    arguments: [
      "table.sort({ 2, 1 }, function(a, b) wait('x') return a < b end)",
      "return (('a'):gsub('a', function() return wait('x') end))",
      "error(select(2, load(function() return wait('x') end)))",
      "table.sort({ 2, 1 }, function(a, b) return coroutine.wrap(function() wait('x') return a < b end)() end)",
    ])
  func insideC(_ body: String) throws {
    let error = #expect(throws: LuaError.self) { try Waiting.run(body) }
    #expect(error?.message.contains("cannot suspend inside a C call") == true, "\(error?.message ?? "")")
  }

  @Test("the function can ask beforehand")
  func canSuspend() throws {
    #expect(
      try Waiting.run(
        "local inside table.sort({ 2, 1 }, function(a, b) inside = suspendable() return a < b end) return { suspendable(), inside }"
      )
        == [true, false])
    #expect(try Waiting.run("return coroutine.wrap(function() return suspendable() end)()") == true)
  }

  @Test("a completion may raise, and pcall catches it with the script's position")
  func raising() throws {
    let state = try Waiting.state("local ok, e = pcall(wait, 'x') return e")
    let worker = Waiting.runtime.makeWorker()
    try state.start(entry: "run", context: nil)
    guard case .suspended(let new) = worker.step(state) else { Issue.record("not suspended"); return }
    #expect(state.complete(new[0].ticket, raising: "connection refused"))
    guard case .finished = worker.step(state) else { Issue.record("not finished"); return }
    #expect(try state.result() == "job.lua:2: connection refused")
  }

  @Test("several branches wait at once, and their answers may come in any order")
  func branches() throws {
    #expect(
      try Waiting.run("return all({ 'a', 'b', 'c' }, function(x) return wait(x) .. wait(x) end)") == ["aa", "bb", "cc"])
    #expect(
      try Waiting.run(
        "return all({ 1, 2 }, function(i) return all({ 'x', 'y' }, function(s) return wait(s .. i) end) end)")
        == [["x1", "y1"], ["x2", "y2"]])
  }

  @Test("the first answer ends a race, and the other requests are abandoned")
  func race() throws {
    let state = try Waiting.state("return any({ 'a', 'b', 'c' }, wait)")
    let worker = Waiting.runtime.makeWorker()
    try state.start(entry: "run", context: nil)
    guard case .suspended(let new) = worker.step(state) else { Issue.record("not suspended"); return }
    #expect(new.count == 3)
    #expect(state.complete(new[1].ticket, with: ["won"]))
    guard case .finished = worker.step(state) else { Issue.record("not finished"); return }
    #expect(try state.result() == "won")
    #expect(new.map { ($0.request as! Probe).abandoned.load(ordering: .relaxed) } == [1, 0, 1])
  }

  @Test("an answer that comes before the run falls asleep is not lost")
  func early() throws {
    final class Box: Sendable { let state = Mutex<LuaState?>(nil) }
    let box = Box()
    final class Instant: LuaRequest { func abandon() {} }
    let runtime = Fixture.make(modules: [
      LuaModule(
        "",
        functions: [
          LuaFunction("quick", in: .run) { call in
            let answer = call.suspend(Instant())
            // Completed by "another thread" before the coroutine has yielded: the first ticket of a state is 1.
            #expect(box.state.withLock { $0 }?.complete(LuaTicket(number: 1), with: [7]) == false)
            return answer
          }
        ])
    ])
    let state = try runtime.makeState(source: "return { run = function() return quick() end }", chunkName: "q.lua")
    box.state.withLock { $0 = state }
    try state.start(entry: "run", context: nil)
    let worker = runtime.makeWorker()
    guard case .sliced = worker.step(state) else { Issue.record("must be ready at once"); return }
    guard case .finished = worker.step(state) else { Issue.record("not finished"); return }
    #expect(try state.result() == 7)
    box.state.withLock { $0 = nil }
  }

  @Test("cancelling a suspended run wakes it once; the next step ends it and abandons its requests")
  func cancel() throws {
    let state = try Waiting.state("wait('never')")
    let worker = Waiting.runtime.makeWorker()
    try state.start(entry: "run", context: nil)
    guard case .suspended(let new) = worker.step(state) else { Issue.record("not suspended"); return }
    #expect(state.cancel())
    #expect(!state.cancel())
    #expect(!state.complete(new[0].ticket, with: []))
    guard case .stopped(let stop) = worker.step(state) else { Issue.record("not stopped"); return }
    #expect(stop.reason == .cancelled)
    #expect((new[0].request as! Probe).abandoned.load(ordering: .relaxed) <= 1)
    #expect(!state.isReusable)
    try state.reset()
    #expect(state.isReusable)
  }

  @Test("dropping a suspended state abandons its requests and leaks nothing")
  func drop() throws {
    var request: Probe?
    do {
      let state = try Waiting.state("wait('dropped')")
      try state.start(entry: "run", context: nil)
      guard case .suspended(let new) = Waiting.runtime.makeWorker().step(state) else {
        Issue.record("not suspended"); return
      }
      request = new[0].request as? Probe
    }
    #expect(request?.abandoned.load(ordering: .relaxed) == 1)
    weak let gone = request
    request = nil
    #expect(gone == nil)
  }

  @Test("a run goes on at each step on another thread")
  func threads() throws {
    let state = try Waiting.state(
      "local s = '' for i = 1, 20 do pcall(wait, 'x') s = s .. wait(tostring(i)) end return s")
    try state.start(entry: "run", context: nil)
    let done = Atomic<Bool>(false)
    var steps = 0
    while !done.load(ordering: .acquiring), steps < 100 {
      steps += 1
      Threads.run(1) { _ in
        switch Waiting.runtime.makeWorker().step(state) {
        case .suspended(let new):
          for s in new { _ = state.complete(s.ticket, with: [.string(LuaString((s.request as! Probe).text))]) }
        case .sliced: break
        default: done.store(true, ordering: .releasing)
        }
      }
    }
    #expect(try state.result() == "1234567891011121314151617181920")
    #expect(steps > 20)
  }

  @Test("ten thousand runs sleep at once and all of them wake")
  func many() throws {
    let worker = Waiting.runtime.makeWorker()
    var sleeping: [(LuaState, LuaTicket)] = []
    let before = Resident.bytes
    for i in 0..<10_000 {
      let state = try Waiting.state("local mine = { \(i % 7) } return wait('x') + mine[1]")
      try state.start(entry: "run", context: nil)
      guard case .suspended(let new) = worker.step(state) else { Issue.record("not suspended"); return }
      sleeping.append((state, new[0].ticket))
    }
    let each = (Resident.bytes - before) / sleeping.count
    // Under a sanitizer memory has shadows.
    if unsafe getenv("MOONDIAL_SANITIZER") == nil { #expect(each < 20 << 10, "\(each) bytes each") }
    for (i, (state, ticket)) in sleeping.enumerated() {
      #expect(state.complete(ticket, with: [10]))
      guard case .finished = worker.step(state) else { Issue.record("not finished"); return }
      #expect(try state.result() == .integer(Int64(10 + i % 7)))
    }
  }
}
