internal import Chronology
internal import Executors
internal import JobModel
internal import Lua

/// From how Lua ended to what the history says.
enum Ending {
  /// `run` returned. Its first result is kept as JSON; one that cannot be is dropped with a line in the log.
  static func succeeded(_ instance: JobInstance, resultLimit: Int) -> RunEnding {
    let peak = instance.state.peakBytes
    let value: LuaValue
    do {
      value = try instance.state.result(limits: LuaLimits(forJSONOf: resultLimit))
    } catch {
      instance.context.note(.warn, "the result of run is not kept: \(error.message)")
      return RunEnding(.succeeded, memoryPeakBytes: peak)
    }
    if value == .nil { return RunEnding(.succeeded, memoryPeakBytes: peak) }
    switch JSONText.encoding(value, limit: resultLimit) {
    case .success(let text):
      return RunEnding(.succeeded, memoryPeakBytes: peak, details: AttemptDetails(result: text))
    case .failure(let refusal):
      instance.context.note(.warn, "the result of run is not kept: \(refusal.message)")
      return RunEnding(.succeeded, memoryPeakBytes: peak)
    }
  }

  /// `run` raised an error, or asked for another attempt.
  static func failed(_ instance: JobInstance, _ error: LuaError) -> RunEnding {
    var runError = RunError(error)
    var retry: RetryRequest?
    if case .table(let fields)? = error.value {
      // `ctx:fail` and `ctx:retry` raise such tables; a script may do so itself.
      if case .string(let message)? = fields["message"] { runError.message = message.text }
      if case .string(let file)? = fields["file"] { runError.file = file.text }
      if case .integer(let line)? = fields["line"] { runError.line = Int(clamping: line) }
      if let data = fields["data"], case .success(let text) = JSONText.encoding(data, limit: 1 << 20) {
        runError.data = text.text
      }
      if fields["retry"] == .bool(true) { retry = instance.context.retry }
    }
    return RunEnding(
      error.kind == .memory ? .outOfMemory : .failed, memoryPeakBytes: instance.state.peakBytes,
      details: AttemptDetails(error: runError, retry: retry))
  }

  /// It was stopped from outside.
  static func stopped(_ outcome: Outcome, at location: LuaLocation?, _ instance: JobInstance) -> RunEnding {
    let definition = instance.context.definition
    let message =
      switch outcome {
      case .timedOut:
        "the run took longer than its timeout of "
          + (definition.timeout.map { DurationText.format(nanoseconds: $0) } ?? "0s")
      case .outOfMemory where instance.isExhausted:
        "what its calls were to bring does not fit beside the job's Lua state under its memory limit of "
          + byteText(instance.state.memoryLimit)
      case .outOfMemory:
        "the job's Lua state grew beyond its memory limit of "
          + byteText(instance.state.memoryLimit)
      case .interrupted: "the host stopped while the run was going on"
      default: "the run was cancelled"
      }
    let place = location.map { "\($0): " } ?? ""
    return RunEnding(
      outcome, memoryPeakBytes: instance.state.peakBytes,
      details: AttemptDetails(
        error: RunError(message: place + message, file: location?.file, line: location?.line)))
  }

  private static func byteText(_ bytes: Int) -> String {
    bytes % (1 << 20) == 0 ? "\(bytes >> 20)MB" : bytes % 1024 == 0 ? "\(bytes >> 10)KB" : "\(bytes) bytes"
  }
}

extension RunError {
  /// A Lua error as the history keeps it.
  init(_ error: LuaError) {
    self.init(message: error.message, file: error.file, line: error.line, traceback: error.traceback)
  }

  /// What `on_error` gets as its second argument.
  func luaValue(_ outcome: Outcome) -> LuaValue {
    var fields: [(key: String, value: LuaValue)] = [("message", .string(LuaString(message)))]
    if let file { fields.append(("file", .string(LuaString(file)))) }
    if let line { fields.append(("line", .integer(Int64(line)))) }
    if let traceback { fields.append(("traceback", .string(LuaString(traceback)))) }
    if let data, let value = LuaValue(json: JSONText(data)) { fields.append(("data", value)) }
    fields.append(("outcome", .string(LuaString(outcome.rawValue))))
    return .table(LuaTable(fields: fields))
  }
}
