import Foundation
import JobModel
import Lua
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("what check says of code that will fail when it runs")
struct CodeCheckTests {
  private static let tables: [String: [String]] = [
    "log": ["debug", "info", "warn", "error"], "fs": ["read", "write", "append", "list", "remove", "stat"],
    "os": ["time", "date", "clock"], "string": ["format", "rep", "upper"], "env": ["get"],
  ]

  private func notes(_ text: String) -> [String] {
    CodeCheck(ScriptPath("a.lua"), Array(text.utf8)).missingFunctions { Self.tables[$0] }.map(\.description)
  }

  @Test(
    "functions that no table of the host has are named, with the nearest one that there is",
    arguments: [
      ("log.inof 'x'", "a.lua:1: note: there is no function log.inof; did you mean log.info?"),
      (
        "\n\nos.execute('ls')", "a.lua:3: note: there is no function os.execute; use exec { \"program\", \"argument\" }"
      ),
      ("run = function() fs.raed('a') end", "a.lua:1: note: there is no function fs.raed; did you mean fs.read?"),
      ("-- fs.read\nfs.readd{}", "a.lua:2: note: there is no function fs.readd; did you mean fs.read?"),
      ("x = string.frmat [[a]]", "a.lua:1: note: there is no function string.frmat; did you mean string.format?"),
      ("local t = { f = 1, fs.wirte('a') }", "a.lua:1: note: there is no function fs.wirte; did you mean fs.write?"),
      (
        "local f = function(a) return log.wran(a) end",
        "a.lua:1: note: there is no function log.wran; did you mean log.warn?"
      ),
      ("#!/usr/bin/moondial\nlog.infoo('a')", "a.lua:2: note: there is no function log.infoo; did you mean log.info?"),
    ])
  func missing(text: String, note: String) {
    #expect(notes(text) == [note])
  }

  @Test(
    "what may be right is not spoken of",
    arguments: [
      "log.info('x') fs.read 'a' os.time() string.format('%d', 1)", "local fs = require 'fs'\nfs.rename('a', 'b')",
      "local function f(log) log.anything() end", "for _, fs in ipairs(t) do fs.rename() end",
      "fs = { rename = print }\nfs.rename()", "a, fs = 1, {}\nfs.rename()", "function log.trace(x) end\nlog.trace(1)",
      "log.trace = print\nlog.trace(1)", "if os.execute then os.execute('x') end", "local run = os.execute or exec",
      "-- fs.rename('a')\n--[[ fs.rename('b') ]]\n--[==[ ]] fs.rename() ]==]",
      "print('fs.rename(1)', [[fs.rename(2)]])",
      "x.fs.rename(1)", "x:log().trace()", "unknown.anything()", "local x <const>, fs <close> = 1, 2\nfs.rename()",
      "local _ENV = {}\nfs.rename()", "goto log\n::log::\n", "x = 1 ..fs.read('a')", "local s = \"a\\\"fs.rename(1)\"",
      "local s = 'a\\z\n   b' fs.read(s)", "function fs() end fs.rename()", "local a = 0x1p+4 fs.read(a)", "fs.read",
      "fs.",
    ])
  func right(text: String) {
    #expect(notes(text) == [])
  }

  @Test("programs, variables and secrets that are named in so many words need their grant")
  func grants() {
    var grants = Grants()
    grants.exec = .some(["pg_*"])
    grants.env = .some(["HOME"])
    func missing(_ text: String) -> [String] {
      let permissions = CodeCheck.Permissions(grants, searchPath: "/usr/bin:/bin", base: "/srv/app")
      return CodeCheck(ScriptPath("a.lua"), Array(text.utf8)).missingGrants(permissions).map(\.description)
    }
    let text = """
      exec({ "pg_dump", db }) exec { "rsync" }
      exec({ "tar", "-c", dir }, { cwd = "/" })
      local p = "x" exec { p } exec({ "a" .. p }) exec(words)
      env.get("HOME") env.get "PATH" secret("token")
      other.exec { "b" } local function f(secret) secret("c") end
      """
    let found = missing(text)
    #expect(found.count == 3, "\(found)")
    #expect(found[0].hasPrefix("a.lua:1: note: a.lua has no grant for the program rsync: add"))
    #expect(found[1].hasPrefix("a.lua:2: note: a.lua has no grant for the program tar"))
    #expect(found[2].hasPrefix("a.lua:4: note: a.lua has no grant for the environment variable PATH"))
    #expect(missing("secret 'token'") == missing("secret('token')") && missing("secret 'token'").count == 1)
    // The file counts, not how it is called.
    grants.exec = .some(["/usr/bin/env", "sort"])
    #expect(missing("exec { 'env' } exec { '/usr/bin/../bin/sort' }").isEmpty)
    #expect(missing("exec { '/tmp/sort' }").count == 1)
  }

