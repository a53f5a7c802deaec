package import JobModel
internal import Lua
package import Triggers

/// What transactions ask of the scheduler, as stores keep it: a JSON list. Documents inside of it are texts.
extension RunOperation {
  /// nil: there are none.
  package static func encoded(_ operations: [RunOperation]) -> JSONText? {
    guard !operations.isEmpty else { return nil }
    let list = LuaValue.table(LuaTable(array: operations.map { .table(LuaTable(fields: $0.fields)) }))
    do { return JSONText(try list.json()) } catch {
      preconditionFailure("texts and numbers are JSON: \(error.message)")
    }
  }

  /// - Parameter context: in which triggers are read.
  /// - Returns: those that can be read; what cannot is told, a sentence each.
  package static func decoded(
    _ text: JSONText, in context: TriggerContext
  ) -> (operations: [RunOperation], problems: [String]) {
    guard case .table(let list)? = LuaValue(json: text) else {
      return ([], ["what a transaction has asked for cannot be read: \(text.text.cut(toBytes: 200))"])
    }
    var operations: [RunOperation] = []
    var problems: [String] = []
    for item in list.array {
      guard case .table(let fields) = item else { continue }
      do throws(Unreadable) {
        operations.append(try operation(fields, context))
      } catch { problems.append("what a transaction has asked for cannot be done: \(error.why)") }
    }
    return (operations, problems)
  }

  private struct Unreadable: Error { var why: String }

  private var fields: [(key: String, value: LuaValue)] {
    func text(_ json: JSONText?) -> LuaValue { json.map { .string(LuaString($0.text)) } ?? .nil }
    switch self {
    case .emit(let name, let data): return [("emit", .string(LuaString(name))), ("data", text(data))].given
    case .run(let job, let params): return [("run", .string(LuaString(job))), ("params", text(params))].given
    case .unschedule(let id): return [("unschedule", .string(LuaString(id)))]
    case .schedule(let request): return Self.fields(of: request).given
    }
  }

  private static func fields(of request: ScheduleRequest) -> [(key: String, value: LuaValue)] {
    let options = request.options
    func number(_ value: Int64?) -> LuaValue { value.map { .integer($0) } ?? .nil }
    func text(_ value: String?) -> LuaValue { value.map { .string(LuaString($0)) } ?? .nil }
    return [
      ("schedule", text(request.job)), ("id", text(request.id)), ("replaces", .bool(request.replaceExisting)),
      ("trigger", text(request.trigger.text)), ("quota", number(request.quota.map(Int64.init))),
      ("params", text(options.params?.text)), ("jitter", number(options.jitter)), ("zone", text(options.timeZone)),
      ("grace", number(options.misfireGraceTime)), ("coalesce", text(options.coalesce.map(word))),
      ("instances", number(options.maxInstances.map(Int64.init))),
      ("priority", number(options.priority.map(Int64.init))),
    ]
  }

  private static func word(_ policy: CoalescePolicy) -> String {
    switch policy {
    case .latest: "latest"
    case .earliest: "earliest"
    case .all: "all"
    }
  }

  private static func operation(
    _ fields: LuaTable, _ context: TriggerContext
  ) throws(Unreadable) -> RunOperation {
    func text(_ key: String) -> String? { if case .string(let text)? = fields[key] { text.text } else { nil } }
    func number(_ key: String) -> Int64? { if case .integer(let number)? = fields[key] { number } else { nil } }
    if let name = text("emit") { return .emit(name, data: text("data").map { JSONText($0) }) }
    if let job = text("run") { return .run(job, params: text("params").map { JSONText($0) }) }
    if let id = text("unschedule") { return .unschedule(id) }
    guard let job = text("schedule"), let written = text("trigger") else {
      throw Unreadable(why: "an operation that this version does not know")
    }
    let trigger: AnyTrigger
    do { trigger = try TriggerText.parse(written, context: context).trigger } catch {
      throw Unreadable(why: "the trigger of a schedule for job \"\(job)\": \(error)")
    }
    var request = ScheduleRequest(job: job, id: text("id"), trigger: trigger)
    request.replaceExisting = fields["replaces"] == .bool(true)
    request.quota = number("quota").map { Int(clamping: $0) }
    request.options.params = text("params").map { JSONText($0) }
    // Numbers of a row are within what a job can say, whoever wrote it.
    request.options.jitter = number("jitter").map { max(0, $0) }
    request.options.timeZone = text("zone")
    request.options.misfireGraceTime = number("grace").map { max(0, $0) }
    request.options.coalesce =
      switch text("coalesce") {
      case "latest": .latest
      case "earliest": .earliest
      case "all": .all
      default: nil
      }
    request.options.maxInstances = number("instances").map { Int(min(max(1, $0), 100_000)) }
    request.options.priority = number("priority").map { Int(min(max(-100, $0), 100)) }
    return .schedule(request)
  }
}

extension [(key: String, value: LuaValue)] {
  /// Without what is nil.
  fileprivate var given: Self { filter { $0.value != .nil } }
}
