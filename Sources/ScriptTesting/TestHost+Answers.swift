internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Triggers

/// What tests see of runs and log lines.
extension TestHost {
  /// In the zone of its job.
  func text(_ instant: Instant, of job: String) -> String {
    let name = definition(of: job)?.timeZone ?? "UTC"
    return ISO8601.format(instant, in: (try? setting.zones.zone(named: name)) ?? .utc)
  }

  func table(of run: RunRecord) -> LuaValue {
    var fields: [(key: String, value: LuaValue)] = [
      ("id", .integer(run.id.number)), ("job", .string(LuaString(run.job))),
      ("cause", .string(LuaString(run.cause.rawValue))), ("attempts", .integer(Int64(run.attempts))),
      ("missed", .integer(Int64(run.missed))), ("scheduled_at", .number(run.scheduledAt.fractionalSeconds)),
      ("at", .string(LuaString(text(run.scheduledAt, of: run.job)))),
      ("duration", .number(Double(run.duration) / 1e9)),
      ("log", .table(LuaTable(array: log.all.filter { $0.run == run.id }.map(table(of:))))),
    ]
    if let outcome = run.outcome { fields.append(("outcome", .string(LuaString(outcome.rawValue)))) }
    if let started = run.startedAt { fields.append(("started_at", .number(started.fractionalSeconds))) }
    if let finished = run.finishedAt { fields.append(("finished_at", .number(finished.fractionalSeconds))) }
    if let result = run.result.flatMap(LuaValue.init(json:)) { fields.append(("result", result)) }
    if let params = run.params.flatMap(LuaValue.init(json:)) { fields.append(("params", params)) }
    if let event = run.event.flatMap(LuaValue.init(json:)) { fields.append(("event", event)) }
    if let error = run.error { fields.append(("error", table(of: error))) }
    return .table(LuaTable(fields: fields))
  }

  private func table(of error: RunError) -> LuaValue {
    var fields: [(key: String, value: LuaValue)] = [("message", .string(LuaString(error.message)))]
    if let file = error.file { fields.append(("file", .string(LuaString(file)))) }
    if let line = error.line { fields.append(("line", .integer(Int64(line)))) }
    if let data = error.data.flatMap({ LuaValue(json: JSONText($0)) }) { fields.append(("data", data)) }
    return .table(LuaTable(fields: fields))
  }

  func table(of line: LogLine) -> LuaValue {
    var fields: [(key: String, value: LuaValue)] = [
      ("level", .string(LuaString(line.level.rawValue))), ("message", .string(LuaString(line.message))),
    ]
    if let job = line.job { fields.append(("job", .string(LuaString(job)))) }
    if let run = line.run { fields.append(("run", .integer(run.number))) }
    if let given = line.fields.flatMap(LuaValue.init(json:)) { fields.append(("fields", given)) }
    return .table(LuaTable(fields: fields))
  }
}
