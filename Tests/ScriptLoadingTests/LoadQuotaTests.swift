import JobModel
import Lua
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite("quotas of moondial.lua, and what scripts may ask for")
struct LoadQuotaTests {
  private func load(_ text: String, _ settings: [ConfigurationSetting] = []) throws -> ConfigurationLoader.Loaded {
    let loader = try ConfigurationLoader(
      runtime: LoadFixture.runtime.get(), zones: LoadFixture.zones, stores: LoadFixture.kinds,
      clock: LoadFixture.clock)
    let file = ScriptFile(.configuration, .configuration, .success(FileContent(Array(text.utf8))))
    return loader.load(file: file, settings: settings)
  }

  @Test("every quota is a setting, of the file, of the environment and of flags")
  func every() throws {
    var fields: [String] = []
    for setting in QuotaSetting.all {
      switch setting.kind {
      case .count: fields.append("\(setting.name) = 77")
      case .size: fields.append("\(setting.name) = \"1MB\"")
      case .duration, .span: fields.append("\(setting.name) = \"5m\"")
      }
    }
    let environment = ConfigurationSetting.settings(inEnvironment: ["MOONDIAL_QUOTAS__EVENT_BYTES": "2MB"])
    let flag = try #require(ConfigurationSetting(flag: "quotas.max_memory=64MB"))
    let loaded = try load("return { quotas = { \(fields.joined(separator: ", ")) } }", environment + [flag])
    #expect(loaded.problems.isEmpty)
    var expected = Quotas()
    for setting in QuotaSetting.all {
      switch setting.kind {
      case .count(let field, _): expected[keyPath: field] = 77
      case .size(let field, _): expected[keyPath: field] = 1 << 20
      case .duration(let field): expected[keyPath: field] = 300_000_000_000
      case .span(let field, _): expected[keyPath: field] = 300_000_000_000
      }
    }
    expected.eventBytes = 2 << 20
    expected.maxMemory = 64 << 20
    let configuration = try #require(loaded.configuration)
    #expect(configuration.quotas == expected)
    #expect(configuration.storedHistory.logBytes == 1 << 20 && configuration.storedHistory.logBytesPerJob == 1 << 20)
    #expect(try load("return { quotas = { max_timeout = false } }").configuration?.quotas.maxTimeout == .some(nil))
  }

  @Test("a quota that is unknown or outside its range is an error that names it")
  func wrong() throws {
    #expect(
      try load("return { quotas = { max_memry = 1 } }").problems.map(\.message)
        == ["unknown setting \"quotas.max_memry\"; did you mean \"max_memory\"?"])
    #expect(
      try load("return { quotas = { event_bytes = \"10GB\" } }").problems.map(\.message)
        == ["quotas.event_bytes must be 1KB to 64MB, not \"10GB\""])
    #expect(
      try load("return { quotas = { load_timeout = \"2h\" } }").problems.map(\.message)
        == ["quotas.load_timeout must be at most 1h, not \"2h\""])
    #expect(
      try load("return { quotas = { load_timeout = \"1ms\" } }").problems.map(\.message)
        == ["quotas.load_timeout must be at least 100ms, not \"1ms\""])
  }

  @Test("a script asks for memory and time up to the quota; more is an error with its place")
  func asked() throws {
    var configuration = HostConfiguration()
    configuration.quotas.maxMemory = 128 << 20
    configuration.quotas.maxTimeout = 3_600_000_000_000
    let fixture = try LoadFixture()
    #expect(
      fixture.problems("local x\njob \"a\" { memory = \"1GB\", run = print }", configuration: configuration)
        == [
          "a.lua:2: job \"a\": memory must be at most 128MB, not \"1GB\": ask for less (quotas.max_memory in moondial.lua)"
        ])
    #expect(
      fixture.problems("job_defaults { timeout = \"2h\" }", configuration: configuration).first?
        .contains("timeout must be at most 1h, not \"2h\"") == true)
    let fine = "job \"a\" { memory = \"128MB\", timeout = \"1h\", run = print }"
    let first = fixture.load(["a.lua": fine], configuration: configuration)
    #expect(first.problems.isEmpty)
    // A smaller quota is seen by scripts that did not change.
    configuration.quotas.maxMemory = 64 << 20
    let second = fixture.load(["a.lua": fine], after: first, configuration: configuration)
    #expect(second.errors.count == 1)
    // The operator's own defaults are the operator's.
    configuration.jobDefaults = LuaTable(fields: [("memory", "1GB")])
    #expect(try fixture.job("job \"b\" { run = print }", configuration: configuration).memoryLimit == 1 << 30)
  }

  @Test(
    "texts and lists of a job have their limits",
    arguments: [
      ("description = string.rep('x', 5000)", "description may have 4096 bytes, this one has 5000"),
      ("tags = { string.rep('x', 201) }", "tags may have 200 bytes, this one has 201"),
      ("on = { 'a', string.rep('x', 201) }", "on[2] may have 200 bytes, this one has 201"),
      ("params = { p = string.rep('x', 300000) }", "more than the 262144 that are allowed"),
      (
        "tags = (function() local t = {} for i = 1, 101 do t[i] = 't' .. i end return t end)()",
        "tags may have 100 entries"
      ),
    ])
  func texts(field: String, message: String) throws {
    let problems = try LoadFixture().problems("job \"a\" { \(field), run = print }")
    #expect(problems.count == 1 && problems[0].contains(message), "\(problems)")
  }
}
