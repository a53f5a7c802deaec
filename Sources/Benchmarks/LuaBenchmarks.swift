import Glibc
import Lua

/// What the Lua runtime costs. Each measurement is the best of several rounds in CPU time of one thread (latencies:
/// wall time): the machine's noise only adds.
///
///     for measurement in try LuaBenchmarks.all() { print(measurement) }
enum LuaBenchmarks {
  struct Measurement: CustomStringConvertible {
    let name: String
    let nanoseconds: Double

    var description: String {
      let text = "\((nanoseconds * 10).rounded() / 10)"
      // Measurements that are no times say their unit in their name.
      let saysUnit = ["bytes", "words moved", "percent", "ms"].contains { name.hasSuffix($0) }
      return saysUnit ? "\(name): \(text)" : "\(name): \(text) ns"
    }
  }

  /// CPU time of this thread in nanoseconds.
  private static var cpu: Int64 {
    var t = timespec()
    _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)  // writes `t` only
    return Int64(t.tv_sec) * 1_000_000_000 + Int64(t.tv_nsec)
  }

  /// The best time of one operation.
  private static func best(_ name: String, rounds: Int = 15, per count: Int, _ body: () throws -> Void) rethrows
    -> Measurement
  {
    var best = Int64.max
    for _ in 0..<rounds {
      let start = cpu
      try body()
      best = min(best, cpu - start)
    }
    return Measurement(name: name, nanoseconds: Double(best) / Double(count))
  }

  private static func step(_ worker: LuaWorker, _ state: LuaState) {
    loop: while true {
      switch worker.step(state) {
      case .sliced: continue
      case .finished: break loop
      case let other: fatalError("\(other)")
      }
    }
  }

  static func all() throws -> [Measurement] {
    let nop = LuaFunction("nop") { _ in .none }
    let add = LuaFunction("add") { call in
      call.push((call.integer(1) ?? 0) + (call.integer(2) ?? 0))
      return .results(1)
    }
    let length = LuaFunction("length") { call in
      call.push(unsafe call.withBytes(1) { $0.count } ?? 0)  // only the count leaves the closure
      return .results(1)
    }
    let wait = LuaFunction("wait", in: .run) { call in call.suspend(Request()) }
    let runtime = try LuaRuntime(modules: [
      LuaModule(
        "host", functions: [nop, add, length, wait],
        prelude: "local _, host = ... host.context({ __index = function(_, k) return k end })")
    ])
    let worker = runtime.makeWorker()
    var measurements: [Measurement] = [
      Measurement(name: "image of a job state, bytes", nanoseconds: Double(runtime.imageBytes())),
      Measurement(name: "image of a job state, words moved", nanoseconds: Double(runtime.imagePointers())),
      Measurement(name: "image of a declaring state, bytes", nanoseconds: Double(runtime.imageBytes(declaring: true))),
    ]

    let declaration = try runtime.makeDeclaration()
    measurements.append(best("reset of a hot state", per: 1000) { for _ in 0..<1000 { declaration.reset() } })
    measurements.append(
      try best("evaluate an expression", per: 1000) {
        for _ in 0..<1000 { _ = try declaration.evaluate(expression: "1 + 1") }
      })
    var kept: [LuaDeclaration] = []
    measurements.append(
      try best("fresh declaring state in a new slot", rounds: 3, per: 1000) {
        for _ in 0..<1000 { kept.append(try runtime.makeDeclaration()) }
      })
    kept.removeAll()
    measurements += try capsules(runtime, worker)
    measurements += try firstUses(runtime, worker)

    let state = try runtime.makeState(source: "return { run = function(ctx) end }", chunkName: "nop.lua")
    measurements.append(
      try best("warm call of an empty run", per: 10_000) {
        for _ in 0..<10_000 {
          try state.start(entry: "run", context: nil)
          step(worker, state)
        }
      })
    measurements.append(
      try best("warm call with a deadline", per: 10_000) {
        for _ in 0..<10_000 {
          try state.start(entry: "run", context: nil)
          _ = worker.step(state, deadline: LuaWorker.now + 60_000_000_000)
        }
      })

    func loop(_ name: String, _ body: String, per count: Int, minus base: Double = 0) throws -> Measurement {
      let state = try runtime.makeState(source: "return { run = function() \(body) end }", chunkName: "loop.lua")
      let measurement = try best(name, per: count) {
        try state.start(entry: "run", context: nil)
        step(worker, state)
      }
      return Measurement(name: name, nanoseconds: measurement.nanoseconds - base)
    }
    measurements.append(
      try loop("Lua -> Swift, no arguments", "local f = host.nop for i = 1, 100000 do f() end", per: 100_000))
    measurements.append(
      try loop(
        "Lua -> Swift, two integers, one result", "local f = host.add for i = 1, 100000 do f(i, i) end", per: 100_000))
    measurements.append(
      try loop(
        "Lua -> Swift, bytes of a string", "local f, s = host.length, 'hello' for i = 1, 100000 do f(s) end",
        per: 100_000))
    measurements.append(
      try loop("Lua -> C (math.abs)", "local f = math.abs for i = 1, 100000 do f(i) end", per: 100_000))
    measurements.append(
      try loop("pcall of an empty function", "local f = function() end for i = 1, 100000 do pcall(f) end", per: 100_000)
    )
    measurements.append(
      try loop(
        "coroutine resume and yield",
        "local co = coroutine.wrap(function() while true do coroutine.yield() end end) for i = 1, 100000 do co() end",
        per: 100_000))

    let waiting = try runtime.makeState(
      source: "return { run = function() for i = 1, 1000 do host.wait() end end }", chunkName: "wait.lua")
    measurements.append(
      try best("suspend, complete, resume", per: 1000) {
        try waiting.start(entry: "run", context: nil)
        while case .suspended(let new) = worker.step(waiting) { _ = waiting.complete(new[0].ticket, with: []) }
      })

    // Slices: the same loop alone and with others waiting.
    for (name, body) in [
      ("arithmetic", "local x = 0 for i = 1, 20000000 do x = x + i % 7 end"),
      ("calls", "local function f(n) return n < 2 and n or f(n - 1) + f(n - 2) end f(29)"),
      ("tables", "for j = 1, 100 do local t = {} for i = 1, 5000 do t[i] = { i } end end"),
    ] {
      runtime.setOthersWaiting(false)
      let alone = try loop("\(name) alone", body, per: 1)
      runtime.setOthersWaiting(true)
      let sliced = try loop("\(name) sliced", body, per: 1)
      runtime.setOthersWaiting(false)
      measurements.append(
        Measurement(name: "slices, \(name), percent", nanoseconds: (sliced.nanoseconds / alone.nanoseconds - 1) * 100))
    }
    measurements += try memory(runtime, worker)
    measurements += try kills()
    return measurements
  }

  /// States of a typical job: a function with two captured locals, one of them a table.
  private static func capsules(_ runtime: LuaRuntime, _ worker: LuaWorker) throws -> [Measurement] {
    let declaration = try runtime.makeDeclaration()
    let values = try declaration.evaluate(
      "local hosts, n = { 'a', 'b' }, 0 return function(ctx) n = n + 1 return hosts[n % 2 + 1] end",
      chunkName: "job.lua")
    guard case .function(let run) = values[0] else { fatalError("no function") }
    let capsule = try LuaCapture(of: [["run": run]], in: declaration).capsules[0]
    var kept: [LuaState] = []
    let new = try best("fresh job state with its capsule, new slot", rounds: 5, per: 1000) {
      for _ in 0..<1000 { kept.append(try runtime.makeState(capsule)) }
    }
    kept.removeAll()
    let hot = try best("fresh job state with its capsule, hot slot", per: 1000) {
      for _ in 0..<1000 { _ = try runtime.makeState(capsule) }
    }
    let state = try runtime.makeState(capsule)
    let reset = try best("reset to the capsule", per: 1000) { for _ in 0..<1000 { try state.reset() } }
    let run1 = try best("state = \"run\": reset, start, run to the end", per: 1000) {
      for _ in 0..<1000 {
        try state.reset()
        try state.start(entry: "run", context: nil)
        step(worker, state)
      }
    }
    return [new, hot, reset, run1]
  }

  /// 30,000 strings of 2 KB, made and freed at once.
  private static func memory(_ runtime: LuaRuntime, _ worker: LuaWorker) throws -> [Measurement] {
    let state = try runtime.makeState(
      source: "return { run = function() local t = {} for i = 1, 30000 do t[i] = ('x'):rep(2040) .. i end end }",
      chunkName: "strings.lua", memoryLimit: 256 << 20)
    let make = try best("30,000 strings of 2 KB, ms", rounds: 3, per: 1_000_000) {
      try state.start(entry: "run", context: nil)
      step(worker, state)
    }
    try state.start(entry: "run", context: nil)
    step(worker, state)
    let free = best("collecting them, ms", rounds: 1, per: 1_000_000) { state.collect() }
    return [make, free]
  }

  /// What a state pays for the first use of the host's globals: a run that names them, in a state made anew each time,
  /// without the measurement of one that names nothing.
  private static func firstUses(_ runtime: LuaRuntime, _ worker: LuaWorker) throws -> [Measurement] {
    func fresh(_ body: String) throws -> Double {
      let declaration = try runtime.makeDeclaration()
      let values = try declaration.evaluate("return function() \(body) end", chunkName: "use.lua")
      guard case .function(let run) = values[0] else { fatalError("no function") }
      let capsule = try LuaCapture(of: [["run": run]], in: declaration).capsules[0]
      let state = try runtime.makeState(capsule)
      return try best("", per: 1000) {
        for _ in 0..<1000 {
          try state.reset()
          try state.start(entry: "run", context: nil)
          step(worker, state)
        }
      }.nanoseconds
    }
    let nothing = try fresh("")
    return [
      Measurement(
        name: "first use of a function among the globals", nanoseconds: try fresh("local x = tostring") - nothing),
      Measurement(name: "first use of a small module (utf8)", nanoseconds: try fresh("local x = utf8") - nothing),
      Measurement(name: "first use of a large module (string)", nanoseconds: try fresh("local x = string") - nothing),
    ]
  }

  /// Ways to resist an end: in code of the virtual machine, and in C.
  private static let resisting: [(kind: String, bodies: [String])] = [
    (
      "code",
      [
        "while true do end", "while true do pcall(function() while true do end end) end",
        "local function s() while true do end end xpcall(s, s)", "xpcall(error, function() while true do end end)",
        "coroutine.wrap(function() while true do pcall(coroutine.wrap(function() while true do end end)) end end)()",
        "local x <close> = setmetatable({}, { __close = function() while true do end end })",
        "table.sort({ 3, 2, 1 }, function() while true do end end)",
        "(('x'):rep(50)):gsub('x', function() while true do end end)",
        "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) while true do pcall(function() return t[1] end) end",
        "error(setmetatable({}, { __tostring = function() while true do end end }))",
      ]
    ),
    (
      "C",
      [
        "return (('a'):rep(100000)):find(('a*'):rep(20) .. 'b')", "return (('a'):rep(30000)):match('.-.-.-.-b')",
        "return (''):rep(1 << 62)",
        "table.move({}, 1, math.maxinteger - 1, 2)",
        "table.insert(setmetatable({}, { __len = function() return 1 << 50 end, __index = rawlen }), 1, 1)",
        "local ones = string.rep('1', 1 << 20) while true do tonumber(ones, 2) end",
        "return table.concat(setmetatable({}, { __len = function() return 1 << 50 end, __index = function() return '' end }))",
        "while true do load(('goto a ::a:: '):rep(1) .. ('local x = 1 '):rep(150) .. ('do ::b:: goto b end '):rep(3000)) end",
      ]
    ),
  ]

  /// From the deadline to the end of the step, with a grace of 10 ms.
  private static func kills() throws -> [Measurement] {
    var configuration = LuaConfiguration()
    configuration.grace = 10_000_000
    let runtime = try LuaRuntime(configuration)
    let worker = runtime.makeWorker()
    var measurements: [Measurement] = []
    for (kind, bodies) in resisting {
      var late: [Int64] = []
      for body in bodies {
        let state = try runtime.makeState(source: "return { run = function() \(body) end }", chunkName: "hog.lua")
        for _ in 0..<15 {
          try state.start(entry: "run", context: nil)
          let deadline = LuaWorker.now + 5_000_000
          guard case .stopped = worker.step(state, deadline: deadline) else { fatalError("not stopped: \(body)") }
          late.append(LuaWorker.now - deadline)
          try state.reset()
        }
      }
      late.sort()
      for (name, value) in [
        ("p50", late[late.count / 2]), ("p99", late[late.count * 99 / 100]), ("max", late[late.count - 1]),
      ] {
        measurements.append(Measurement(name: "kill latency in \(kind), \(name)", nanoseconds: Double(value)))
      }
    }
    return measurements
  }

  private final class Request: LuaRequest {
    func abandon() {}
  }
}
