import Lua
import Testing

/// Scripts whose jobs are captured and built in states of their own.
enum CapsuleFixture {
  /// Captures the tables of functions that the script returns.
  static func capture(_ script: String, chunkName: String = "s.lua", in runtime: LuaRuntime = Fixture.plain) throws
    -> LuaCapture
  {
    let declaration = try runtime.makeDeclaration()
    let results = try declaration.evaluate(script, chunkName: chunkName)
    let jobs = results.map { result in
      guard case .table(let table) = result else { fatalError("the script must return tables of functions") }
      var entries: [String: LuaReference] = [:]
      for field in table.fields { if case .function(let reference) = field.value { entries[field.key] = reference } }
      return entries
    }
    return try LuaCapture(of: jobs, in: declaration)
  }

  /// Runs a job of the script in a state of its own.
  static func run(_ script: String, job: Int = 0, entry: String = "run") throws -> LuaValue {
    let state = try Fixture.plain.makeState(capture(script).capsules[job])
    return try Fixture.finish(state, entry: entry)
  }
}

@Suite("Capsules")
struct CapsuleTests {
  /// Scripts and what their first job's first two runs return.
  static let programs: [(script: String, results: [LuaValue])] = [
    ("return { run = function() return 42 end }", [42, 42]),
    ("local n = 0 return { run = function() n = n + 1 return n end }", [1, 2]),
    ("local n = 5 local function bump() n = n + 1 end return { run = function() bump() return n end }", [6, 7]),
    (
      "local function f(k) return k < 2 and 1 or k * f(k - 1) end return { run = function() return f(10) end }",
      [3_628_800, 3_628_800]
    ),
    (
      "local t = { 1, 2, x = { y = 'z' } } t.self = t return { run = function() return t.self.self.x.y .. #t end }",
      ["z2", "z2"]
    ),
    (
      "local mt = { __index = function(_, k) return k .. '!' end } local t = setmetatable({}, mt)"
        + " return { run = function() return t.hi end }", ["hi!", "hi!"]
    ),
    ("X = 1 function inc() X = X + 1 return X end return { run = function() return inc() end }", [2, 3]),
    ("A = 'a' return { run = function() return _G['A'] end }", ["a", "a"]),
    ("A = 'a' local l = load return { run = function() return l('return A')() end }", ["a", "a"]),
    (
      "local up, rep = string.upper, string.rep return { run = function() return up(rep('a', 3)) end }", ["AAA", "AAA"]
    ),
    (
      "local weak = setmetatable({}, { __mode = 'k' }) weak[{}] = 1 local key = {} weak[key] = 2"
        + " return { run = function() local s = 0 for _, v in pairs(weak) do s = s + v end return s + #key end }",
      [2, 2]
    ),
    ("local key = {} local t = { [key] = 'k' } return { run = function() return t[key] end }", ["k", "k"]),
    (
      "local e = setmetatable({}, { __index = _G }) local _ENV = e  y = 7 return { run = function() return y + math.floor(1.5) end }",
      [8, 8]
    ),
    (
      "local t = { 1.5, -0.0, 1e300, -7, math.maxinteger, math.mininteger, math.huge, 0/0, true, false, 'a\\0b' }"
        + " return { run = function() return table.concat({ t[1], 1 / t[2] < 0 and 'neg' or 'pos', t[4],"
        + " t[5] == math.maxinteger and 'max' or '', t[6] == math.mininteger and 'min' or '', t[7] == math.huge and 'inf' or '',"
        + " t[8] ~= t[8] and 'nan' or '', #t[11] }, ' ') end }",
      ["1.5 neg -7 max min inf nan 3", "1.5 neg -7 max min inf nan 3"]
    ),
  ]

