import JobModel
import Lua
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite("http and log_levels of the configuration")
struct LoadHTTPTests {
  private func load(_ text: String, _ settings: [ConfigurationSetting] = []) throws -> ConfigurationLoader.Loaded {
    let loader = try ConfigurationLoader(
      runtime: LoadFixture.runtime.get(), zones: LoadFixture.zones, stores: LoadFixture.kinds,
      clock: LoadFixture.clock)
    let file = ScriptFile(.configuration, .configuration, .success(FileContent(Array(text.utf8))))
    return loader.load(file: file, settings: settings)
  }

  @Test("every field arrives, from the file and from the environment")
  func fields() throws {
    let digits = String(repeating: "0a", count: 32)
    let environment = ConfigurationSetting.settings(inEnvironment: [
      "MOONDIAL_HTTP__TOKENS__DEPLOY__ROLE": "operate", "MOONDIAL_HTTP__TOKENS__DEPLOY__SECRET": "deploy/token",
      "MOONDIAL_LOG_LEVELS__NOISY": "error",
    ])
    let loaded = try load(
      """
      return { http = { listen = "0.0.0.0:9000", hosts = { "moondial.example.org", "m" },
                        tokens = { grafana = { role = "read", hash = "sha256:\(digits)" } } },
               log_levels = { ["etl-*"] = "debug" } }
      """, environment)
    #expect(loaded.problems.isEmpty, "\(loaded.problems)")
    let configuration = try #require(loaded.configuration)
    var expected = HTTPConfiguration(host: "0.0.0.0", port: 9_000)
    expected.hosts = ["moondial.example.org", "m"]
    expected.tokens = [
      .init(name: "deploy", role: .operate, source: .secret("deploy/token")),
      .init(name: "grafana", role: .read, source: .hash([UInt8](repeating: 10, count: 32))),
    ]
    #expect(configuration.http == expected)
    #expect(configuration.logLevels == ["etl-*": .debug, "noisy": .error])
  }

  @Test("tokens and levels are taken over by a reload, the address is not")
  func reload() {
    var after = HostConfiguration()
    after.http.tokens = [.init(name: "a", role: .read, source: .secret("s"))]
    after.logLevels = ["a": .warn]
    #expect(after.settingsNeedingRestart(from: HostConfiguration()) == [])
    after.http.port = 9_000
    #expect(after.settingsNeedingRestart(from: HostConfiguration()) == ["http.listen"])
  }

  @Test(
    "what cannot be meant is one sentence, and no value of a token is shown",
    arguments: [
      ("http = { lissen = 'x' }", "unknown setting \"http.lissen\"; did you mean \"listen\"?"),
      ("http = { listen = 8047 }", "http.listen must be \"HOST:PORT\" like \"127.0.0.1:8047\", or false, not 8047"),
      (
        "http = { hosts = { 'https://x' } }",
        "http.hosts: \"https://x\" is no name of a host: write it without a scheme, port or path"
      ),
      (
        "http = { tokens = { a = { hash = 'sha256:00' , role = 'read' } } }",
        "http.tokens.a.hash must be \"sha256:\" and the 64 digits that `printf %s \"$TOKEN\" | sha256sum` prints"
      ),
      (
        "http = { tokens = { a = { hash = 'my-token', role = 'read' } } }",
        "http.tokens.a.hash must be \"sha256:\" and the 64 digits that `printf %s \"$TOKEN\" | sha256sum` prints"
      ),
      (
        "http = { tokens = { a = { secret = 's' } } }",
        "http.tokens.a has no role: add role = \"read\" or role = \"operate\""
      ),
      (
        "http = { tokens = { a = { role = 'read' } } }",
        "http.tokens.a needs one of hash = \"sha256:…\" and secret = \"NAME\", the secret that holds it"
      ),
      (
        "http = { tokens = { a = { role = 'admin', secret = 's' } } }",
        "http.tokens.a.role must be \"read\" or \"operate\", not \"admin\""
      ),
      (
        "log_levels = { a = 'loud' }",
        "log_levels.a must be \"debug\", \"info\", \"warn\" or \"error\", not \"loud\""
      ),
    ])
  func mistakes(_ text: String, _ message: String) throws {
    let problems = try load("return { \(text) }").problems.map(\.description)
    #expect(problems == ["moondial.lua: \(message)"])
  }
}
