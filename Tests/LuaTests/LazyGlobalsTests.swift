import Lua
import Testing

/// The states of jobs make the host's globals when a script names them. Nobody should be able to tell.
@Suite("Globals made on first use")
struct LazyGlobalsTests {
  /// A module whose functions share a local, one that refers to others, constants, and functions among the globals.
  static let runtime = Fixture.make(modules: [
    LuaModule(
      "counter",
      functions: [
        LuaFunction("step") { call in
          call.push(2); return .results(1)
        }
      ],
      constants: [("limit", 10), ("names", ["a", "b"])],
      prelude: """
        local module = ...
        local n, step = 0, module.step
        module.add = function() n = n + step() return n end
        module.get = function() return n end
        module.self = setmetatable({}, { __index = module, __call = function(_, x) return n + x end })
        """),
    LuaModule(
      "",
      functions: [
        LuaFunction("twice") { call in
          call.push(2 * (call.integer(1) ?? 0)); return .results(1)
        }
      ],
      prelude:
        "local g = ... local rep, get = string.rep, counter.get g.count = get g.banner = function() return rep('=', get()) end"
    ),
    LuaModule("", prelude: "local _, host = ... host.context { __index = function(_, key) return key end }"),
  ])

  /// Every global and what it leads to, as text: paths, types, values, and which paths are the same object.
  static let describe = """
    local seen, lines, number = {}, {}, 0
    local function visit(path, value)
      local kind = math.type(value) or type(value)
      if kind == "table" or kind == "function" then
        if seen[value] then lines[#lines + 1] = path .. " = " .. seen[value] return end
        seen[value] = path
        lines[#lines + 1] = path .. " " .. kind
      else
        lines[#lines + 1] = path .. " " .. kind .. " " .. tostring(value)
      end
      if kind ~= "table" then return end
      local keys = {}
      for key in pairs(value) do keys[#keys + 1] = key end
      table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
      for _, key in ipairs(keys) do visit(path .. "." .. tostring(key), rawget(value, key)) end
      local meta = getmetatable(value)
      if type(meta) == "table" then visit(path .. ":meta", meta) end
    end
    local names = {}
    for name in pairs(_G) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do visit(name, _G[name]) end
    return table.concat(lines, "\\n")
    """

  private func run(_ body: String) throws -> LuaValue { try Fixture.run(body, in: Self.runtime) }

  @Test("a job's state has what a declaring state has, with the same identities")
  func same() throws {
    let declaration = try Self.runtime.makeDeclaration()
    let declared = try declaration.evaluate(Self.describe, chunkName: "d.lua").first
    let made = try run(Self.describe)
    #expect(made == declared)
    guard case .string(let text) = made else { return }
    #expect(text.text.contains("counter.self:meta.__index = _G.counter"))
    #expect(text.text.contains("counter.get = _G.count"))
  }

  @Test(
    "what is made in any order shares its captured locals",
    arguments: [
      "counter.add() return counter.get() + count()", "local f = count counter.add() return 2 * f()",
      "local b = banner counter.add() return #b() + count()",
      "local c = counter.self counter.add() return c(0) + c.get()",
    ])
  func sharing(_ body: String) throws {
    #expect(try run(body) == 4)
  }

  @Test(
    "raw access, iteration and removal see the same globals as if all were there",
    arguments: [
      ("return rawget(_G, 'string') == string", true),
      (
        "local n = 0 for name in pairs(_G) do if name == 'math' or name == 'twice' then n = n + 1 end end return n == 2",
        true
      ),
      (
        "local n = 0 for name in next, _G do if name == 'math' or name == 'twice' then n = n + 1 end end return n == 2",
        true
      ),
      ("return next(_G) ~= nil and pairs({}) == next", true),
      ("math = nil return (pcall(function() return math end)) or rawget(_G, 'math') ~= nil", false),
      ("rawset(_G, 'math', nil) return (pcall(function() return math end))", false),
      ("math = 5 math = nil return (pcall(function() return math end))", false),
      ("rawset(_G, 'math', 5) math = nil return (pcall(function() return math end))", false),
      (
        "local m = math math = nil for name in pairs(_G) do if name == 'math' then return false end end return m.abs(-1) == 1",
        true
      ),
      ("string = nil return ('x'):rep(3) == 'xxx'", true),
      ("string = { rep = function() return 'mine' end } return ('x'):rep(3) == 'xxx' and string.rep() == 'mine'", true),
      ("local up = ('x').upper return string.upper == up and ('').format == string.format", true),
      ("return '10' + 5 == 15 and -'2' == -2 and #'abc' == 3", true),
      ("return _G._G == _G and _VERSION == 'Lua 5.4'", true),
      ("return load('return math')() == math and load('return x', 'c', 't', { x = 7 })() == 7", true),
      ("local e = setmetatable({}, { __index = _G }) return e.math == math", true),
      ("local a, b = math.random(), math.random() math.randomseed(1) return a ~= b", true),
    ])
  func indistinguishable(_ body: String, _ expected: LuaValue) throws {
    #expect(try run(body) == expected)
  }

