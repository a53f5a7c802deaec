internal import Basics
internal import JobModel
internal import Lua
internal import ProcessFrames
internal import ScriptRuntime

extension JSONText {
  /// Whether it begins like a table of named fields. A document that does is one.
  var isObject: Bool { firstByte == UInt8(ascii: "{") }
  /// Whether it begins like a table of either kind.
  var isTable: Bool { isObject || firstByte == UInt8(ascii: "[") }
  private var firstByte: UInt8? { text.utf8.first { $0 != 0x20 && $0 != 0x0a && $0 != 0x0d && $0 != 0x09 } }
}

extension ServiceCall {
  /// What it names, where that is a text of its own: of a job, a schedule, an event, a key, a module, a variable.
  var name: String? {
    switch self {
    case .value(let name, _), .keys(let name, _, _), .change(let name, _, _, _), .run(let name, _),
      .unschedule(let name), .pause(let name, _), .resume(let name), .emit(let name, _), .subscribe(let name),
      .module(let name), .variable(let name), .secret(let name):
      name
    case .schedule(let schedule): schedule.job
    case .metric(let change): change.name
    case .jobs, .steps, .keep, .commit: nil
    }
  }

  /// Whether what it names is any text: a key, or an event.
  var isOfText: Bool {
    switch self {
    case .value, .keys, .change, .emit, .subscribe: true
    default: false
    }
  }
}

/// What of a worker's values is taken over.
extension RunServices {
  /// JSON that a worker hands over.
  enum Given {
    /// Without values of secrets.
    case taken(JSONText?)
    case refused(HostRefusal)
    /// It is none.
    case nonsense
  }

  func given(_ json: JSONText?, _ limit: Int, _ setting: String) -> Given {
    guard let json else { return .taken(nil) }
    let size = json.text.utf8.count
    guard size <= limit else {
      return .refused(
        HostRefusal(Quotas.message("the JSON has \(size) bytes, and \(limit) are allowed: pass less", setting)))
    }
    return JSONCheck.isDocument(json.text) ? .taken(hidden(json)) : .nonsense
  }

  /// Without values of secrets, and JSON all the same.
  func hidden(_ json: JSONText) -> JSONText {
    let text = mask.masked(json.text)
    guard text != json.text, !JSONCheck.isDocument(text) else { return JSONText(text) }
    // A number was one.
    guard let value = LuaValue(json: json),
      case .success(let masked) = JSONText.encoding(mask.masked(value), limit: 2 * json.text.utf8.count + 1_024)
    else { return JSONText(json.isObject ? "{}" : json.isTable ? "[]" : "null") }
    return masked
  }

  /// JSON from a worker, without values of secrets; nil when it is none, or too large.
  func checked(_ json: JSONText, limit: Int) -> JSONText? {
    guard json.text.utf8.count <= limit, JSONCheck.isDocument(json.text) else { return nil }
    return hidden(json)
  }

  /// What is kept of a result or an error.
  func checked(_ details: AttemptDetails?) -> AttemptDetails? {
    guard let details else { return nil }
    var error = details.error
    error?.hide(mask)
    // A worker has cut it, and said so behind it.
    error?.cut(beyond: 1_024)
    if let data = error?.data { error?.data = checked(JSONText(data), limit: Quotas.errorDataBytes + 1_024)?.text }
    if let line = error?.line { error?.line = min(max(0, line), Int(Int32.max)) }
    return AttemptDetails(
      error: error, result: details.result.flatMap { checked($0, limit: services.quotas().resultBytes) },
      retry: details.retry.map { RetryRequest(delay: $0.delay.map { max(0, $0) }) }, isFinal: details.isFinal,
      park: details.park.flatMap { parked($0) })
  }
}
