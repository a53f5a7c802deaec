import JobModel
import MemoryStore
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite("What a script may take", .onBothExecutors)
struct ModulesQuotaTests {
  private func fixture(_ edit: (inout Quotas) -> Void) throws -> PoolFixture {
    var quotas = Quotas()
    edit(&quotas)
    let set = quotas
    return try PoolFixture { $0.quotas = { set } }
  }

  // MARK: Metrics

  @Test("a script that has filled its series, or has taken a name, is in no other script's way")
  func scriptsApart() throws {
    let fixture = try fixture { $0.metricSeriesPerScript = 10 }
    let greedy = try fixture.load(
      """
      job "greedy" { run = function()
        metric.gauge("orders_total", 7)
        local done, why = 0
        for i = 1, 100 do
          local ok, err = metric.counter("series", 1, { i = i })
          if ok then done = done + 1 else why = err end
        end
        return done .. ": " .. why
      end }
      """, path: "greedy.lua")[0]
    let first = fixture.run(greedy)
    #expect(first.outcome == .succeeded)
    #expect(first.result?.contains("9: the script has 10 series, as many as it may have") == true)
    #expect(first.result?.contains("quotas.metric_series_per_script") == true)
    #expect(fixture.log.messages.filter { $0.contains("said once") }.count == 1)
    let other = try fixture.load(
      "job \"other\" { run = function() return { metric.counter(\"orders_total\"), metric.counter(\"series\") } end }",
      path: "other.lua")[0]
    #expect(fixture.run(other).result == "[true,true]")
    let page = fixture.host.services.metrics.prometheusText()
    #expect(page.contains("# TYPE orders_total untyped\n"))
    #expect(page.contains("orders_total{script=\"greedy.lua\"} 7\n"))
    #expect(page.contains("orders_total{script=\"other.lua\"} 1\n"))
  }

  @Test("one script's name of two kinds, and labels of megabytes: nil and why, never an error")
  func neverFails() throws {
    let fixture = try fixture { $0.metricLabelBytes = 2_000 }
    let report = try fixture.run(
      """
      metric.gauge('a', 1)
      local ok, kind = metric.counter('a')
      local ok2, bytes = metric.counter('b', 1, { text = string.rep('x', 5000) })
      return { ok == nil and kind, ok2 == nil and bytes }
      """)
    #expect(report.outcome == .succeeded)
    #expect(report.result?.contains("is a gauge of this script already") == true)
    #expect(report.result?.contains("more than the 2000 that it may have") == true)
  }

  @Test("series of scripts that are gone are dropped, and their last runs bring them back no more")
  func gone() throws {
    let metrics = MetricRegistry()
    for number in 0..<1_000 {
      let own = "s\(number).lua"
      metrics.keep(scripts: [own, "stays.lua"])
      #expect(metrics.add(counter: "c", of: own) == nil)
      #expect(metrics.add(counter: "c", of: "stays.lua") == nil)
      #expect(metrics.add(counter: "late", of: "s\(number - 1).lua") == nil)
      #expect(metrics.count <= 3)
    }
    #expect(metrics.value(of: "c", in: "stays.lua") == 1_000)
    #expect(metrics.value(of: "c", in: "s3.lua") == nil && metrics.value(of: "late", in: "s3.lua") == nil)
  }

  // MARK: Sizes

  @Test(
    "what is too large is an error that says the limit, its setting and what to do",
    arguments: [
      ("emit('e', string.rep('x', 3000))", "the data: it has 3002 bytes as JSON, more than the 2000", "event_bytes"),
      ("jobs.run('a', { p = string.rep('x', 3000) })", "more than the 2000 that are allowed", "params_bytes"),
      (
        "jobs.schedule('a', { every = '1m', params = { p = string.rep('x', 3000) } })", "params: it has", "params_bytes"
      ),
      ("kv.set('k', string.rep('x', 3000))", "the value: it has 3002 bytes", "kv_value_bytes"),
    ])
  func tooLarge(body: String, message: String, setting: String) throws {
    let fixture = try fixture {
      $0.eventBytes = 2_000
      $0.paramsBytes = 2_000
      $0.kvValueBytes = 2_000
    }
    let report = try fixture.run(body)
    #expect(report.outcome == .failed)
    #expect(report.error?.message.contains(message) == true, "\(report.error?.message ?? "")")
    #expect(report.error?.message.contains("(quotas.\(setting) in moondial.lua)") == true)
  }

  @Test("a kv that is full is an error with the figure, and what is there stays readable")
  func fullSpace() throws {
    let store = MemoryStore()
    var quotas = Quotas()
    quotas.kvBytesPerScript = 5_000
    let set = quotas
    let fixture = try PoolFixture {
      $0.quotas = { set }
      $0.keyValues = { _ in store.keyValues }
    }
    let report = try fixture.run(
      """
      for i = 1, 4 do kv.set('k' .. i, string.rep('x', 1000)) end
      local ok, why = pcall(kv.set, 'k5', string.rep('x', 2000))
      kv.delete('k1')
      kv.set('k6', string.rep('x', 1000))
      return { ok, why, #kv.get('k2') }
      """)
    #expect(report.outcome == .succeeded, "\(report.error?.message ?? "")")
    #expect(report.result?.contains("test.lua would have 6020 bytes of keys and values, more than the 5000") == true)
    #expect(report.result?.hasPrefix("[false,") == true && report.result?.hasSuffix(",1000]") == true)
  }

  @Test("long lines and fields are cut where one sees it, and a result that is too large is not kept")
  func cut() throws {
    let fixture = try fixture {
      $0.logLineBytes = 1_000
      $0.resultBytes = 2_000
    }
    let report = try fixture.run(
      """
      log.info(string.rep('é', 10000), { f = string.rep('x', 5000) })
      return string.rep('x', 3000)
      """)
    #expect(report.outcome == .succeeded && report.result == nil)
    let line = fixture.log.all[0]
    #expect(line.message.hasSuffix("é… (cut: 20000 bytes, 1000 are kept)"))
    #expect(line.fields?.text == "{\"cut\":\"5008 bytes of fields, 1000 are kept\"}")
    #expect(fixture.log.messages[1].contains("the result of run is not kept: it has 3002 bytes as JSON"))
    #expect(fixture.log.messages[1].contains("quotas.result_bytes"))
  }

  @Test("an error's message, file and data are cut to what the history keeps")
  func errors() throws {
    let report = try PoolFixture().run(
      "error({ message = string.rep('m', 100000), file = string.rep('f', 100000), data = string.rep('d', 100000) })")
    let error = try #require(report.error)
    #expect(error.message.hasSuffix("(cut: 100000 bytes, 4096 are kept)") && error.message.utf8.count < 4_200)
    #expect(error.file?.utf8.count ?? 0 < 1_100)
    #expect(error.data == "{\"cut\":\"100002 bytes of data, 65536 are kept\"}")
  }

  @Test("a run logs as much as its quota says")
  func logQuota() throws {
    let fixture = try fixture { $0.logBytesPerRun = 10_000 }
    _ = try fixture.run("for i = 1, 100 do log.info(string.rep('x', 1000)) end")
    #expect(fixture.log.messages.count == 11)
    #expect(fixture.log.messages[10].contains("quotas.log_bytes_per_run"))
  }
}
