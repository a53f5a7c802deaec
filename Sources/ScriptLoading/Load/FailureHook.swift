internal import Chronology
package import JobModel
internal import Lua
package import ScriptRuntime
internal import FileWatching

/// `on_failure` of moondial.lua: a function that is called when a run of any job has failed for good.
///
///     on_failure = function(run, err) notify("ops", run.job .. ": " .. err.message) end
///
/// It is captured like a job's functions, and each call has a Lua state of its own. What it may do is not limited by
/// grants: whoever writes moondial.lua writes them.
package struct FailureHook: Sendable, Equatable {
  package let payload: LuaJobPayload

  /// Nanoseconds that a call may take.
  package static let timeout: Int64 = 30_000_000_000
  /// Calls under way at a time.
  package static let mostCalls = 64

  init(payload: LuaJobPayload) { self.payload = payload }

  /// The same code for a host that is not the one it was loaded for.
  package func forAnotherHost() -> FailureHook { FailureHook(payload: payload.forAnotherHost()) }

  /// The definition under which the call about a run of `job` is executed: its lines stand beside that run's.
  package func definition(for job: String, store: String) -> JobDefinition {
    var definition = JobDefinition(
      name: job, source: SourceLocation(file: ScriptPath.configuration.text, line: 0), payload: payload)
    definition.timeout = FailureHook.timeout
    definition.state = .run
    definition.store = store
    return definition
  }

  /// Equal when the code is.
  package static func == (a: FailureHook, b: FailureHook) -> Bool {
    if case .none = a.payload.difference(from: b.payload) { true } else { false }
  }

  /// `run` and `err`, as one JSON text.
  package static func arguments(of record: RunRecord) -> JSONText? {
    var run: [(key: String, value: LuaValue)] = [
      ("id", .integer(record.id.number)), ("job", .string(LuaString(record.job))),
      ("cause", .string(LuaString(record.cause.rawValue))), ("attempts", .integer(Int64(record.attempts))),
      ("scheduled_at", .number(record.scheduledAt.fractionalSeconds)),
      ("duration", .number(Double(record.duration) / 1e9)),
    ]
    if let started = record.startedAt { run.append(("started_at", .number(started.fractionalSeconds))) }
    if let finished = record.finishedAt { run.append(("finished_at", .number(finished.fractionalSeconds))) }
    if let schedule = record.schedule { run.append(("schedule", .string(LuaString(schedule)))) }
    if let params = record.params.flatMap(LuaValue.init(json:)) { run.append(("params", params)) }
    if let event = record.event.flatMap(LuaValue.init(json:)) { run.append(("event", event)) }
    let outcome = record.outcome ?? .failed
    run.append(("outcome", .string(LuaString(outcome.rawValue))))
    let error = (record.error ?? RunError(message: "the run \(outcome.rawValue)")).luaValue(outcome, isFinal: true)
    let value = LuaValue.table(LuaTable(fields: [("run", .table(LuaTable(fields: run))), ("error", error)]))
    guard case .success(let text) = JSONText.encoding(value, limit: .max) else { return nil }
    return text
  }
}
