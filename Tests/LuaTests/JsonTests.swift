import Basics
import Lua
import Synchronization
import Testing
import TestSupport

@Suite("JSON")
struct JsonTests {
  private static let runtime = Fixture.make(modules: [.json])

  private func lua(_ body: String) throws -> LuaValue { try Fixture.run(body, in: Self.runtime) }

  @Test(
    "values are written in canonical text",
    arguments: [
      ("nil", "null"), ("true", "true"), ("1", "1"), ("-0.0", "-0.0"), ("1.0", "1.0"), ("0.1", "0.1"),
      ("1e300", "1e+300"), ("5e-324", "4.94065645841247e-324"),
      ("math.mininteger", "-9223372036854775808"), ("1/3", "0.3333333333333333"), ("''", "\"\""),
      ("'a\\n\\0\\\"\\\\\\127'", "\"a\\n\\u0000\\\"\\\\\u{7f}\""),
      ("'\\u{e9}\\u{1F600}'", "\"é😀\""), ("{}", "[]"), ("json.object{}", "{}"), ("json.array{}", "[]"),
      ("{ 1, 2, { 3 } }", "[1,2,[3]]"),
      ("{ b = 1, a = { c = json.null } }", "{\"a\":{\"c\":null},\"b\":1}"), ("json.array{ 1, nil, 3 }", "[1,null,3]"),
      ("setmetatable({ x = 1 }, { __index = error, __pairs = error })", "{\"x\":1}"),
    ])
  func encode(_ value: String, _ text: String) throws {
    #expect(try lua("return json.encode(\(value))") == .string(LuaString(text)))
  }

  @Test("keys are in the order of their bytes, however many there are", arguments: [2, 31, 32, 33, 100])
  func order(_ count: Int) throws {
    // Alike in their first eight bytes, different in length only, with bytes below 32 and above 127.
    let keys = (0..<count).map { index in
      let long = String(repeating: "a", count: index + 1)
      return ["k\(index)", "alike-alike-\(index)", long, "\u{e9}\(index)", "a\u{1}\(index)"][index % 5]
    }
    let fields = keys.reversed().map { "[\(quotedJSON($0).replacing("\\u0001", with: "\\x01"))] = { 0 }" }
    let sorted = keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let text = "{\(sorted.map { "\(quotedJSON($0)):[0]" }.joined(separator: ","))}"
    #expect(try lua("return json.encode { \(fields.joined(separator: ", ")) }") == .string(LuaString(text)))
  }

  @Test(
    "a number is written with 15 to 17 digits, with an exponent where %g writes one",
    arguments: [
      "0.0", "-0.0", "100000000000000.0", "999999999999999.0", "1e+15", "-1234567890123456.0", "12345678901234568.0",
      "1.2345678901234568e+17", "0.0001", "1e-05", "-0.00012345678901234567", "1.2345678901234568e-05", "0.1",
      "0.30000000000000004", "1e+22", "1.7976931348623157e+308", "2.2250738585072014e-308", "2.07421846295553e-308",
      "2.074218462955525e-308", "4.94065645841247e-324",
    ])
  func numbers(_ text: String) throws {
    #expect(try lua("return json.encode(\(text))") == .string(LuaString(text)))
    #expect(try lua("return json.encode(assert(json.decode('\(text)')))") == .string(LuaString(text)))
  }

