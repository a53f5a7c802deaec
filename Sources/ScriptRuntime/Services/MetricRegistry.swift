package import JobModel
internal import Synchronization

/// Counters and gauges that scripts set with `metric`, as a Prometheus text page.
///
/// Each script has series of its own, up to a quota: no script can take a name, or room, that another one needs. On the
/// page every series carries its script as the label `script`. The series of a script that is gone are dropped.
///
/// Threading: everything may be called from any thread.
package final class MetricRegistry: Sendable {
  package enum Kind: String, Sendable { case counter, gauge }

  /// Why a series was not changed.
  package enum Refusal: Error, Sendable, Equatable {
    /// The arguments cannot be meant, whatever else there is.
    case misuse(String)
    /// The arguments are fine; the script's quota is used up, or its own name has another kind.
    case full(String, isFirst: Bool)

    package var message: String {
      switch self {
      case .misuse(let message), .full(let message, _): message
      }
    }
  }

  private struct Family {
    var kind: Kind
    /// Values by their rendered labels: `host="a"` or nothing.
    var values: [String: Double] = [:]
  }
  /// What one script has.
  private struct Series {
    var families: [String: Family] = [:]
    var count = 0
    /// Bytes of names and labels.
    var bytes = 0
    /// A refusal was told: the next ones need no line in the log.
    var hasRefused = false
  }
  private struct State {
    var scripts: [String: Series] = [:]
    /// The scripts that are loaded; nil: nobody has said.
    var loaded: Set<String>?
    /// Scripts whose series have changed since somebody took the changes.
    var changed: Set<String> = []
    var watch: (@Sendable () -> Void)?

    /// Whom to tell of it.
    mutating func note(_ script: String) -> (@Sendable () -> Void)? {
      let isFirst = changed.isEmpty
      changed.insert(script)
      return isFirst ? watch : nil
    }
  }
  private let state = Mutex(State())
  private let elsewhere: (@Sendable (Change) -> Refusal?)?

  /// One change of a series.
  package struct Change: Sendable {
    package var kind: Kind
    package var name: String
    package var labels: [(key: String, value: String)]
    package var value: Double
    package init(kind: Kind, name: String, labels: [(key: String, value: String)], value: Double) {
      self.kind = kind
      self.name = name
      self.labels = labels
      self.value = value
    }
  }

  package init() { elsewhere = nil }

  /// One that keeps nothing: each change is told to `elsewhere`, which may block.
  package init(asking elsewhere: @escaping @Sendable (Change) -> Refusal?) { self.elsewhere = elsewhere }

  /// Makes a change of `script`.
  package func apply(_ change: Change, of script: String, quotas: Quotas) -> Refusal? {
    switch change.kind {
    case .counter: add(counter: change.name, labels: change.labels, by: change.value, of: script, quotas: quotas)
    case .gauge: set(gauge: change.name, labels: change.labels, to: change.value, of: script, quotas: quotas)
    }
  }

  /// Adds to a counter, which begins at 0.
  package func add(
    counter name: String, labels: [(key: String, value: String)] = [], by amount: Double = 1, of script: String,
    quotas: Quotas = Quotas()
  ) -> Refusal? {
    guard amount >= 0, amount.isFinite else {
      return .misuse("a counter only goes up: \(amount) is not an amount")
    }
    if let elsewhere { return elsewhere(Change(kind: .counter, name: name, labels: labels, value: amount)) }
    return change(name, .counter, labels, script, quotas) { $0 + amount }
  }

  /// Sets a gauge.
  package func set(
    gauge name: String, labels: [(key: String, value: String)] = [], to value: Double, of script: String,
    quotas: Quotas = Quotas()
  ) -> Refusal? {
    if let elsewhere { return elsewhere(Change(kind: .gauge, name: name, labels: labels, value: value)) }
    return change(name, .gauge, labels, script, quotas) { _ in value }
  }

  /// From now on these scripts are loaded: what others had is dropped, and what their last runs still set is not kept.
  package func keep(scripts: Set<String>) {
    let tell = state.withLock { state in
      state.loaded = scripts
      var tell: (@Sendable () -> Void)?
      for gone in state.scripts.keys where !scripts.contains(gone) {
        state.scripts[gone] = nil
        tell = state.note(gone) ?? tell
      }
      // A save is a new beginning: what is refused then is told once more.
      for script in state.scripts.keys { state.scripts[script]?.hasRefused = false }
      return tell
    }
    tell?()
  }

  /// From now on `watch` is told of the first change after each ``takeChanged()``, on the thread that made it.
  package func watch(_ watch: @escaping @Sendable () -> Void) { state.withLock { $0.watch = watch } }

  /// The series of the scripts in which something has changed since the last call; nil for a script that is gone.
  package func takeChanged() -> [(script: String, series: [MetricSeries]?)] {
    let (changed, scripts) = state.withLock { state in
      defer { state.changed = [] }
      return (state.changed, state.scripts)
    }
    return changed.sorted().map { script in (script, scripts[script].map { Self.series(of: script, $0) }) }
  }

  /// All series, sorted by script, name and labels.
  package var all: [MetricSeries] {
    state.withLock { $0.scripts }.sorted { $0.key < $1.key }.flatMap { Self.series(of: $0.key, $0.value) }
  }

  private static func series(of script: String, _ series: Series) -> [MetricSeries] {
    series.families.sorted { $0.key < $1.key }.flatMap { name, family in
      family.values.sorted { $0.key < $1.key }.map { labels, value in
        MetricSeries(script: script, name: name, kind: family.kind, labels: labels, value: value)
      }
    }
  }

  /// The page: families and series sorted, each family with its `# TYPE` line; `untyped` where scripts disagree.
  /// O(n log n).
  package func prometheusText() -> String {
    let scripts = state.withLock { $0.scripts }
    var kinds: [String: Set<Kind>] = [:]
    var lines: [String: [String]] = [:]
    for (script, series) in scripts {
      let own = "script=\"\(Self.escaped(script))\""
      for (name, family) in series.families {
        kinds[name, default: []].insert(family.kind)
        lines[name, default: []] += family.values.map { labels, value in
          "\(name){\(labels.isEmpty ? own : "\(own),\(labels)")} \(Self.number(value))\n"
        }
      }
    }
    var text = ""
    for (name, series) in lines.sorted(by: { $0.key < $1.key }) {
      let kind = kinds[name]?.count == 1 ? kinds[name]!.first!.rawValue : "untyped"
      text += "# TYPE \(name) \(kind)\n" + series.sorted().joined()
    }
    return text
  }

  /// The present value of a script's series, for tests and the dashboard.
  package func value(of name: String, labels: [(key: String, value: String)] = [], in script: String) -> Double? {
    state.withLock { $0.scripts[script]?.families[name]?.values[Self.render(labels)] }
  }

  /// Series in all.
  package var count: Int { state.withLock { $0.scripts.values.reduce(0) { $0 + $1.count } } }

  private func change(
    _ name: String, _ kind: Kind, _ labels: [(key: String, value: String)], _ script: String, _ quotas: Quotas,
    _ edit: (Double) -> Double
  ) -> Refusal? {
    guard Self.isName(name) else {
      return .misuse(
        "\"\(name.cut(toBytes: 100))\" is no metric name: use letters, digits and _, not beginning with a digit")
    }
    for label in labels where !Self.isName(label.key) || label.key.contains(":") {
      return .misuse(
        "\"\(label.key.cut(toBytes: 100))\" is no label name: use letters, digits and _, not beginning with a digit")
    }
    let key = Self.render(labels)
    let (refusal, tell) = state.withLock { state -> (Refusal?, (@Sendable () -> Void)?) in
      if let loaded = state.loaded, !loaded.contains(script) { return (nil, nil) }
      let refusal = Self.change(&state.scripts[script, default: Series()], name, kind, key, quotas, edit)
      return (refusal, refusal == nil ? state.note(script) : nil)
    }
    tell?()
    return refusal
  }

  private static func change(
    _ series: inout Series, _ name: String, _ kind: Kind, _ key: String, _ quotas: Quotas, _ edit: (Double) -> Double
  ) -> Refusal? {
    func refuse(_ message: String) -> Refusal {
      defer { series.hasRefused = true }
      return .full(message, isFirst: !series.hasRefused)
    }
    if let known = series.families[name], known.kind != kind {
      return refuse(
        "\"\(name)\" is a \(known.kind.rawValue) of this script already: give the \(kind.rawValue) another name")
    }
    if let value = series.families[name]?.values[key] {
      series.families[name]?.values[key] = edit(value)
      return nil
    }
    guard series.count < quotas.metricSeriesPerScript else {
      return refuse(
        Quotas.message(
          "the script has \(series.count) series, as many as it may have: use labels with few different values",
          "metric_series_per_script"))
    }
    let bytes = name.utf8.count + key.utf8.count
    guard series.bytes + bytes <= quotas.metricLabelBytes else {
      return refuse(
        Quotas.message(
          "the names and labels of the script's series would have \(series.bytes + bytes) bytes, more than the "
            + "\(quotas.metricLabelBytes) that it may have: use shorter labels", "metric_label_bytes"))
    }
    series.families[name, default: Family(kind: kind)].values[key] = edit(0)
    series.count += 1
    series.bytes += bytes
    return nil
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

  /// `a="1",b="2"`. The label `script` is the page's own: a script's is called `exported_script`, as Prometheus does.
  private static func render(_ labels: [(key: String, value: String)]) -> String {
    let named = labels.map { (key: $0.key == "script" ? "exported_script" : $0.key, value: $0.value) }
    return named.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escaped($0.value))\"" }.joined(separator: ",")
  }

  private static func escaped(_ text: String) -> String {
    var value = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": value += "\\\\"
      case "\"": value += "\\\""
      case "\n": value += "\\n"
      default: value.unicodeScalars.append(scalar)
      }
    }
    return value
  }

  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
  }
}
