internal import Hosting
internal import ScriptRuntime

/// A counter or gauge that a script keeps (`metric.counter`, `metric.gauge`), with its present value.
public struct Metric: Sendable, Hashable {
  /// What it is.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// Only goes up, from 0 at the start of the scheduler.
    case counter
    /// Goes up and down.
    case gauge
  }
  /// Path of the script that keeps it, relative to the scripts directory.
  public let script: String
  /// Its name: letters, digits, `_` and `:`.
  public let name: String
  /// Whether it only goes up.
  public let kind: Kind
  /// Its labels as Prometheus writes them, sorted: `host="a",zone="b"`; empty without labels.
  public let labels: String
  /// What the script set last; may be NaN or infinite.
  public let value: Double
}

extension Scheduler {
  /// What scripts count and measure, sorted by script, name and labels; nothing without scripts, before the start and
  /// after the end. Any thread; does not block.
  public func metrics() -> [Metric] {
    guard let assembly = try? assembly() else { return [] }
    return assembly.metrics.map { series in
      Metric(
        script: series.script, name: series.name, kind: series.kind == .counter ? .counter : .gauge,
        labels: series.labels, value: series.value)
    }
  }
}