  @Test("pretty text is indented")
  func pretty() throws {
    #expect(
      try lua("return json.encode({ a = { 1, {} } }, { pretty = true })") == "{\n  \"a\": [\n    1,\n    []\n  ]\n}")
    #expect(try lua("return json.encode({ a = 1 }, { sort = false })") == "{\"a\":1}")
  }

  @Test(
    "what JSON cannot say is refused with its path",
    arguments: [
      ("{ a = { 1, json.encode } }", "json.encode: a[2]: a function has no JSON form"),
      ("0/0", "json.encode: NaN has no JSON form"),
      ("{ x = math.huge }", "json.encode: x: infinity has no JSON form"),
      ("'ab\\xff'", "json.encode: the string is not UTF-8 at byte 3"),
      ("'\\xed\\xa0\\x80'", "json.encode: the string is not UTF-8 at byte 1"),
      ("'\\xc0\\x80'", "json.encode: the string is not UTF-8 at byte 1"),
      ("{ 1, a = 2 }", "json.encode: the table has both string keys and indices; JSON has no such thing"),
      ("{ [1.5] = 1 }", "json.encode: a key that is neither a string nor an index from 1"),
      ("{ [3] = 1 }", "json.encode: the array has holes; use json.null, or json.array for a few of them"),
      ("(function() local t = {} t.t = { t } return t end)()", "json.encode: t[1]: the table contains itself"),
    ])
  func refusals(_ value: String, _ message: String) throws {
    #expect(
      try lua("local ok, e = pcall(json.encode, \(value)) return (not ok) and e or 'none'")
        == .string(LuaString(message)))
  }

  @Test(
    "text is read strictly, the value written again in canonical text",
    arguments: [
      ("  [1 , 2.0,-0, 1e2,true,false ,null]\t\r\n", "[1,2.0,-0.0,100.0,true,false,null]"),
      ("\"\\u00e9\\ud83d\\ude00\\/\"", "\"é😀/\""),
      ("{\"a\":1,\"a\":2}", "{\"a\":2}"), ("{}", "{}"), ("[]", "[]"), ("[{}]", "[{}]"),
      ("9223372036854775807", "9223372036854775807"),
      ("-9223372036854775808", "-9223372036854775808"), ("9223372036854775808", "9.223372036854776e+18"),
      ("\"\\u0000\"", "\"\\u0000\""),
      ("0", "0"), ("1E+2", "100.0"), ("1e-400", "0.0"),
    ])
  func decode(_ text: String, _ again: String) throws {
    #expect(try lua("return json.encode(assert(json.decode([==[\(text)]==])))") == .string(LuaString(again)))
  }

  /// Texts that are not JSON, and what is said of them. The same in scripts and in Swift.
  static let bad: [(String, String)] = [
    ("", "line 1, column 1: unexpected end of the text"), ("nul", "line 1, column 1: expected a value"),
    ("[1,]", "line 1, column 4: expected a value"),
    ("[1 2]", "line 1, column 4: expected ',' or ']'"), ("{\"a\" 1}", "line 1, column 6: expected ':'"),
    ("{a:1}", "line 1, column 2: expected a key in quotes"),
    ("{\"a\":1,}", "line 1, column 8: expected a key in quotes"),
    ("01", "line 1, column 2: a number must not begin with 0"),
    ("1.", "line 1, column 3: expected a digit after the point"), ("-", "line 1, column 2: expected a digit"),
    ("1e", "line 1, column 3: expected a digit in the exponent"),
    ("+1", "line 1, column 1: expected a value"), (".5", "line 1, column 1: expected a value"),
    ("1 2", "line 1, column 3: something after the value"),
    ("1e999", "line 1, column 1: the number is too large"), ("\"a", "line 1, column 3: the string has no end"),
    ("\"\\x\"", "line 1, column 3: no such escape in JSON"),
    ("\"é\tx\"", "line 1, column 3: a control character in a string; write it as an escape"),
    ("\n[\n  x", "line 3, column 3: expected a value"),
    ("\"\\ud800\"", "line 1, column 8: a high surrogate without a low one after it"),
    ("'a'", "line 1, column 1: expected a value"),
    ("NaN", "line 1, column 1: expected a value"), ("\u{feff}1", "line 1, column 1: expected a value"),
    ("[", "line 1, column 2: unexpected end of the text"),
    ("// c\n1", "line 1, column 1: expected a value"),
    (String(repeating: "[", count: 101), "line 1, column 101: more than 100 arrays and objects in each other"),
  ]

  @Test("an error in text has line and column", arguments: bad)
  func errors(_ text: String, _ message: String) throws {
    #expect(try lua("local v, e = json.decode([==[\n\(text)]==]) return e") == .string(LuaString(message)))
    let error = #expect(throws: LuaError.self) { try LuaValue(json: text) }
    #expect(error?.message == message)
  }

  @Test("depth 100 works both ways")
  func depth() throws {
    let text = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
    #expect(try lua("return json.encode(json.decode('\(text)'))") == .string(LuaString(text)))
    #expect(try LuaValue(json: text).json() == text)
  }

  /// 128 KB: a sixteenth of what a worker has.
  @Test(
    "100 objects in each other take little of the stack, however many fields each has; of 101 it is said",
    arguments: [1, 3, 32, 33])
  func stack(_ fields: Int) throws {
    let answer = Mutex<Result<LuaValue, any Error>?>(nil)
    let thread = try NamedThread("small", stackSize: 128 << 10) {
      let made = Result {
        try lua(
          """
          local function nested(depth)
            local t = {}
            for i = 1, \(fields) do t["key" .. i] = i end
            if depth > 1 then t.key1 = nested(depth - 1) end
            return t
          end
          local text = json.encode(nested(100))
          local back, levels = json.decode(text), 0
          while type(back) == "table" do
            for i = 2, \(fields) do assert(back["key" .. i] == i) end
            back, levels = back.key1, levels + 1
          end
          return levels .. " " .. select(2, pcall(json.encode, nested(101)))
          """)
      }
      answer.withLock { $0 = made }
    }
    thread.join()
    let path = Array(repeating: "key1", count: 8).joined(separator: ".")
    #expect(
      try answer.withLock { $0 }?.get()
        == .string(LuaString("100 json.encode: \(path)…: more than 100 tables in each other")))
  }

  @Test(
    "a value out of Swift survives the way through text, in Swift and through scripts alike",
    arguments: [1, 2, 3, UInt64.random(in: 4...(.max))])
  func roundTrip(_ seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<200 {
      let value = Self.value(&random, depth: 4)
      let text = try value.json()
      #expect(try LuaValue(json: text) == value, "seed \(seed): \(text)")
    }
    let values = LuaValue.table(LuaTable(array: (0..<50).map { _ in Self.value(&random, depth: 4) }))
    let text = try values.json()
    let state = try Self.runtime.makeState(
      source: "return { run = function(t) return json.encode(json.decode(t)) end }", chunkName: "j.lua")
    try state.start(entry: "run", context: nil, argument: .value(.string(LuaString(text))))
    guard case .finished = state.runtime.makeWorker().step(state) else {
      Issue.record("seed \(seed): the run did not finish")
      return
    }
    #expect(try LuaValue(json: state.result().text ?? "") == values, "seed \(seed)")
  }

  @Test(
    "random damage to a text is read or refused, never worse, and scripts and Swift agree",
    arguments: [7, 8, UInt64.random(in: 9...(.max))])
  func fuzz(_ seed: UInt64) throws {
    var random = SeededGenerator(seed)
    let pieces = [
      "[", "]", "{", "}", ",", ":", "\"", "\\", "\\u12", "\\ud83d\\ude00", "1", "-", "0", ".", "e", "true", "null", " ",
      "\n", "é",
    ]
    var texts: [String] = []
    for _ in 0..<400 {
      var text = try Self.value(&random, depth: 3).json()
      for _ in 0..<(random.next() % 3) {
        let at = text.index(text.startIndex, offsetBy: Int(random.next() % UInt64(text.count + 1)))
        text.insert(contentsOf: pieces[Int(random.next() % UInt64(pieces.count))], at: at)
      }
      texts.append(text)
    }
    let argument = LuaValue.table(LuaTable(array: texts.map { .string(LuaString($0)) }))
    let state = try Self.runtime.makeState(
      source: "return { run = function(ts) local r = {} for i, t in ipairs(ts) do local v, e = json.decode(t)"
        + " r[i] = e or 'ok' end return r end }", chunkName: "j.lua")
    try state.start(entry: "run", context: nil, argument: .value(argument))
    guard case .finished = state.runtime.makeWorker().step(state), case .table(let answers) = try state.result() else {
      Issue.record("seed \(seed): the run did not finish")
      return
    }
    for (text, answer) in zip(texts, answers.array) {
      #expect((LuaValue.parseJSON(text) != nil) == (answer == "ok"), "seed \(seed): \(text)")
    }
  }

  @Test("json.null and marked tables are carried by capsules")
  func capsules() throws {
    let script =
      "local none, list, made = json.null, json.object {}, json.decode('{}')"
      + " return { run = function() return json.encode({ none == json.null, none, list, made, json.object(list) }) end }"
    let capsule = try CapsuleFixture.capture(script, in: Self.runtime).capsules[0]
    #expect(try Fixture.finish(Self.runtime.makeState(capsule)) == "[true,null,{},{},{}]")
  }

  private static func value(_ random: inout SeededGenerator, depth: Int) -> LuaValue {
    switch random.next() % (depth == 0 ? 5 : 7) {
    case 0: return .bool(random.next() & 1 == 0)
    case 1: return .integer(Int64(bitPattern: random.next()) >> Int64(random.next() % 64))
    case 2:
      let number = Double(bitPattern: random.next())
      return .number(number.isFinite ? number : 0.5)
    case 3: return .string("")
    case 4:
      let scalars: [Character] = ["a", "\"", "\\", "\n", "\0", "é", "😀", "\u{2028}"]
      return .string(LuaString(String((0..<(random.next() % 6)).map { _ in scalars[Int(random.next() % 8)] })))
    case 5: return .table(LuaTable(array: (0..<(1 + random.next() % 4)).map { _ in value(&random, depth: depth - 1) }))
    default:
      return .table(
        LuaTable(
          fields: (0..<(1 + random.next() % 4)).map { _ in
            (key: "k\(random.next() % 10)", value: value(&random, depth: depth - 1))
          }))
    }
  }
}