  @Test("hosts and files that are named in so many words need their grant")
  func hostsAndFiles() {
    var grants = Grants()
    for host in ["api.example.org", "localhost:8080"] { _ = grants.http.add(host) }
    grants.files = .below([
      Grants.FileRoot(path: "/srv/app/data", isWritable: true), Grants.FileRoot(path: "/srv/in", isWritable: false),
    ])
    func missing(_ text: String) -> [String] {
      let permissions = CodeCheck.Permissions(grants, searchPath: nil, base: "/srv/app")
      return CodeCheck(ScriptPath("a.lua"), Array(text.utf8)).missingGrants(permissions).map(\.description)
    }
    let granted = """
      http.get("https://api.example.org/price") http.post("http://LOCALHOST:8080/x", { json = {} })
      http.get("http://" .. host) http.get("http://127.0.0.1/") http.get("http://a@b.org/") http.get("no URL")
      fs.read("data/a") fs.write("data/../data/b", "x") fs.list "/srv/in" fs.read(path) other.fs.read("/etc/passwd")
      """
    #expect(missing(granted) == [])
    let texts = [
      (
        "http.get 'https://example.org'",
        #"asking example.org: add  grants = { ["a.lua"] = { http = { "example.org" } } }"#
      ),
      ("http.get('http://localhost/')", "asking localhost: add"),
      ("fs.write('/srv/in/a', 'x')", #"writing /srv/in/a: add  grants = { ["a.lua"] = { fs = { "/srv/in:rw" } } }"#),
      ("fs.read('notes.txt')", #"reading notes.txt: add  grants = { ["a.lua"] = { fs = { ".:r" } } }"#),
      ("for line in fs.lines('data/../x/y') do end", #"fs = { "x:r" }"#),
    ]
    for (text, words) in texts {
      let found = missing(text)
      #expect(found.count == 1 && found[0].contains(words), "\(text): \(found)")
    }
  }

  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
    .standardizedFileURL

  private static func files(_ folder: String, _ ending: String) -> [String] {
    let found = FileManager.default.enumerator(atPath: root.appending(path: folder).path)
    return (found?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(ending) }.map { "\(folder)/\($0)" }
  }

  @Test("the scripts, the examples and all Lua in the documentation call what there is")
  func ownTexts() throws {
    let evaluator = try ExpressionEvaluator(
      runtime: LuaHost(services: .unwired, declareModules: DeclareModules.modules).runtime,
      zones: LoadFixture.zones)
    #expect(evaluator.fields(of: "fs")?.contains("read") == true && evaluator.fields(of: "nobody") == nil)
    #expect(evaluator.fields(of: "exec") == nil && evaluator.fields(of: "os") != nil)
    var count = 0
    for path in Self.files("scripts", ".lua") + Self.files("examples", ".lua") + Self.files("docs", ".md") + [
      "README.md"
    ] {
      let text = try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
      let blocks =
        path.hasSuffix(".lua")
        ? [text] : text.components(separatedBy: "```lua\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
      for block in blocks {
        count += 1
        let found = CodeCheck(ScriptPath(path), Array(block.utf8)).missingFunctions { evaluator.fields(of: $0) }
        #expect(found.isEmpty, "\(path): \(found)")
      }
    }
    #expect(count > 20)
  }

  @Test("settings in the environment that mean nothing are found, and those that do are not")
  func environment() {
    let names = [
      "MOONDIAL_STATE", "MOONDIAL_TIMEZONE", "MOONDIAL_EXECUTORS__DEFAULT__WORKERS", "MOONDIAL_SECRET_X", "HOME",
      "MOONDIAL_TIMEZON", "MOONDIAL_EXECUTORS_DEFAULT_WORKERS", "MOONDIAL_ANYTHING_ELSE",
    ]
    let unknown = ConfigurationSetting.unknown(inEnvironment: names)
    #expect(
      unknown.map(\.name) == ["MOONDIAL_ANYTHING_ELSE", "MOONDIAL_EXECUTORS_DEFAULT_WORKERS", "MOONDIAL_TIMEZON"])
    #expect(unknown.map(\.near) == [nil, "MOONDIAL_EXECUTORS__DEFAULT__WORKERS", "MOONDIAL_TIMEZONE"])
  }

  @Test("an end_date that is over is said, whatever the trigger")
  func over() throws {
    for trigger in ["every = '1h'", "cron = '0 3 * * *'"] {
      let generation = try LoadFixture().load(["a.lua": "job 'x' { \(trigger), end_date = '2020-01-01', run = print }"])
      #expect(generation.notes.contains { $0.message.contains(" is over, so ") }, "\(trigger): \(generation.notes)")
    }
  }
}
