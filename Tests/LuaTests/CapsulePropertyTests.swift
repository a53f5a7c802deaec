@testable import Lua
import Testing
import TestSupport

/// Random scripts whose functions share locals, call each other, keep closures in tables with cycles and metatables,
/// use globals, and report the whole state of their data.
struct ProgramGenerator {
  private var random: SeededGenerator
  private let locals = 6, tables = 5, functions = 6, globals = 3

  init(seed: UInt64) { random = SeededGenerator(seed) }

  private mutating func pick(_ n: Int) -> Int { 1 + Int(random.next() % UInt64(n)) }
  private mutating func local() -> String { "v\(pick(locals))" }
  private mutating func table() -> String { "t\(pick(tables))" }
  private mutating func function() -> String { "f\(pick(functions))" }
  private mutating func global() -> String { "G\(pick(globals))" }
  private mutating func constant() -> String {
    [String(pick(9)), "2.5", "-\(pick(99))", "math.maxinteger", "'s\(pick(3))'", "true"][pick(6) - 1]
  }

  private mutating func number() -> String {
    [String(pick(9)), local(), "len(\(table()))", "num(\(global()))", "num(\(table()).n)"][pick(5) - 1]
  }

  /// One statement; all calls are paid for with `fuel`, so every program ends.
  private mutating func statement() -> String {
    switch pick(13) {
    case 1: "\(local()) = \(local()) + \(number())"
    case 2: "\(table()).n = num(\(table()).n) + \(number())"
    case 3: "\(table())[\(pick(4))] = \(number())"
    case 4: "local a, b = \(table()), \(table()) a.link, b.link = b.link, a"
    case 5: "\(global()) = num(\(global())) + \(number())"
    case 6: "r = r + \(function())(\(number()))"
    case 7: "\(table()).f = function() \(local()) = num(\(local())) + 1 return \(local()) end"
    case 8: "local f = rawget(\(table()), 'f') if f and fuel > 0 then fuel = fuel - 1 r = r + num(f()) end"
    case 9: "r = r + c\(pick(3))(\(pick(3)))"
    case 10: "\(function()), \(function()) = \(function()), \(function())"
    case 11: "\(table())[\(table())] = nil; \(table()).s = string.rep('x', \(pick(3))) .. tostring(\(local()))"
    case 12: "do local k = \(number()) \(table()).g = function(d) k = k + (d or 1) return k end end"
    default: "local g = \(table()).g if g then r = r + num(g(\(pick(3)))) end"
    }
  }

  private mutating func statements(_ n: Int) -> String { (0..<n).map { _ in statement() }.joined(separator: "\n  ") }

  mutating func script() -> String {
    var text = "local num = function(x) return math.type(x) and x or 0 end\nlocal fuel = 20\nlocal r = 0\n"
    // Where an array has holes, `#` may answer any of its borders: which one depends on how the table came to be.
    text += "local function len(t) local n = 0 while rawget(t, n + 1) ~= nil do n = n + 1 end return n end\n"
    text += (1...globals).map { "G\($0) = \($0)" }.joined(separator: " ") + "\n"
    text += (1...locals).map { "local v\($0) = \(pick(9))" }.joined(separator: " ") + "\n"
    for i in 1...tables {
      text +=
        "local t\(i) = { \(constant()), n = \(pick(9)), [\(pick(9)) + 0.5] = \(constant()), k\(pick(9)) = { \(constant()) } }\n"
    }
    text +=
      "local function counter(s) local n = s return function(d) n = n + d return n end, function() return n end end\n"
    text += "local c1, c2 = counter(1) local c3 = counter(5)\n"
    text += "local " + (1...functions).map { "f\($0)" }.joined(separator: ", ") + "\n"
    for i in 1...functions {
      text +=
        "f\(i) = function(x)\n  if fuel <= 0 then return 0 end fuel = fuel - 1\n  \(statements(pick(4)))\n  return num(x) + \(number()) end\n"
    }
    // Links, metatables and the effects of the top level itself.
    for _ in 0..<pick(6) { text += "\(table()).link = \(table())\n" }
    for i in 1...tables where pick(2) == 1 {
      let index = pick(2) == 1 ? table() : "function(_, k) return k == 'n' and \(local()) or nil end"
      text +=
        "setmetatable(t\(i), { __index = \(i > 1 && index.hasPrefix("t") ? "t\(pick(i - 1))" : index.hasPrefix("t") ? "nil" : index),"
        + " __call = f\(pick(functions)), __len = nil })\n"
    }
    text += "do \(statements(pick(8))) end fuel = 20\n"
    // The digest numbers tables and functions as it meets them, so it shows what is shared.
    text += """
      local function digest()
        local ids, n, out = {}, 0, {}
        local function put(v, depth)
          local k = type(v)
          if k ~= 'table' and k ~= 'function' then out[#out + 1] = math.type(v) == 'float' and string.format('%.9g', v) or tostring(v) return end
          if ids[v] then out[#out + 1] = '#' .. ids[v] return end
          n = n + 1 ids[v] = n
          out[#out + 1] = k .. n
          if k == 'function' or depth > 12 then return end
          local keys = {}
          for key in next, v do keys[#keys + 1] = key end
          table.sort(keys, function(a, b) if type(a) == type(b) then return a < b end return type(a) < type(b) end)
          for _, key in ipairs(keys) do put(key, depth + 1) put(rawget(v, key), depth + 1) end
          put(getmetatable(v), depth + 1)
        end
        put({ \((1...tables).map { "t\($0)" }.joined(separator: ", ")) }, 0)
        put({ \((1...functions).map { "f\($0)" }.joined(separator: ", ")), c1, c2, c3 }, 0)
        for _, x in ipairs { \((1...locals).map { "v\($0)" }.joined(separator: ", ")), G1, G2, G3, r, c2() } do put(x, 0) end
        return table.concat(out, ' ')
      end

      """
    text += "local function run()\n  fuel = 20 r = 0\n  \(statements(6))\n  return digest() end\n"
    return text + "return { run = run, other = function() \(statements(2)) return digest() end }"
  }
}

