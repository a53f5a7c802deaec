import Foundation
import JobModel
import Lua
import ScriptFixtures
import Testing
import TestSupport

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

/// The ends of all numbers where scripts, files and settings hand them to the host: each is used or refused in one
/// sentence.
@Suite("Extreme numbers from scripts and settings")
struct ScriptNumberExtremesTests {
  private static let isLong = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1"

  /// Lua expressions.
  private static let values = [
    "math.mininteger", "math.mininteger + 1", "math.maxinteger", "-1", "0", "1", "2^31", "-2^31 - 1", "2^53 + 1",
    "0/0", "1/0", "-1/0", "1e308", "9.3e18", "-9.3e18", "9.19e9", "-9.19e9", "0.5", "5e-324",
    "'9223372036854775807s'", "'-9223372036854775808'", "'106751d23h47m16s854ms775us807ns'", "'-1s'", "'99999999999GB'",
    "'8EB'", "'1e400'", "''", "'\\0\\xff'", "{}", "{ math.mininteger }", "true",
  ]

  @Test("every host function takes them or raises")
  func functions() throws {
    let report = try PoolFixture(grants: .all).run(
      """
      local values = { \(Self.values.joined(separator: ", ")) }
      local function f() end
      local calls = {
        function(v) time.format(v) end, function(v) time.format(v, { format = "%Y%y%j%V%G%s%L%N%z%u%e%I" }) end,
        function(v) time.format(v, { zone = "Europe/Berlin" }) end, function(v) time.format(0, { zone = v }) end,
        function(v) time.format(0, { format = v }) end, function(v) time.parse(v) end,
        function(v) time.parse(v, { zone = v }) end, function(v) hash.sha256(v) end, function(v) hash.hmac(v, v) end,
        function(v) hash.hex(v) hash.base64(v) end, function(v) hash.unhex(v) end, function(v) hash.unbase64(v) end,
        function(v) kv.set("k", v) kv.get("k") end, function(v) kv.set("k", 1, { ttl = v }) end,
        function(v) kv.keys("", { limit = v }) end, function(v) kv.update("k", f, { ttl = v }) end,
        function(v) all({ 1 }, f, { limit = v }) end, function(v) any({ 1 }, f, { limit = v }) end,
        function(v) all(v, f) end, function(v) emit("e", v) end, function(v) emit(v) end,
        function(v) log.info(v, { v = v }) end, function(v) print(v) end, function(v) metric.counter("c", v) end,
        function(v) metric.gauge("g", v) end, function(v) metric.gauge("g", 1, { a = v }) end,
        function(v) fs.read("/nothing", { max = v }) end, function(v) fs.list("/nothing", { limit = v }) end,
        function(v) fs.read("/etc/hostname", { max = v }) end, function(v) fs.stat(v) end,
        function(v) exec({ "/nothing" }, { timeout = v }) end, function(v) exec({ "/nothing" }, { max_output = v }) end,
        function(v) exec({ "/nothing", v }, { stdin = v, env = { A = v } }) end,
        function(v) jobs.run("j", v) end, function(v) jobs.list(v) end, function(v) env.get(v) end,
        function(v) jobs.schedule("j", { at = v }) end, function(v) jobs.schedule("j", { every = v }) end,
        function(v) jobs.schedule("j", { cron = v }) end, function(v) jobs.schedule("j", { calendar = { days = v } }) end,
        function(v) jobs.schedule("j", { every = "1h", jitter = v, priority = v, max_instances = v }) end,
        function(v) jobs.schedule("j", { every = "1h", start_date = v }) end,
        function(v) jobs.schedule("j", { every = "1h", end_date = v, misfire_grace_time = v }) end,
        function(v) jobs.schedule("j", { trigger = workdays(v) }) end,
        function(v) ctx:progress(v) end, function(v) ctx:retry("x", v) end, function(v) ctx:fail("x", v) end,
        function(v) if type(v) == "number" and not (v >= 0) then sleep(v) end end,
        function(v) if type(v) == "number" and not (v >= 0) then wait("e", v) end end,
        function(v) coroutine.wrap(error)(v) end, function(v) json.encode(v) end, function(v) json.decode(v) end,
        function(v) string.format("%d", v) end, function(v) table.unpack({}, v, v) end, function(v) select(v) end,
      }
      local count = 0
      for _, call in ipairs(calls) do
        for _, v in ipairs(values) do pcall(call, v) count = count + 1 end
      end
      return count
      """,
      fields: "timeout = '60s',")
    #expect(report.outcome == .succeeded, "\(String(describing: report.error))")
    #expect(report.result.flatMap(Int.init) ?? 0 > 1_000)
  }