  @Test("a misspelt global is compared with those that are not made yet")
  func suggestions() {
    #expect { try run("return conter") } throws: {
      ($0 as? LuaError)?.message.hasSuffix("(did you mean 'counter'?)") == true
    }
    #expect { try run("return twise(1)") } throws: {
      ($0 as? LuaError)?.message.hasSuffix("(did you mean 'twice'?)") == true
    }
  }

  @Test("tracebacks name library functions")
  func tracebacks() throws {
    #expect { try run("local f = string.rep f()") } throws: {
      ($0 as? LuaError)?.traceback?.contains("in function 'string.rep'") == true
    }
  }

  @Test("a capsule finds what it captured of the host, and removes what the script removed")
  func capsules() throws {
    let capsule = try CapsuleFixture.capture(
      """
      local up, add, join = ("x").upper, counter.add, table.concat
      utf8 = nil
      function twice(n) return 3 * n end
      return { run = function() return join({ up("a"), add(), count(), twice(1), tostring(pcall(function() return utf8 end)) }, " ") end }
      """, in: Self.runtime
    ).capsules[0]
    for _ in 0..<2 {
      let state = try Self.runtime.makeState(capsule)
      #expect(try Fixture.finish(state) == "A 2 2 3 false")
      try state.reset()
      #expect(try Fixture.finish(state) == "A 2 2 3 false")
    }
  }

  @Test("states are apart: what one makes or changes, another does not have")
  func apart() throws {
    let source =
      "return { run = function() counter.add() counter.extra = (counter.extra or 0) + 1 return counter.get() + counter.extra end }"
    let one = try Self.runtime.makeState(source: source, chunkName: "a.lua")
    let two = try Self.runtime.makeState(source: source, chunkName: "a.lua")
    #expect(try Fixture.finish(one) == 3)
    #expect(try Fixture.finish(one) == 6)
    #expect(try Fixture.finish(two) == 3)
    try one.reset()
    #expect(try Fixture.finish(one) == 3)
  }

  @Test("each state has random numbers of its own, whenever its math is made")
  func random() throws {
    let body = "return math.random(1 << 60)"
    let numbers = try (0..<8).map { _ in try run(body) }
    for (i, a) in numbers.enumerated() { for b in numbers[(i + 1)...] { #expect(a != b) } }
  }

  @Test("the image of a job's state is small")
  func small() {
    #expect(Self.runtime.imageBytes() < 10 << 10)
    #expect(Self.runtime.imageBytes() < Self.runtime.imageBytes(declaring: true) / 2)
  }

  @Test("the n-th allocation may fail while globals are made: the run ends as out of memory, the next one is whole")
  func faults() throws {
    let state = try Self.runtime.makeState(
      source:
        "return { run = function() counter.add() banner() local x = ('x'):rep(2) math.random() return #table.concat({ utf8.char(65) }) end }",
      chunkName: "f.lua")
    for n in 1...2_000 {
      state.failAllocation(n)
      do {
        #expect(try Fixture.finish(state) == 1)
        #expect(n > 20)
        return
      } catch let stopped as Fixture.Stopped {
        #expect(stopped.stop.reason == .outOfMemory)
      } catch let error as LuaError {
        #expect(error.kind == .memory)
      }
      try state.reset()
    }
    Issue.record("it never got through")
  }
}
