internal import JobModel
internal import Lua

/// One setting of `quotas`.
///
/// The decoder and the editor's types read this table, so a quota cannot be in one of them only.
struct QuotaSetting: Sendable {
  enum Kind: Sendable {
    case count(any WritableKeyPath<Quotas, Int> & Sendable, ClosedRange<Int>)
    case size(any WritableKeyPath<Quotas, Int> & Sendable, ClosedRange<Int>)
    /// `false` means any.
    case duration(any WritableKeyPath<Quotas, Int64?> & Sendable)
    /// Nanoseconds; there is no `false`.
    case span(any WritableKeyPath<Quotas, Int64> & Sendable, ClosedRange<Int64>)
  }

  let name: String
  let kind: Kind
  let summary: String

  static let all: [QuotaSetting] = [
    QuotaSetting(
      name: "schedules_per_job", kind: .count(\.schedulesPerJob, 1...10_000_000),
      summary: "Dynamic schedules that one job may have at a time."),
    QuotaSetting(
      name: "log_bytes_per_run", kind: .size(\.logBytesPerRun, 1_024...1 << 30), summary: "What one run may log."),
    QuotaSetting(
      name: "log_bytes_per_job", kind: .size(\.logBytesPerJob, 1_024...1 << 40),
      summary: "Log lines of one job that a store keeps; older ones make room."),
    QuotaSetting(
      name: "log_store_bytes", kind: .size(\.logStoreBytes, 1_024...1 << 50),
      summary: "Log lines that a store keeps; older ones make room."),
    QuotaSetting(
      name: "log_line_bytes", kind: .size(\.logLineBytes, 256...1 << 20),
      summary: "The message of a log line, and its fields; what is more is cut."),
    QuotaSetting(
      name: "kv_bytes_per_script", kind: .size(\.kvBytesPerScript, 1_024...1 << 40),
      summary: "Keys and values of one script in `kv`."),
    QuotaSetting(
      name: "kv_value_bytes", kind: .size(\.kvValueBytes, 1_024...64 << 20), summary: "A value in `kv`, as JSON."),
    QuotaSetting(
      name: "event_bytes", kind: .size(\.eventBytes, 1_024...64 << 20), summary: "Data of an event, as JSON."),
    QuotaSetting(
      name: "params_bytes", kind: .size(\.paramsBytes, 1_024...64 << 20),
      summary: "Parameters of a job, a run or a schedule, as JSON."),
    QuotaSetting(
      name: "result_bytes", kind: .size(\.resultBytes, 1_024...64 << 20), summary: "The result of `run`, as JSON."),
    QuotaSetting(
      name: "metric_series_per_script", kind: .count(\.metricSeriesPerScript, 1...1_000_000),
      summary: "Series of `metric` of one script."),
    QuotaSetting(
      name: "metric_label_bytes", kind: .size(\.metricLabelBytes, 1_024...1 << 30),
      summary: "Names and labels of one script's series, together."),
    QuotaSetting(
      name: "max_memory", kind: .size(\.maxMemory, 1 << 20...16 << 30),
      summary: "The largest `memory` that a script may ask for."),
    QuotaSetting(
      name: "max_timeout", kind: .duration(\.maxTimeout),
      summary: "The largest `timeout` that a script may ask for; false: any."),
    QuotaSetting(
      name: "load_timeout", kind: .span(\.loadTimeout, 100_000_000...3_600_000_000_000),
      summary: "What one script may take to load."),
    QuotaSetting(
      name: "jobs_per_script", kind: .count(\.jobsPerScript, 1...1_000_000), summary: "Calls of `job` of one script."),
    QuotaSetting(name: "jobs", kind: .count(\.jobs, 1...5_000_000), summary: "Jobs of all scripts together."),
    QuotaSetting(
      name: "trigger_parts_per_script", kind: .count(\.triggerPartsPerScript, 1...100_000_000),
      summary: "Parts of the trigger values that one script makes, and of those that its jobs use."),
    QuotaSetting(
      name: "declared_bytes_per_script", kind: .size(\.declaredBytesPerScript, 1_024...1 << 30),
      summary: "Tables and values that one script hands to `job`, `job_defaults` and trigger constructors."),
  ]
}

extension ConfigurationDecoder {
  /// `quotas = { schedules_per_job = 1000, kv_bytes_per_script = "10MB", max_timeout = "1h" }`
  mutating func decodeQuotas(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    var quotas = Quotas()
    for (key, value) in fields(["quotas"], value, like: "{ schedules_per_job = 1000, max_memory = \"256MB\" }") {
      let path = ["quotas", key]
      guard let setting = QuotaSetting.all.first(where: { $0.name == key }) else { continue }
      switch setting.kind {
      case .count(let field, let range):
        if let count = read(path, { $0.integer($1, value, in: range) }) { quotas[keyPath: field] = count }
      case .size(let field, let range):
        if let bytes = read(path, { $0.size($1, value, in: range) }) { quotas[keyPath: field] = bytes }
      case .span(let field, let range):
        if let span = read(path, { $0.duration($1, value, in: range) }) { quotas[keyPath: field] = span }
      case .duration(let field):
        if let span = read(path, { $0.optionalDuration($1, value, atLeast: 1_000_000) }) {
          quotas[keyPath: field] = span
        }
      }
    }
    configuration.quotas = quotas
  }
}
