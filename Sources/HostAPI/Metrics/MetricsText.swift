/// A page in the Prometheus text format 0.0.4, family by family.
///
///     var page = MetricsText()
///     page.family("moondial_fires_total", .counter, "Runs that fell due.") { $0.add(12) }
///
/// Source: "Exposition formats" of the Prometheus documentation. `promtool check metrics` accepts what it makes.
package struct MetricsText {
  package enum Kind: String, Sendable { case counter, gauge, histogram, untyped }

  package private(set) var text = ""

  package init() {}

  /// One family with its series.
  package mutating func family(_ name: String, _ kind: Kind, _ help: String, _ body: (inout Family) -> Void) {
    var family = Family(name: name)
    body(&family)
    guard !family.text.isEmpty else { return }
    text +=
      "# HELP \(name) \(MetricsText.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n" + family.text
  }

  package struct Family {
    fileprivate let name: String
    fileprivate var text = ""

    package mutating func add(_ value: some BinaryInteger, _ labels: (String, String)...) {
      add(Double(value), rendered: MetricsText.labels(labels))
    }

    package mutating func add(_ value: Double, _ labels: (String, String)...) {
      add(value, rendered: MetricsText.labels(labels))
    }

    /// - Parameter rendered: labels as the format has them, without braces.
    package mutating func add(_ value: Double, suffix: String = "", rendered: String) {
      text += name + suffix + (rendered.isEmpty ? "" : "{\(rendered)}") + " \(MetricsText.number(value))\n"
    }

    /// Counts by size: `counts[i]` of at most `bounds[i]` and above the bound before.
    package mutating func add(
      bounds: [Double], counts: [Int], count: Int, sum: Double, _ labels: (String, String)...
    ) {
      let own = MetricsText.labels(labels)
      var below = 0
      for (bound, count) in zip(bounds, counts) {
        below += count
        let bucket = "le=\"\(MetricsText.number(bound))\""
        add(Double(below), suffix: "_bucket", rendered: own.isEmpty ? bucket : "\(own),\(bucket)")
      }
      add(Double(count), suffix: "_bucket", rendered: own.isEmpty ? "le=\"+Inf\"" : "\(own),le=\"+Inf\"")
      add(sum, suffix: "_sum", rendered: own)
      add(Double(count), suffix: "_count", rendered: own)
    }
  }

  private static func labels(_ labels: [(String, String)]) -> String {
    labels.map { "\($0)=\"\(escaped($1, quotes: true))\"" }.joined(separator: ",")
  }

  static func escaped(_ text: String, quotes: Bool) -> String {
    guard text.utf8.contains(where: { $0 == 0x5C || $0 == 0x22 || $0 == 0x0A }) else { return text }
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\"" where quotes: escaped += "\\\""
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }

  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
  }
}
