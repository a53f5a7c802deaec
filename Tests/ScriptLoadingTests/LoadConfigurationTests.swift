import JobModel
import Lua
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite("the host's configuration")
struct LoadConfigurationTests {
  private func load(_ text: String?, _ settings: [ConfigurationSetting] = []) throws -> ConfigurationLoader.Loaded {
    let loader = try ConfigurationLoader(
      runtime: LoadFixture.runtime.get(), zones: LoadFixture.zones, stores: LoadFixture.kinds,
      clock: LoadFixture.clock)
    let file = text.map { ScriptFile(.configuration, .configuration, .success(FileContent(Array($0.utf8)))) }
    return loader.load(file: file, settings: settings)
  }

  @Test("without a file everything has its default")
  func none() throws {
    let loaded = try load(nil)
    #expect(loaded.configuration == HostConfiguration())
    #expect(loaded.problems.isEmpty)
  }

  @Test("every setting arrives")
  func everySetting() throws {
    let loaded = try load(
      """
      local workers = 4 * 5
      return {
        timezone = "Europe/Vienna",
        stores = { default = "sqlite:jobs.db", fast = "memory", shared = "postgres://host/db", mongo = "mongodb://host/db" },
        executors = { default = { type = "threads", workers = workers }, isolated = { type = "process", workers = 5 } },
        job_defaults = { coalesce = false, max_instances = 3, executor = "isolated" },
        http = { listen = "[::1]:9000" },
        groups = { db = { max = 2 }, api = { max = 5, rate = "100 / 1m30s" } },
        grants = { ["*"] = { fs = { "data:rw" }, exec = false } },
        retention = { runs = 500, age = "30d", decisions = 50, jobs = { billing = { runs = false }, noisy = { runs = 10, age = "1h" } } },
        kept_states = "64MB", answers_memory = "100MB",
        secrets = { directory = "/run/secrets", command = { "pass", "show" } },
      }
      """)
    #expect(loaded.problems.isEmpty)
    let configuration = try #require(loaded.configuration)
    #expect(configuration.timeZone == "Europe/Vienna")
    #expect(configuration.stores["default"]?.address.text == "sqlite:jobs.db")
    #expect(configuration.stores["fast"]?.address == StoreAddress("memory"))
    #expect(configuration.stores["shared"]?.address.scheme == "postgres")
    #expect(configuration.stores["mongo"]?.address.scheme == "mongodb")
    #expect(configuration.executors["default"] == ExecutorConfiguration(.threads, workers: 20))
    #expect(configuration.executors["isolated"] == ExecutorConfiguration(.process, workers: 5))
    #expect(
      configuration.jobDefaults
        == LuaTable(fields: [("coalesce", false), ("max_instances", 3), ("executor", "isolated")]))
    #expect(
      configuration.secrets == SecretsConfiguration(directory: "/run/secrets", command: ["pass", "show"]))
    #expect(configuration.http == HTTPConfiguration(host: "::1", port: 9000))
    let rate = RateLimit(count: 100, window: 90_000_000_000, text: "100 / 1m30s")
    #expect(configuration.groups == ["db": GroupLimit(max: 2), "api": GroupLimit(max: 5, rate: rate)])
    #expect(configuration.grants == ["*": ["fs": ["data:rw"], "exec": false]])
    let day: Int64 = 86_400 * 1_000_000_000
    var retention = Retention()
    retention.standard = .init(runs: 500, age: 30 * day)
    retention.ranges = 50
    retention.jobs = ["billing": .init(runs: nil, age: 30 * day), "noisy": .init(runs: 10, age: day / 24)]
    #expect(configuration.retention == retention)
    #expect(configuration.keptStateBytes == 64 << 20)
    #expect(configuration.answerBytes == 100 << 20)
  }

  @Test(
    "each mistake is one sentence",
    arguments: [
      ("return { timezon = 'UTC' }", "moondial.lua: unknown setting \"timezon\"; did you mean \"timezone\"?"),
      (
        "return { timezone = 'Europe/Berln' }",
        "moondial.lua: timezone: no time zone \"Europe/Berln\"; did you mean Europe/Berlin?"
      ),
      (
        "return { timezone = 5 }",
        "moondial.lua: timezone must be the name of a time zone like \"Europe/Berlin\", not 5"
      ),
      (
        "return { stores = 'memory' }",
        "moondial.lua: stores must be a table like { default = \"sqlite:moondial.db\" }, not \"memory\""
      ),
      (
        "return { stores = { default = 'mysql://secret@host' } }",
        "moondial.lua: stores.default must be \"sqlite:FILE\", \"memory\", \"postgres://…\" or \"mongodb://…\"; what it begins with is none of them"
      ),
      (
        "return { executors = { default = 5 } }",
        "moondial.lua: executors.default must be a table like { type = \"threads\", workers = 20 }, not 5"
      ),
      (
        "return { executors = { default = { wokers = 5 } } }",
        "moondial.lua: unknown setting \"executors.default.wokers\"; did you mean \"workers\"?"
      ),
      (
        "return { executors = { default = { workers = 0 } } }",
        "moondial.lua: executors.default.workers must be 1 to 10000, not 0"
      ),
      (
        "return { executors = { default = { type = 'thread' } } }",
        "moondial.lua: executors.default.type must be \"threads\" or \"process\", not \"thread\"; did you mean \"threads\"?"
      ),
      ("return { secrets = { dir = 'x' } }", "moondial.lua: unknown setting \"secrets.dir\""),
      (
        "return { secrets = { command = { 'pass', 3 } } }",
        "moondial.lua: secrets.command must be a list of words like { \"pass\", \"show\" }, to which the secret's name is added, not a table"
      ),
      ("return { secrets = { directory = '' } }", "moondial.lua: secrets.directory must be the path of a directory"),
      ("return { http = { port = 80 } }", "moondial.lua: unknown setting \"http.port\""),
      (
        "return { http = { listen = 'localhost' } }",
        "moondial.lua: http.listen must be \"HOST:PORT\" like \"127.0.0.1:8047\", or false, not \"localhost\""
      ),
      (
        "return { grants = { ['*'] = { exce = true } } }",
        "moondial.lua: grants[\"*\"].exce: unknown field (did you mean \"exec\"?)"
      ),
      (
        "return { groups = { db = 2 } }",
        "moondial.lua: groups.db must be a table like { max = 2, rate = \"10/1m\" }, not 2"
      ),
      ("return { groups = { db = {} } }", "moondial.lua: groups.db limits nothing; give it max, rate or both"),
      (
        "return { groups = { db = { rates = '2/1s' } } }",
        "moondial.lua: unknown setting \"groups.db.rates\"; did you mean \"rate\"?"
      ),
      ("return { groups = { db = { max = 0 } } }", "moondial.lua: groups.db.max must be 1 to 100000, not 0"),
      (
        "return { groups = { db = { rate = 5 } } }",
        "moondial.lua: groups.db.rate must be a number of starts and a time like \"10/1m\", not 5"
      ),
      (
        "return { groups = { db = { rate = '0/1m' } } }",
        "moondial.lua: groups.db.rate: 0 starts are outside 1 to 1000000"
      ),
      (
        "return { groups = { db = { rate = '5/1us' } } }",
        "moondial.lua: groups.db.rate \"5/1us\": the time must be 1ms to 366d"
      ),
      (
        "return { job_defaults = { group = 'db' } }",
        "moondial.lua: job_defaults: there is no group \"db\"; add groups = { db = { max = 1 } } to moondial.lua"
      ),
      (
        "return { stores = { a = { synchronous = 'normal' } } }",
        "moondial.lua: stores.a has no address: add url = \"sqlite:FILE\""
      ),
      (
        "return { stores = { default = { synchronous = 'fast' } } }",
        "moondial.lua: stores.default.synchronous must be \"full\" or \"normal\", not \"fast\""
      ),
      (
        "return { stores = { a = { url = 'memory', synchronous = 'full' } } }",
        "moondial.lua: stores.a.synchronous is for sqlite stores; this one is memory: remove it"
      ),
      (
        "return { stores = { default = { urll = 'memory' } } }",
        "moondial.lua: unknown setting \"stores.default.urll\"; did you mean \"url\"?"
      ),
      (
        "return { retention = 5 }", "moondial.lua: retention must be a table like { runs = 1000, age = \"90d\" }, not 5"
      ),
      ("return { retention = { runs = -1 } }", "moondial.lua: retention.runs must be 0 to 1000000000, not -1"),
      (
        "return { retention = { runs = true } }",
        "moondial.lua: retention.runs must be a whole number, or false to keep all, not true"
      ),
      ("return { retention = { age = '0s' } }", "moondial.lua: retention.age must be at least 1s, not \"0s\""),
      (
        "return { retention = { ages = '1d' } }",
        "moondial.lua: unknown setting \"retention.ages\"; did you mean \"age\"?"
      ),
      (
        "return { retention = { jobs = { a = { run = 5 } } } }",
        "moondial.lua: unknown setting \"retention.jobs.a.run\"; did you mean \"runs\"?"
      ),
      ("return { kept_states = 'much' }", "moondial.lua: kept_states must be a size like \"64MB\", not \"much\""),
      ("return { answers_memory = '1MB' }", "moondial.lua: answers_memory must be 64MB to 1048576GB, not \"1MB\""),
      (
        "return { job_defaults = { max_instance = 3 } }",
        "moondial.lua: job_defaults: unknown field \"max_instance\"; did you mean \"max_instances\"?"
      ),
      (
        "return { job_defaults = { on_error = print } }",
        "moondial.lua: job_defaults: on_error is a function and cannot be a default in moondial.lua; set it in a script's job_defaults"
      ),
      (
        "return { job_defaults = { executor = 'big' } }",
        "moondial.lua: job_defaults: there is no executor \"big\"; moondial.lua has \"default\""
      ),
      ("return { 'UTC' }", "moondial.lua: the table has a value without a name (\"UTC\"); write name = value"),
      ("timezone = 'UTC'", "moondial.lua: it must return a table of settings, not nothing; write return { … }"),
      ("return 5", "moondial.lua: it must return a table of settings, not 5; write return { … }"),
      ("return {", "moondial.lua:1: unexpected symbol near <eof>"),
      (
        "job 'x' { run = print }\nreturn {}",
        "moondial.lua:1: a job cannot be declared here; put it in a script of the scripts directory"
      ),
    ])
  func mistakes(_ text: String, _ message: String) throws {
    let loaded = try load(text)
    let found = loaded.problems.map(\.description)
    #expect(found == [message])
    #expect(loaded.configuration == nil)
  }

  @Test("all mistakes are told at once")
  func several() throws {
    #expect(
      try load("return { timezon = 1, htp = 2, executors = { default = { workers = 'x' } } }").problems.count == 3)
  }

  @Test("settings lie over the file, later ones over earlier ones")
  func layers() throws {
    let environment = ConfigurationSetting.settings(inEnvironment: [
      "MOONDIAL_EXECUTORS__DEFAULT__WORKERS": "20", "MOONDIAL_TIMEZONE": "Europe/Berlin", "MOONDIAL_STATE": "/tmp",
      "PATH": "/bin",
      "MOONDIAL_JOB_DEFAULTS__TIMEOUT": "90",
    ])
    let flags = [try #require(ConfigurationSetting(flag: "executors.default.workers=8"))]
    let loaded = try load("return { executors = { default = { type = 'process', workers = 2 } } }", environment + flags)
    #expect(loaded.problems.isEmpty)
    let configuration = try #require(loaded.configuration)
    #expect(configuration.executors["default"] == ExecutorConfiguration(.process, workers: 8))
    #expect(configuration.timeZone == "Europe/Berlin")
    #expect(configuration.jobDefaults == LuaTable(fields: [("timeout", 90)]))
  }

  @Test("a flat setting of a store leaves its address as the file, or nobody, wrote it")
  func storeFields() throws {
    let environment = ConfigurationSetting.settings(inEnvironment: [
      "MOONDIAL_STORES__DEFAULT__SYNCHRONOUS": "normal", "MOONDIAL_RETENTION__JOBS__BILLING__RUNS": "false",
      "MOONDIAL_RETENTION__AGE": "2d", "MOONDIAL_KEPT_STATES": "1GB",
    ])
    for (text, path) in [
      ("return {}", "moondial.db"), ("return { stores = { default = 'sqlite:jobs.db' } }", "jobs.db"),
    ] {
      let loaded = try load(text, environment)
      #expect(loaded.problems.isEmpty)
      let configuration = try #require(loaded.configuration)
      let store = try #require(configuration.stores["default"])
      #expect(store.address.rest == path && store.synchronous == .normal)
      let age: Int64 = 2 * 86_400 * 1_000_000_000
      #expect(configuration.retention.standard == .init(runs: 1_000, age: age))
      #expect(configuration.retention.jobs == ["billing": .init(runs: nil, age: age)])
      #expect(configuration.keptStateBytes == 1 << 30)
    }
  }

  @Test("a mistake names the variable or flag it came from")
  func origins() throws {
    let environment = ConfigurationSetting.settings(inEnvironment: [
      "MOONDIAL_EXECUTORS__DEFAULT__WORKERS": "many", "MOONDIAL_EXECUTRS__DEFAULT__WORKERS": "5",
    ])
    let flags = [try #require(ConfigurationSetting(flag: "timezone=Mars/Olympus"))]
    let found = try load("return {}", environment + flags).problems.map(\.description)
    #expect(
      found == [
        "MOONDIAL_EXECUTORS__DEFAULT__WORKERS: executors.default.workers must be a whole number, not \"many\"",
        "MOONDIAL_EXECUTRS__DEFAULT__WORKERS: unknown setting \"executrs\"; did you mean \"executors\"?",
        "--set timezone: timezone: no time zone \"Mars/Olympus\": write an IANA name like \"Europe/Berlin\", \"America/New_York\" or \"UTC\"",
      ])
  }

  @Test("a flag needs a key and a value", arguments: ["workers", "=5", "a..b=5", ".a=5"])
  func flags(_ text: String) {
    #expect(ConfigurationSetting(flag: text) == nil)
  }

  @Test(
    "addresses",
    arguments: [
      ("127.0.0.1:80", "127.0.0.1", 80), (":8047", "0.0.0.0", 8047), ("[::]:0", "::", 0),
      ("host.example:65535", "host.example", 65_535),
    ])
  func addresses(_ text: String, _ host: String, _ port: Int) {
    #expect(HTTPConfiguration(listen: text) == HTTPConfiguration(host: host, port: port))
  }

  @Test("what is no address", arguments: ["", "host", "host:", "host:65536", "::1:80", "host:8a", "host:-1"])
  func noAddresses(_ text: String) {
    #expect(HTTPConfiguration(listen: text) == nil)
  }
}
