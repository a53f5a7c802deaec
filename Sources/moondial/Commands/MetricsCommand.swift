import Basics
import ArgumentParser
import Chronology
import Executors
import Hosting
import JobModel
import ScriptRuntime

struct MetricsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics",
    abstract: "What scripts count and measure (metric.counter, metric.gauge), whether a host is up or not.",
    discussion: """
      Example:
        moondial metrics
      A running host writes changed values every five seconds. Counters begin at 0 when a host starts.
      """)

  @OptionGroup var options: StoreOptions
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    let stores = try options.open()
    let now = SystemWallClock().now
    let kept = try stores.members.flatMap { try metrics(in: $0.store.keyValues, at: now) }
    if json { return Terminal.json(JSONObject.array(kept.flatMap { documents($0, in: stores.zone) })) }
    var table = TextTable(["METRIC", "KIND", "VALUE", "SCRIPT", "CHANGED"])
    for script in kept {
      for series in script.series {
        table.add([
          series.title, series.kind.rawValue, series.valueText, script.script,
          TimeFormat.time(script.at, in: stores.zone),
        ])
      }
    }
    if kept.allSatisfy(\.series.isEmpty) { return Terminal.line("no script has counted or measured anything") }
    for line in table.lines { Terminal.line(line) }
  }

  private func metrics(in values: any KeyValueStore, at now: Instant) throws -> [StoredMetrics] {
    let scripts = try answer {
      values.keys(prefix: "", in: StoredMetrics.space, limit: 100_000, at: now, completion: $0)
    }
    return try scripts.compactMap { script in
      try answer { values.value(of: script, in: StoredMetrics.space, at: now, completion: $0) }
        .flatMap { StoredMetrics(script: script, json: $0.value) }
    }
  }

  private func documents(_ stored: StoredMetrics, in zone: TimeZoneRules) -> [String] {
    stored.series.map { series in
      var document = JSONObject()
      document.set("name", series.name)
      document.set("kind", series.kind.rawValue)
      document.set("labels", series.labels)
      if series.value.isFinite { document.set("value", series.value) } else { document.set("value", series.valueText) }
      document.set("script", stored.script)
      document.set("changed_at", ISO8601.format(stored.at, in: zone))
      return document.json
    }
  }

  /// Waits for an answer of the store.
  private func answer<Value: Sendable>(
    _ ask: (@escaping @Sendable (Result<Value, StoreError>) -> Void) -> Void
  ) throws -> Value {
    let answer = Monitor<Result<Value, StoreError>?>(nil)
    ask { result in
      answer.withLock { $0 = result }
      answer.broadcast()
    }
    do { return try answer.wait { $0 }!.get() } catch { throw CommandFailure("\(error)") }
  }
}
