internal import Synchronization

/// Counters and gauges that scripts set with `metric`, as a Prometheus text page.
///
/// Threading: everything may be called from any thread. Nothing is ever dropped: a process has at most 10,000 series,
/// and a script that puts a run's id into a label learns it from the error.
package final class MetricRegistry: Sendable {
  package enum Kind: String, Sendable { case counter, gauge }

  /// Series in all.
  package static let limit = 10_000

  private struct Family {
    var kind: Kind
    /// Values by their rendered labels: `{host="a"}` or nothing.
    var values: [String: Double] = [:]
  }
  private struct State {
    var families: [String: Family] = [:]
    var count = 0
  }
  private let state = Mutex(State())

  package init() {}

  /// Adds to a counter, which begins at 0. Refused for a wrong name, a gauge of that name, or when there are too many
  /// series.
  package func add(
    counter name: String, labels: [(key: String, value: String)] = [], by amount: Double = 1
  ) -> HostRefusal? {
    guard amount >= 0, amount.isFinite else { return HostRefusal("a counter only goes up: \(amount) is not an amount") }
    return change(name, .counter, labels) { $0 + amount }
  }

  /// Sets a gauge.
  package func set(gauge name: String, labels: [(key: String, value: String)] = [], to value: Double) -> HostRefusal? {
    change(name, .gauge, labels) { _ in value }
  }

  /// The page: families and series sorted, each family with its `# TYPE` line. O(n log n).
  package func prometheusText() -> String {
    let families = state.withLock { $0.families }
    var text = ""
    for (name, family) in families.sorted(by: { $0.key < $1.key }) {
      text += "# TYPE \(name) \(family.kind.rawValue)\n"
      for (labels, value) in family.values.sorted(by: { $0.key < $1.key }) {
        text += "\(name)\(labels) \(Self.number(value))\n"
      }
    }
    return text
  }

  /// The present value of a series, for tests and the dashboard.
  package func value(of name: String, labels: [(key: String, value: String)] = []) -> Double? {
    state.withLock { $0.families[name]?.values[Self.render(labels)] }
  }

  private func change(
    _ name: String, _ kind: Kind, _ labels: [(key: String, value: String)], _ edit: (Double) -> Double
  ) -> HostRefusal? {
    guard Self.isName(name) else {
      return HostRefusal("\"\(name)\" is no metric name: use letters, digits and _, not beginning with a digit")
    }
    for label in labels where !Self.isName(label.key) || label.key.contains(":") {
      return HostRefusal("\"\(label.key)\" is no label name: use letters, digits and _, not beginning with a digit")
    }
    let key = Self.render(labels)
    return state.withLock { state in
      var family = state.families[name] ?? Family(kind: kind)
      guard family.kind == kind else {
        return HostRefusal("\"\(name)\" is a \(family.kind.rawValue) already: give the \(kind.rawValue) another name")
      }
      if let value = family.values[key] {
        // In place, without copying the family.
        state.families[name]?.values[key] = edit(value)
        return nil
      }
      guard state.count < Self.limit else {
        return HostRefusal("there are \(Self.limit) series already: use labels with few different values")
      }
      family.values[key] = edit(0)
      state.families[name] = family
      state.count += 1
      return nil
    }
  }

  /// `[a-zA-Z_:][a-zA-Z0-9_:]*`
  private static func isName(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(48...57).contains(first), name.utf8.count <= 200 else { return false }
    return name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), 48...57: true
      case UInt8(ascii: "_"), UInt8(ascii: ":"): true
      default: false
      }
    }
  }

  private static func render(_ labels: [(key: String, value: String)]) -> String {
    guard !labels.isEmpty else { return "" }
    let pairs = labels.sorted { $0.key < $1.key }.map { label in
      var value = ""
      for scalar in label.value.unicodeScalars {
        switch scalar {
        case "\\": value += "\\\\"
        case "\"": value += "\\\""
        case "\n": value += "\\n"
        default: value.unicodeScalars.append(scalar)
        }
      }
      return "\(label.key)=\"\(value)\""
    }
    return "{" + pairs.joined(separator: ",") + "}"
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
  }
}
