import Executors
import JobModel
import Lua
import ScriptFixtures
import Testing

@testable import HostModules
@testable import ScriptRuntime

@Suite("log fields are whatever a script gives, and never an error", .onBothExecutors)
struct LogFieldsTests {
  @Test(
    "what JSON does not have is made visible",
    arguments: [
      ("{ a = '\\xff\\xfeok' }", #"{"a":"\\xFF\\xFEok"}"#),
      ("{ nan = 0/0, up = 1/0, down = -1/0 }", #"{"down":"-inf","nan":"nan","up":"inf"}"#),
      ("{ f = print, c = coroutine.create(print) }", #"{"c":"<coroutine>","f":"<function>"}"#),
      ("(function() local t = { n = 1 } t.t = t return t end)()", #"{"n":1,"t":"<a table that it is in>"}"#),
      ("{ [1] = 'a', [3] = 'c' }", #"{"1":"a","3":"c"}"#),
      ("{ 'a', x = 1 }", #"{"1":"a","x":1}"#),
      ("{ [true] = 1, [1.5] = 2, ['\\xff'] = 3 }", ##"{"1.5":2,"\\xFF":3,"true":1}"##),
      ("{ [{}] = 1, [{}] = 1, [print] = 3 }", #"{"<function>":3,"<table>":1,"<table> (2)":1}"#),
      ("{ ['1'] = 'text', 'list' }", #"{"1":"text","1 (2)":"list"}"#),
      ("'a text'", #"{"value":"a text"}"#), ("42", #"{"value":42}"#), ("false", #"{"value":false}"#),
      ("print", #"{"value":"<function>"}"#), ("json.null", #"{"value":null}"#),
      ("{ x = json.null, list = { 1, {}, 2 } }", #"{"list":[1,[],2],"x":null}"#),
    ])
  func visible(_ fields: String, _ expected: String) throws {
    let fixture = try PoolFixture()
    let report = try fixture.run("log.info('it', \(fields)) return 'went on'")
    #expect(report.result == #""went on""#, "\(report.error?.message ?? "")")
    let line = try #require(fixture.log.all.first { $0.message == "it" })
    #expect(line.fields == JSONText(expected), "\(line.fields?.text ?? "nil")")
  }

  @Test("what is too large, too deep or has too many parts is cut, and says so")
  func large() throws {
    let fixture = try PoolFixture()
    let report = try fixture.run(
      """
      local deep = {} local t = deep for i = 1, 5000 do t.t = {} t = t.t end
      local wide = {} for i = 1, 300000 do wide[i] = i end
      local shared = { 1 } for i = 1, 40 do shared = { shared, shared } end
      log.info("deep", deep) log.info("wide", wide) log.info("shared", shared) log.info("long", { ("x"):rep(3000000) })
      log.info(deep) log.info(wide) log.info(nil) log.info() log.info(print) log.info(0/0)
      return true
      """, fields: "memory = '256MB',")
    #expect(report.outcome == .succeeded, "\(report.error?.message ?? "")")
    let lines = fixture.log.all
    #expect(lines.count == 10)
    #expect(lines[0].fields?.text.contains("<nested too deeply>") == true)
    for line in lines[1...3] { #expect(line.fields?.text.hasPrefix("{\"cut\":\"") == true, "\(line.message)") }
    #expect(lines[6...].map(\.message) == ["nil", "nil", "<function>", "nan"])
  }

  @Test("random values never fail a run, and their fields are JSON", arguments: 0..<20)
  func random(seed: Int) throws {
    let fixture = try PoolFixture()
    let report = try fixture.run(
      """
      math.randomseed(\(seed))
      local made = {}
      local make
      local leaves = {
        function() return nil end, function() return math.random(0) end, function() return math.random() * 10 ^ math.random(-300, 300) end,
        function() return 0/0 end, function() return 1/0 end, function() return -1/0 end, function() return true end,
        function() local b = {} for i = 1, math.random(0, 12) do b[i] = string.char(math.random(0, 255)) end return table.concat(b) end,
        function() return utf8.char(math.random(1, 0x10FFFF)) end, function() return print end, function() return json.null end,
        function() return coroutine.create(print) end, function() return every end,
        function() return #made > 0 and made[math.random(#made)] or 1 end,
      }
      function make(depth)
        if depth == 0 or math.random() < 0.4 then return leaves[math.random(#leaves)]() end
        local t = {}
        made[#made + 1] = t
        for i = 1, math.random(0, 6) do
          local key = math.random() < 0.5 and i or make(1)
          if key ~= nil and key == key then t[key] = make(depth - 1) end
        end
        if math.random() < 0.2 then setmetatable(t, { __index = function() error("no") end, __pairs = function() error("no") end, __tostring = function() error("no") end }) end
        return t
      end
      for i = 1, 300 do
        log.info(make(4), make(4))
      end
      return "all said"
      """)
    #expect(report.result == #""all said""#, "\(report.error?.message ?? "")")
    let lines = fixture.log.all
    #expect(lines.count == 300)
    for fields in lines.compactMap(\.fields) {
      guard case .table? = LuaValue.parseJSON(fields.text) else {
        Issue.record("not an object: \(fields.text)")
        continue
      }
    }
  }
}
