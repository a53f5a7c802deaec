internal import Chronology
internal import Executors
package import JobModel
package import Lua

/// From how Lua ended to what the history says.
enum LuaAttempt {
  /// `run` returned. Its first result is kept as JSON; one that cannot be is dropped with a line in the log.
  static func succeeded(_ instance: JobInstance, resultLimit: Int) -> AttemptResult {
    let peak = instance.state.peakBytes
    if let reason = instance.state.refusal() { return refused(instance, reason) }
    let value: LuaValue
    do {
      value = try instance.state.result(limits: LuaLimits(forJSONOf: resultLimit))
    } catch {
      instance.context.note(.warn, "the result of run is not kept: \(error.message)")
      return AttemptResult(.succeeded, memoryPeakBytes: peak)
    }
    if value == .nil { return AttemptResult(.succeeded, memoryPeakBytes: peak) }
    switch JSONText.encoding(instance.mask.masked(value), limit: resultLimit, setting: "result_bytes") {
    case .success(let text):
      return AttemptResult(.succeeded, memoryPeakBytes: peak, details: AttemptDetails(result: text))
    case .failure(let refusal):
      instance.context.note(.warn, "the result of run is not kept: \(refusal.message)")
      return AttemptResult(.succeeded, memoryPeakBytes: peak)
    }
  }

  /// `run` returned nil and a reason, as host functions do: it did not do what it was to do. A string is the message,
  /// anything else is kept as data.
  private static func refused(_ instance: JobInstance, _ reason: LuaValue) -> AttemptResult {
    let source = instance.context.definition.source
    var error = RunError(message: "run returned nil", file: source.file, line: source.line > 0 ? source.line : nil)
    switch reason {
    case .string(let text): error.message = text.text
    case .table(let fields):
      read(fields, instance.mask, into: &error)
    default:
      if case .success(let json) = JSONText.encoding(instance.mask.masked(reason), limit: Quotas.errorDataBytes) {
        error.message = "run returned nil and \(json.text)"
      }
    }
    error.hide(instance.mask)
    error.cut()
    return AttemptResult(.failed, memoryPeakBytes: instance.state.peakBytes, details: AttemptDetails(error: error))
  }

  /// What a table that was thrown tells. Its `data`, or the whole of it where it has more than a message and a place.
  private static func read(_ fields: LuaTable, _ mask: SecretMask, into error: inout RunError) {
    if case .string(let message)? = fields["message"] { error.message = message.text }
    if case .string(let file)? = fields["file"] { error.file = file.text }
    if case .integer(let line)? = fields["line"] { error.line = Int(clamping: line) }
    let plain: Set<String> = ["message", "file", "line", "retry", "data"]
    let hasMore = !fields.array.isEmpty || !fields.fields.allSatisfy { plain.contains($0.key) }
    guard hasMore || fields["data"] != nil else { return }
    let data = fields["data"] ?? .table(fields)
    guard case .success(let text) = JSONText.encoding(mask.masked(data), limit: .max) else { return }
    let size = text.text.utf8.count
    error.data =
      size <= Quotas.errorDataBytes
      ? text.text : "{\"cut\":\"\(size) bytes of data, \(Quotas.errorDataBytes) are kept\"}"
  }

  /// `run` raised an error, or asked for another attempt.
  static func failed(_ instance: JobInstance, _ error: LuaError) -> AttemptResult {
    var runError = RunError(error)
    var retry: RetryRequest?
    if case .table(let fields)? = error.value {
      // `ctx:fail` and `ctx:retry` raise such tables; a script may do so itself.
      read(fields, instance.mask, into: &runError)
      if fields["retry"] == .bool(true) { retry = instance.context.retry }
    }
    runError.hide(instance.mask)
    runError.cut()
    return AttemptResult(
      error.kind == .memory ? .outOfMemory : .failed, memoryPeakBytes: instance.state.peakBytes,
      details: AttemptDetails(
        error: runError, retry: retry, isFinal: Grants.isRefusal(runError.message, to: instance.context.script)))
  }

