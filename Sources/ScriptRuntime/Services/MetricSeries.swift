package import Chronology
package import JobModel
internal import Lua

/// One series of `metric`: what a script counts or measures, with its value.
package struct MetricSeries: Sendable, Equatable {
  /// Path of the script that has it.
  package var script: String
  package var name: String
  package var kind: MetricRegistry.Kind
  /// As Prometheus writes them: `host="a",zone="b"`, sorted; empty without labels.
  package var labels: String
  package var value: Double

  package init(script: String, name: String, kind: MetricRegistry.Kind, labels: String = "", value: Double) {
    self.script = script
    self.name = name
    self.kind = kind
    self.labels = labels
    self.value = value
  }

  /// `rows{host="a"}`
  package var title: String { labels.isEmpty ? name : "\(name){\(labels)}" }
  /// The value as Prometheus writes it.
  package var valueText: String { MetricRegistry.number(value) }
}

/// The series of one script as a store keeps them.
package struct StoredMetrics: Sendable, Equatable {
  /// Space of the durable values that scripts cannot reach: the name of none ends without `.lua`.
  package static let space = "moondial:metrics"

  package var script: String
  package var at: Instant
  package var series: [MetricSeries]

  package init(script: String, at: Instant, series: [MetricSeries]) {
    self.script = script
    self.at = at
    self.series = series
  }

  package var json: JSONText {
    let series = series.map { series -> LuaValue in
      .table(
        LuaTable(fields: [
          ("name", .string(LuaString(series.name))), ("kind", .string(LuaString(series.kind.rawValue))),
          ("labels", .string(LuaString(series.labels))),
          // Text, because JSON has no NaN.
          ("value", .string(LuaString(series.valueText))),
        ]))
    }
    let table = LuaTable(fields: [("at", .integer(at.nanoseconds)), ("series", .table(LuaTable(array: series)))])
    // Names and labels are text, and nothing in it is deep.
    return JSONText((try? LuaValue.table(table).json()) ?? "{}")
  }

  /// nil: nobody but a host writes there, and this is not what a host writes.
  package init?(script: String, json: JSONText) {
    guard case .table(let table)? = LuaValue(json: json), case .integer(let at)? = table["at"],
      case .table(let list)? = table["series"]
    else { return nil }
    self.init(script: script, at: Instant(nanoseconds: at), series: [])
    for case .table(let fields) in list.array {
      guard let name = fields["name"]?.text, let labels = fields["labels"]?.text,
        let kind = fields["kind"]?.text.flatMap(MetricRegistry.Kind.init),
        let value = fields["value"]?.text.flatMap({ Double($0) })
      else { return nil }
      series.append(MetricSeries(script: script, name: name, kind: kind, labels: labels, value: value))
    }
  }
}
