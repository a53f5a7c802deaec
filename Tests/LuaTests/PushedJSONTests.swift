import Lua
import Testing

@Suite struct PushedJSONTests {
  private static func run(_ body: @escaping @Sendable (inout LuaCall) -> LuaReturn, memoryLimit: Int? = nil) throws
    -> (step: LuaStep, state: LuaState)
  {
    let runtime = try LuaRuntime(modules: [LuaModule("t", functions: [LuaFunction("value", body)])])
    let state = try runtime.makeState(
      source: "return { run = function() return t.value() end }", chunkName: "a.lua", memoryLimit: memoryLimit)
    try state.start(entry: "run", context: nil)
    return (runtime.makeWorker().step(state), state)
  }

  @Test(
    "a JSON text is pushed as the value that it stands for",
    arguments: [
      "null", "true", "0", "-0", "9223372036854775807", "9223372036854775808", "1.5e3", "\"\"", "\"a\\u00e9\\n\"",
      "\"\\ud83c\\udf19\"", "[]", "{}", "[1,null,3]", "[[[{}]]]", "{\"a\":null,\"b\":{\"c\":[true,false]}}",
      " { \"a\" : 1 , \"a\" : 2 } ", "\"\\u0000\"", "12345678901234567890",
    ])
  func values(text: String) throws {
    let (step, state) = try Self.run { call in
      call.push(json: text)
      return .results(1)
    }
    guard case .finished = step else {
      Issue.record("\(step)")
      return
    }
    var expected = try LuaValue(json: text)
    // A field that is nil is none in Lua, and an array ends before its first hole.
    if text.contains("\"a\":null") { expected = ["b": ["c": [true, false]]] }
    if text == "[1,null,3]" { expected = .table(LuaTable(array: [1], others: [(key: 3, value: 3)])) }
    #expect(try state.result() == expected)
  }

  @Test(
    "what is no JSON is pushed as nil, wherever it breaks off",
    arguments: ["", "[1", "{\"a\":}", "1 2", "\"\u{1}\"", "tru"])
  func broken(text: String) throws {
    let (step, state) = try Self.run { call in
      call.push(json: text)
      return .results(1)
    }
    guard case .finished = step else {
      Issue.record("\(step)")
      return
    }
    #expect(try state.result() == .nil)
  }

  @Test("a value that does not fit into the state ends the run as out of memory")
  func tooLarge() throws {
    let text = "[" + String(repeating: "[],", count: 100_000) + "1]"
    let (step, _) = try Self.run(
      { call in
        call.push(json: text)
        return .results(1)
      }, memoryLimit: 1 << 20)
    guard case .stopped(let stop) = step else {
      Issue.record("\(step)")
      return
    }
    #expect(stop.reason == .outOfMemory)
  }

  @Test("a claim beyond the limit, or beside what is set aside, ends the run as out of memory; one that fits does not")
  func claims() throws {
    let cases = [(0, 500_000, true), (0, 2_000_000, false), (700_000, 500_000, false), (0, Int.max, false)]
    for (aside, bytes, fits) in cases {
      let (step, _) = try Self.run(
        { call in
          call.setAside(aside)
          if call.claim(bytes) { call.push(true) }
          return .results(1)
        }, memoryLimit: 1 << 20)
      switch step {
      case .finished: #expect(fits)
      case .stopped(let stop):
        #expect(!fits)
        #expect(stop.reason == .outOfMemory)
      default: Issue.record("\(step)")
      }
    }
  }

  @Test("a record has the values that were pushed last")
  func record() throws {
    let (step, state) = try Self.run { call in
      call.push(1)
      call.push("two")
      call.pushNil()
      call.pushRecord(["a", "b", "c"])
      return .results(1)
    }
    guard case .finished = step else {
      Issue.record("\(step)")
      return
    }
    #expect(try state.result() == ["a": 1, "b": "two"])
  }
}