  /// It was cancelled, and came to an end by itself: with an error of its own, or by returning.
  static func endedItself(_ instance: JobInstance, _ error: LuaError? = nil) -> AttemptResult {
    var shown = error.map { RunError($0) } ?? RunError(message: "the run was cancelled, and ended by itself")
    if case .table(let fields)? = error?.value { read(fields, instance.mask, into: &shown) }
    shown.hide(instance.mask)
    shown.cut()
    return AttemptResult(
      .cancelled, memoryPeakBytes: instance.state.peakBytes, details: AttemptDetails(error: shown))
  }

  /// It was stopped from outside.
  static func stopped(
    _ outcome: Outcome, at location: LuaLocation?, _ instance: JobInstance, depth: Int = 0
  ) -> AttemptResult {
    let definition = instance.context.definition
    let message =
      switch outcome {
      case .timedOut where definition.timeout == nil:
        "the run was busy for too long without waiting for anything: is there a loop without an end?"
      case .timedOut:
        "the run took longer than its timeout of "
          + (definition.timeout.map { DurationText.format(nanoseconds: $0) } ?? "0s")
      case .outOfMemory where instance.isExhausted:
        "what its calls were to bring does not fit beside the job's Lua state under its memory limit of "
          + byteText(instance.state.memoryLimit)
      case .outOfMemory:
        "the job's Lua state grew beyond its memory limit of "
          + byteText(instance.state.memoryLimit)
          + (depth > 0 ? ", with more than \(depth) calls in each other: is there a recursion without an end?" : "")
      case .interrupted: "the host stopped while the run was going on"
      default: "the run was cancelled"
      }
    let place = location.map { "\($0): " } ?? ""
    return AttemptResult(
      outcome, memoryPeakBytes: instance.state.peakBytes,
      details: AttemptDetails(
        error: RunError(message: place + message, file: location?.file, line: location?.line)))
  }

  private static func byteText(_ bytes: Int) -> String {
    bytes % (1 << 20) == 0 ? "\(bytes >> 20)MB" : bytes % 1024 == 0 ? "\(bytes >> 10)KB" : "\(bytes) bytes"
  }
}

extension JobInstance {
  /// What hides the values of secrets.
  fileprivate var mask: SecretMask { context.services.secrets.mask }
}

extension RunError {
  /// Hides the values of secrets in its texts. The Lua runtime has cut them already, perhaps inside a value.
  package mutating func hide(_ mask: SecretMask) {
    message = mask.masked(message, mayBeCut: true)
    file = file.map { mask.masked($0) }
    traceback = traceback.map { mask.masked($0, mayBeCut: true) }
  }

  /// Cuts its texts to what the history keeps.
  ///
  /// - Parameter slack: bytes by which each may be longer.
  package mutating func cut(beyond slack: Int = 0) {
    func cut(_ text: String, _ most: Int) -> String {
      text.utf8.count <= most + slack ? text : text.cut(toBytes: most)
    }
    message = cut(message, Quotas.errorMessageBytes)
    file = file.map { cut($0, Quotas.errorFileBytes) }
    traceback = traceback.map { cut($0, Quotas.tracebackBytes) }
  }

  /// A Lua error as the history keeps it.
  init(_ error: LuaError) {
    self.init(message: error.message, file: error.file, line: error.line, traceback: error.traceback)
  }

  /// What `on_error` and `on_failure` get as their second argument.
  ///
  /// - Parameter isFinal: whether no attempt follows.
  package func luaValue(_ outcome: Outcome, isFinal: Bool) -> LuaValue {
    var fields: [(key: String, value: LuaValue)] = [("message", .string(LuaString(message)))]
    if let file { fields.append(("file", .string(LuaString(file)))) }
    if let line { fields.append(("line", .integer(Int64(line)))) }
    if let traceback { fields.append(("traceback", .string(LuaString(traceback)))) }
    if let data, let value = LuaValue(json: JSONText(data)) { fields.append(("data", value)) }
    fields.append(("outcome", .string(LuaString(outcome.rawValue))))
    fields.append(("final", .bool(isFinal)))
    return .table(LuaTable(fields: fields))
  }
}
