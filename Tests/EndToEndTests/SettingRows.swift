import Foundation
import Glibc
import Testing

/// One setting of moondial.lua, and how its effect shows in the binary.
struct SettingRow: Sendable {
  /// As `ConfigurationKeys` has it: `executors.*.workers`.
  let key: String
  /// What stands for the `*`.
  var name = "default"
  /// The value as Lua.
  let value: String
  /// More of moondial.lua.
  var more = ""
  /// The script, and others by name.
  let script: String
  var others: [String: String] = [:]
  let effect: Effect
  /// Whether it stands in the file, because hosts are started again without flags.
  var isInFile = false

  enum Effect: Sendable {
    /// A running host logs a line with this text.
    case log(String)
    /// It logs all of them, in any order.
    case logs([String])
    /// It never comes up, and says this.
    case refused(String)
    /// A running host's log, or a command, shows it.
    case seen(@Sendable (Place, HostProcess) throws -> Void)
    /// `check` says this.
    case checked(String)
  }

  /// `executors.default.workers`.
  var path: [String] { key.split(separator: ".").map { $0 == "*" ? name : String($0) } }

  /// The flat form of the value: what a variable or a flag says; nil when there is none.
  var flat: String? {
    if value.hasPrefix("\""), value.hasSuffix("\"") { return String(value.dropFirst().dropLast()) }
    return Int(value) != nil || value == "false" || value == "true" ? value : nil
  }

  /// moondial.lua, with the setting or without it.
  func configuration(with setting: Bool) -> String {
    let nested = path.reversed().reduce(value) { inner, name in "{ [\"\(name)\"] = \(inner) }" }
    return "return merged({ \(more) }, \(setting ? nested : "{}"))\n"
  }

  /// Lua that lays a table over another one.
  static let merging = """
    local function merged(table, over)
      for key, value in pairs(over) do
        local old = table[key]
        table[key] = type(old) == "table" and type(value) == "table" and merged(old, value) or value
      end
      return table
    end

    """
}

extension SettingRow {
  private static func once(_ body: String, _ fields: String = "") -> String {
    "job \"it\" { run_at_start = true, \(fields) run = function(ctx) \(body) end }\n"
  }

  static let rows: [SettingRow] = [
    SettingRow(
      key: "timezone", value: "\"Asia/Tokyo\"", script: once("print(time.format(0))"),
      effect: .log("1970-01-01T09:00:00+09:00")),
    SettingRow(
      key: "stores.*.url", name: "other", value: "\"sqlite:other.db\"",
      script: once("print('ran')", "store = 'other',"),
      effect: .seen { place, host in
        try host.awaitLine(containing: "it #1: ran")
        #expect(try place.run("history", "--store", "other.db").output.contains { $0.contains("it") })
      }),
    SettingRow(
      key: "node.name", value: "\"web1\"", script: "",
      effect: .seen { place, host in
        try host.awaitLine(containing: "0 jobs")
        #expect(try place.run("nodes", "--json").output.contains { $0.contains("\"name\":\"web1\"") })
      }),
    SettingRow(
      key: "node.labels", value: "{ \"gpu\", \"eu\" }", script: "",
      effect: .seen { place, host in
        try host.awaitLine(containing: "0 jobs")
        #expect(try place.run("nodes").output.contains { $0.contains("eu, gpu") })
      }),
    SettingRow(
      key: "stores.*.synchronous", value: "\"normal\"", script: "", effect: .seen { _, _ in }),  // SettingTests.synced
    SettingRow(
      key: "stores.*.lease", value: "\"5s\"", script: "", effect: .refused("several hosts")),  // PostgresHostTests
    SettingRow(
      key: "executors.*.workers", value: "3", script: once("print('ran')"),
      effect: .seen { _, host in
        try host.awaitLine(containing: ", 3 workers, ")
        try host.awaitLine(containing: "it #1: ran")
        #expect(try ThreadNames.workers(3, of: host).count == 3)
      }),
    SettingRow(
      key: "executors.*.type", value: "\"process\"", script: once("print('pid ' .. ctx.process)"),
      effect: .seen { _, host in
        let line = try host.awaitLine(containing: "pid ")
        #expect(!line.hasSuffix(" \(host.pid)"))
      }),
    SettingRow(
      key: "groups.*.max", name: "db", value: "1",
      script: "for i = 1, 4 do job('m' .. i) { group = 'db', run_at_start = true, run = function() print('in') "
        + "sleep('30ms') print('out') end } end",
      effect: .seen { _, host in
        var order = ""
        for _ in 0..<8 {
          let line = try host.awaitLine { $0.hasSuffix(": in") || $0.hasSuffix(": out") }
          order += line.hasSuffix(": in") ? "(" : ")"
        }
        #expect(order == "()()()()")
      }),
    SettingRow(
      key: "groups.*.rate", name: "db", value: "\"1/10m\"",
      script:
        "for i = 1, 2 do job('m' .. i) { group = 'db', run_at_start = true, run = function() print('in') end } end",
      effect: .seen { place, host in
        let first = try host.awaitLine(containing: ": in").contains(" m1 ") ? "m2" : "m1"
        var said = ""
        // Once what the host has decided is in the store.
        let end = Date(timeIntervalSinceNow: HostProcess.patience)
        while !said.contains("waits"), Date() < end { said = try place.run("explain", first).output.joined() }
        #expect(said.contains("waits for the rate of group \"db\" (1/10m)"), "\(said)")
      }),
    SettingRow(
      key: "kept_states", value: "0",
      script: "local n = 0\n"
        + "job 'it' { every = '20ms', run = function() n = n + 1 print('count ' .. n) emit('x') end }",
      effect: .seen { _, host in
        for _ in 0..<4 { try host.awaitLine(containing: "count ") }
        #expect(!host.text.contains("count 2"))
      }),
    SettingRow(
      key: "answers_memory", value: "\"64MB\"", more: "grants = { ['*'] = { exec = { 'sh' } } }",
      script: Self.outputs(of: "a.lua"),
      others: Dictionary(uniqueKeysWithValues: (0..<9).map { ("o\($0).lua", Self.outputs(of: "o\($0)")) }),
      effect: .log("blocked by others")),
    SettingRow(
      key: "on_failure", value: "function(run, err) log.error(run.job .. ' told: ' .. err.message) end",
      script: once("error('no', 0)"), effect: .log("it told: no")),
    SettingRow(
      key: "secrets.directory", value: "\"secret files\"", more: "grants = { ['*'] = { secret = true } }",
      script: once("print((secret('a') or 'none'):upper())"), effect: .log("OF THE FILE A")),
    SettingRow(
      key: "secrets.command", value: "{ 'echo', 'asked for' }", more: "grants = { ['*'] = { secret = true } }",
      script: once("print(secret('b'):upper())"), effect: .log("ASKED FOR B")),
    SettingRow(
      key: "notify.*.http", name: "ops", value: "\"http://127.0.0.1:1/\"", script: once(told),
      effect: .log("told: connect")),
    SettingRow(
      key: "notify.*.mail", name: "ops",
      value: "{ server = '127.0.0.1:1', security = 'none', from = 'a@b', to = 'c@d' }", script: once(told),
      effect: .log("told: connect")),
    SettingRow(
      key: "notify.*.secret", name: "ops", value: "\"absent\"",
      more: "notify = { ops = { http = 'http://127.0.0.1:1/' } }",
      script: once("local _, e = notify('ops', 'x') print('told: ' .. e)"),
      effect: .log("there is no secret \"absent\"")),
  ]