  @Test("a built function behaves as the one that was captured, and keeps its locals between runs", arguments: programs)
  func behaves(_ program: (script: String, results: [LuaValue])) throws {
    let capsule = try CapsuleFixture.capture(program.script).capsules[0]
    for capsule in [capsule, try LuaCapsule(decoding: capsule.encoded())] {
      let state = try Fixture.plain.makeState(capsule)
      for result in program.results { #expect(try Fixture.finish(state) == result) }
      try state.reset()
      #expect(try Fixture.finish(state) == program.results[0])
    }
  }

  @Test(
    "what cannot be kept is named by its path",
    arguments: [
      (
        "local conn = coroutine.create(print) return { run = function() return conn end }",
        "upvalue 'conn' of run: cannot keep a coroutine"
      ),
      (
        "local c = { db = { coroutine.create(print) } } return { run = function() return c end }",
        "field [1] of field 'db' of upvalue 'c' of run: cannot keep a coroutine"
      ),
      (
        "conn = coroutine.create(print) return { run = function() return conn end }",
        "global 'conn': cannot keep a coroutine"
      ),
      (
        "local co = coroutine.create(print) local function f() return co end return { run = function() return f() end }",
        "upvalue 'co' of upvalue 'f' of run: cannot keep a coroutine"
      ),
      (
        "string.split = 1 return { run = function() end }",
        "string.split was added to a host table; make it a local function, because each job gets the host's own tables"
      ),
      (
        "string.rep = nil return { run = function() end }",
        "string.rep was removed from a host table; make it a local function, because each job gets the host's own tables"
      ),
      (
        "string.rep = 1 return { run = function() end }",
        "string.rep was replaced in a host table; make it a local function, because each job gets the host's own tables"
      ),
    ])
  func refusals(_ script: String, _ message: String) throws {
    let runtime = Fixture.make(modules: [LuaModule("", functions: [LuaFunction("print") { _ in .results(0) }])])
    #expect(throws: LuaCaptureError.self) {
      do { _ = try CapsuleFixture.capture(script, in: runtime) } catch let error as LuaCaptureError {
        #expect(error.message == message)
        throw error
      }
    }
  }