  @Test("waits of a hundred years end with the run")
  func waits() throws {
    for wait in ["sleep(9.19e9)", "wait('never', 9.19e9)", "sleep('106751d')", "wait('never')"] {
      let report = try PoolFixture().run("return \(wait)", fields: "timeout = '20ms',")
      #expect(report.outcome == .timedOut, "\(wait)")
    }
  }

  @Test("retry delays of any size are kept or refused")
  func retries() throws {
    for value in Self.values where value != "true" {
      let report = try PoolFixture().run("return ctx:retry('x', \(value))", fields: "timeout = '10s',")
      if let delay = report.details?.retry?.delay { #expect(delay >= 0, "\(value)") }
      #expect(report.outcome == .failed)
    }
  }

  @Test("every field of a job", arguments: JobField.allCases)
  func fields(field: JobField) throws {
    let fixture = try LoadFixture()
    for value in Self.values {
      let name = field.rawValue
      let base = ["every", "run", "name"].contains(name) ? "" : "every = '1h', "
      _ = fixture.load(["a.lua": "job 'a' { \(base)\(name) = \(value), run = print }"])
      _ = fixture.load(["a.lua": "job 'a' { \(base)retry = { max = 1, base = \(value), cap = \(value) }, run = print }"]
      )
      guard name == "watch" || name == "rate" else { continue }
      for key in ["settle", "batch", "paths"] {
        _ = fixture.load(["a.lua": "job 'a' { watch = { paths = '/x', \(key) = \(value) }, run = print }"])
      }
      _ = fixture.load(["a.lua": "job 'a' { rate = tostring(\(value)) .. '/' .. tostring(\(value)), run = print }"])
    }
  }

  @Test("every setting, in the file, the environment and flags")
  func settings() throws {
    let loader = try ConfigurationLoader(
      runtime: LoadFixture.runtime.get(), zones: LoadFixture.zones, stores: LoadFixture.kinds,
      clock: LoadFixture.clock)
    let keys = [
      "timezone", "stores.default", "executors.default.workers", "executors.default", "http.listen", "grants.a.fs",
      "retention.runs", "retention.age", "retention.decisions", "retention.jobs.a.runs", "kept_states.count",
      "kept_states.bytes", "kept_states.memory", "groups.g.max", "groups.g.rate", "job_defaults.timeout",
      "job_defaults.memory", "job_defaults.jitter", "job_defaults.max_instances", "job_defaults.misfire_grace_time",
    ]
    for key in keys {
      for value in Self.values {
        let path = key.split(separator: ".").map(String.init)
        let opening = path.dropLast().map { "\($0) = { " }.joined()
        let text = "return { \(opening)\(path.last!) = \(value)\(String(repeating: " }", count: path.count))"
        let file = ScriptFile(.configuration, .configuration, .success(FileContent(Array(text.utf8))))
        _ = loader.load(file: file, settings: [])
        let plain = value.replacing("'", with: "")
        if let setting = ConfigurationSetting(flag: "\(key)=\(plain)") {
          _ = loader.load(file: nil, settings: [setting])
        }
      }
    }
  }

  @Test(
    "texts of random pieces: sizes, path patterns, settings, JSON, rates",
    arguments: [31, UInt64.random(in: 0...UInt64.max)]
  )
  func fuzz(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    let pieces = [
      "/", "*", "**", "{", "}", ",", "[", "]", "!", "?", "a", "..", ".", "~", "\\", " ", "1", "9999999999999999999",
      "-",
      "GB", "kib", "e", "\"", ":", "{}", "null", "true", "\\u", "\\ud800", "\u{0}", "é", "=", "__", "MOONDIAL_", "0/0",
      "1/1m", "executors", "workers", "\t", "\n", "1e309", "0.1",
    ]
    for _ in 0..<(Self.isLong ? 200_000 : 2_000) {
      let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in pieces.randomElement(using: &random)! }
        .joined()
      if let bytes = SizeText.parse(text) { #expect(SizeText.parse(SizeText.format(bytes)) == bytes) }
      if let patterns = try? PathPattern.parse(text, from: "/srv") {
        for pattern in patterns { _ = pattern.matches("/srv/a/b.csv") || pattern.leads(through: "/srv") }
      }
      _ = ConfigurationSetting(flag: text)
      _ = ConfigurationSetting.settings(inEnvironment: ["MOONDIAL_" + text: text])
      if let value = try? LuaValue(json: text) { _ = try? value.json() }
      var reading = FieldReading()
      _ = reading.rate("rate", .string(LuaString(text)))
      _ = reading.duration("timeout", .string(LuaString(text)), atLeast: 0)
      _ = reading.size("memory", .string(LuaString(text)), in: 0...(.max))
    }
  }
}