@Suite("Capsule properties")
struct CapsulePropertyTests {
  /// Seeds of 60 programs each: three that stay, one fresh.
  static let seeds: [UInt64] = [1, 2, 9_567_702_332_823_414_157, .random(in: 3...(.max))]

  @Test(
    "functions behave the same where they were declared, in states built from their capsule, and after a way through bytes",
    arguments: seeds)
  func equivalence(_ seed: UInt64) throws {
    for program in 0..<(60 as UInt64) {
      var generator = ProgramGenerator(seed: seed &+ program &* 0x1_0001)
      let script = generator.script()
      let declaration = try Fixture.plain.makeDeclaration()
      let values = try declaration.evaluate(script, chunkName: "p.lua")
      guard case .table(let table)? = values.first, case .function(let run)? = table["run"],
        case .function(let other)? = table["other"]
      else { Issue.record("no functions"); return }
      let capsule = try LuaCapsule.capture(declaration, roots: ["run": run, "other": other])
      let copies = [capsule, try LuaCapsule(decoding: capsule.encoded())]
      #expect(copies[0].encoded() == copies[1].encoded())
      let states = try copies.map { try Fixture.plain.makeState($0) }
      var first = ""
      for round in 0..<4 {
        let expected = try outcome { try declaration.call(round == 2 ? other : run).first ?? .nil }
        if round == 0 { first = expected }
        #expect(!expected.hasPrefix("error"), "a program that fails shows nothing: seed \(seed), program \(program)")
        for state in states {
          let got = try outcome { try Fixture.finish(state, entry: round == 2 ? "other" : "run") }
          if got != expected {
            Issue.record("seed \(seed), program \(program), round \(round):\n\(expected)\n\(got)\n\(script)")
            return
          }
        }
      }
      try states[0].reset()
      #expect(try outcome { try Fixture.finish(states[0]) } == first, "seed \(seed), program \(program)")
      let again = try CapsuleFixture.capture(script, chunkName: "p.lua").capsules[0]
      #expect(again.encoded() == capsule.encoded(), "seed \(seed), program \(program)")
    }
  }

  /// The result, or the text of the error: both must be the same everywhere.
  private func outcome(_ body: () throws -> LuaValue) throws -> String {
    do { return try body().text ?? "?" } catch let error as LuaError { return "error: \(error.message)" }
  }

  @Test("an abandon at any allocation of a build leaves a state that a reset makes whole, and no prototype is lost")
  func abandon() throws {
    var generator = ProgramGenerator(seed: 5)
    let capsule = try CapsuleFixture.capture(generator.script()).capsules[0]
    let state = try Fixture.plain.makeState(capsule)
    let expected = try Fixture.finish(state)
    var n = 0
    while true {
      n += 1
      state.failAllocation(n)
      guard (try? capsule.build(state)) == nil else { break }  // an error is what this is about
      #expect(!state.isReusable)
      try state.reset()
    }
    #expect(n > 50)
    state.failAllocation(0)
    try state.reset()
    #expect(try Fixture.finish(state) == expected)
  }

  @Test("twenty processes, with seeds and addresses of their own, give equal bytes")
  func processes() async throws {
    var texts: Set<String> = []
    for _ in 0..<20 {
      let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
        var text = ""
        for seed in 11..<(19 as UInt64) {
          var generator = ProgramGenerator(seed: seed)
          let capsule = try CapsuleFixture.capture(generator.script()).capsules[0]
          text +=
            "capsule " + capsule.hashes().full.description + " "
            + String(capsule.encoded().reduce(5381 as UInt64) { $0 &* 33 &+ UInt64($1) }) + "\n"
        }
        print(text)
      }
      // The test library may print around it.
      let lines = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self).split(separator: "\n")
      texts.insert(lines.filter { $0.hasPrefix("capsule ") }.joined(separator: "\n"))
    }
    #expect(texts.count == 1)
    #expect(texts.first?.isEmpty == false)
  }
}