  private static let told = "local _, e = notify('ops', 'x') print('told: ' .. e.kind)"

  /// A job whose program keeps 15 MB of output; ten of them do not fit into 64 MB.
  private static func outputs(of name: String) -> String {
    """
    job "\(name)" { run_at_start = true, run = function()
      local r = exec({ "sh", "-c", "head -c 15000000 /dev/zero; echo written >&2; sleep 600" },
        { timeout = "3s", max_output = 20000000 })
      print(r.stderr == "written\\n" and "not hindered" or "blocked by others")
    end }
    """
  }

  static let grants: [SettingRow] = [
    SettingRow(
      key: "grants.*.fs", name: "*", value: "{ '.:rw' }",
      script: once("fs.write('made', 'text') print('read ' .. fs.read('made'))"), effect: .log("read text")),
    SettingRow(
      key: "grants.*.exec", name: "*", value: "{ 'echo' }", script: once("print(exec({ 'echo', 'said' }).stdout)"),
      effect: .log("said")),
    SettingRow(
      key: "grants.*.exec_env", name: "*", value: "{ 'WORD' }", more: "grants = { ['*'] = { exec = { 'sh' } } }",
      script: once("print(exec({ 'sh', '-c', 'echo word $WORD' }, { env = { WORD = 'given' } }).stdout)"),
      effect: .log("word given")),
    SettingRow(
      key: "grants.*.env", name: "*", value: "{ 'PATH' }", script: once("print('path of ' .. #env.get('PATH'))"),
      effect: .log("path of ")),
    SettingRow(
      key: "grants.*.secret", name: "*", value: "{ 'a' }", more: "secrets = { directory = 'secret files' }",
      script: once("print(secret('a'):upper())"), effect: .log("OF THE FILE A")),
    SettingRow(
      key: "grants.*.http", name: "*", value: "{ '127.0.0.1' }",
      script: once("local _, e = http.get('http://127.0.0.1:1/') print('asked: ' .. e.kind)"),
      effect: .log("asked: connect")),
    SettingRow(
      key: "grants.*.mail", name: "*", value: "{ '127.0.0.1' }",
      script: once(
        "local _, e = mail.send { server = '127.0.0.1:1', security = 'none', from = 'a@b', to = 'c@d' } "
          + "print('sent: ' .. e.kind)"),
      effect: .log("sent: connect")),
  ]
}

/// The threads of a process.
struct ThreadNames {
  let threads: [(number: Int, name: String)]

  /// The numbers of the host's workers. A thread gives itself its name when it first has a processor, which it need not
  /// have had when the host says that it is there: so this returns when there are `count` of them, or when the host
  /// has had the time.
  static func workers(_ count: Int, of host: HostProcess) throws -> [Int] {
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    while true {
      let found = try ThreadNames(of: host.pid).threads.filter { $0.name.hasPrefix("moondial-w") }
      if found.count >= count || Date() > end || host.endWithin(0.01) != nil { return found.map(\.number) }
    }
  }

  init(of pid: Int32) throws {
    threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").compactMap { thread in
      guard let name = try? String(contentsOfFile: "/proc/\(pid)/task/\(thread)/comm", encoding: .utf8),
        let number = Int(thread)
      else { return nil }
      return (number, name)
    }
  }
}