  @Test("after a failure the same declaration can be captured again, without the job that failed")
  func again() throws {
    let declaration = try Fixture.plain.makeDeclaration()
    let script =
      "X = 1 local co = coroutine.create(type) return function() return X end, function() return co end, function() return X + 1 end"
    let functions = try declaration.evaluate(script, chunkName: "s.lua").map { value in
      guard case .function(let reference) = value else { fatalError("functions expected") }
      return ["run": reference]
    }
    for _ in 0..<3 {
      #expect(throws: LuaCaptureError(job: 1, message: "upvalue 'co' of run: cannot keep a coroutine")) {
        try LuaCapture(of: functions, in: declaration)
      }
      let capture = try LuaCapture(of: [functions[0], functions[2]], in: declaration)
      #expect(try Fixture.finish(Fixture.plain.makeState(capture.capsules[1])) == 2)
    }
  }

  @Test("a coroutine in a global that no job can name is no hindrance")
  func unreached() throws {
    #expect(
      try CapsuleFixture.run("conn = coroutine.create(function() end) return { run = function() return 1 end }") == 1)
  }

  @Test("10,000 jobs of a loop share their prototype and take about a hundred bytes each")
  func loop() throws {
    let script =
      "local jobs = {} for i = 1, 10000 do jobs[i] = { run = function() return i end } end return table.unpack(jobs)"
    let capture = try CapsuleFixture.capture(script)
    #expect(capture.capsules.count == 10_000)
    #expect(capture.capsules.allSatisfy { $0.byteCount < 160 })
    #expect(try Fixture.finish(Fixture.plain.makeState(capture.capsules[9_998])) == 9_999)
  }

  @Test(
    "neighbours whose functions reach the same have one capsule; a captured value of its own makes a job its own",
    arguments: [
      ("local jobs = {} for i = 1, 3 do jobs[i] = { run = function() return 7 end } end return table.unpack(jobs)", 1),
      ("local jobs = {} for i = 1, 3 do jobs[i] = { run = function() return i end } end return table.unpack(jobs)", 3),
      (
        "local jobs = {} for i = 1, 3 do jobs[i] = { run = function() return i // 3 end } end return table.unpack(jobs)",
        3
      ),
      ("local function f() end return { run = f }, { run = f, on_error = f }, { run = f, on_error = f }", 2),
      ("return { run = function() return 1 end }, { run = function() return 2 end }", 2),
    ] as [(String, Int)])
  func sharesCapsules(script: String, distinct: Int) throws {
    let capsules = try CapsuleFixture.capture(script).capsules
    #expect(Set(capsules.map(ObjectIdentifier.init)).count == distinct)
  }

  @Test("a list of 200,000 tables is captured and built without recursion")
  func depth() throws {
    let script =
      "list = false for i = 1, 200000 do list = { list } end"
      + " return { run = function() local n, l = 0, list while l do n, l = n + 1, l[1] end return n end }"
    #expect(try CapsuleFixture.run(script) == 200_000)
  }

  @Test("more than the limits is refused, naming the job")
  func limits() throws {
    do {
      _ = try CapsuleFixture.capture(
        "local s = ('x'):rep(1100000) return { run = function() end }, { run = function() return s end }")
      Issue.record("no error")
    } catch let error as LuaCaptureError {
      #expect(error.job == 1)
      #expect(error.message.hasPrefix("its functions keep more than 1 MB"))
    }
    #expect(throws: LuaCaptureError.self) {
      _ = try CapsuleFixture.capture("s = ('x'):rep(16800000) return { run = function() return s end }")
    }
    #expect(try CapsuleFixture.run("s = ('x'):rep(1100000) return { run = function() return #s end }") == 1_100_000)
  }

  @Test("a local that two jobs assign is reported; one that they read is not")
  func conflicts() throws {
    let two =
      "local n, m = 0, 0 return { run = function() n = n + m end }, { run = function() return n + m end }, { run = function() n = 1 end }"
    #expect(try CapsuleFixture.capture(two).conflicts == [LuaCaptureConflict(local: "n", firstJob: 0, secondJob: 2)])
    let helper =
      "local n = 0 local function add() n = n + 1 end return { run = function() add() end }, { run = function() add() end }"
    #expect(try CapsuleFixture.capture(helper).conflicts == [LuaCaptureConflict(local: "n", firstJob: 0, secondJob: 1)])
  }

  @Test("entries are listed in the order of their bytes")
  func entries() throws {
    let capsule = try CapsuleFixture.capture(
      "return { run = function() end, on_error = function() end, on_success = function() end }"
    ).capsules[0]
    #expect(capsule.entries == ["on_error", "on_success", "run"])
  }

  // MARK: Equality

  @Test("the same script gives equal bytes in another state; moved lines differ in lines only; changed code differs")
  func difference() throws {
    func one(_ script: String) throws -> LuaCapsule { try CapsuleFixture.capture(script).capsules[0] }
    let script =
      "local cfg = { b = 1, a = { 2, 3 }, [1.5] = 0, [true] = 4, [-1] = 5 } return { run = function() return cfg end }"
    #expect(try one(script).encoded() == one(script).encoded())
    #expect(try one(script).difference(from: one(script)) == .none)
    #expect(try one(script).difference(from: one("\n" + script)) == .lines)
    #expect(try one(script).difference(from: one(script.replacing("2, 3", with: "2, 4"))) == .code)
    #expect(try one(script).difference(from: one(script.replacing("return cfg", with: "return not cfg"))) == .code)
  }

  @Test("adding a job, even one that shares a local, leaves the others equal")
  func independence() throws {
    let head = "local cfg = { 1, 2 } local function get() return cfg end "
    let one = try CapsuleFixture.capture(head + "return { run = function() return get() end }").capsules[0]
    let two = try CapsuleFixture.capture(
      head + "return { run = function() return get() end }, { run = function() return cfg, get end }")
    #expect(two.capsules[0].sharedByteCount > 0)
    #expect(one.encoded() == two.capsules[0].encoded())
    #expect(one.difference(from: two.capsules[0]) == .none)
  }

  @Test("a table with objects as keys makes a capsule unequal to every other")
  func neverEqual() throws {
    let script = "local t = { [{}] = 1 } return { run = function() return t end }"
    let capsule = try CapsuleFixture.capture(script).capsules[0]
    #expect(capsule.isNeverEqual)
    #expect(try capsule.difference(from: CapsuleFixture.capture(script).capsules[0]) == .code)
    #expect(capsule.difference(from: capsule) == .none)
  }

  @Test("damaged bytes are refused, whichever byte it is")
  func damage() throws {
    let bytes = try CapsuleFixture.capture("local t = { 1 } return { run = function() return t end }").capsules[0]
      .encoded()
    for i in bytes.indices {
      var damaged = bytes
      damaged[i] ^= 0x20
      #expect(throws: LuaError.self) { try LuaCapsule(decoding: damaged) }
    }
    for length in 0..<bytes.count {
      #expect(throws: LuaError.self) { try LuaCapsule(decoding: Array(bytes.prefix(length))) }
    }
  }
}
