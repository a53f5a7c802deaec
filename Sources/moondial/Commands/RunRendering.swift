import Chronology
import Hosting
import JobModel
import Lua

extension RunLogLine {
  /// How far a run says it is: `text`, and `fraction` where it is one.
  var progressJSON: String {
    var object = JSONObject()
    object.set("text", message)
    if case .table(let fields)? = fields.flatMap({ LuaValue.parseJSON($0.text) }),
      case .number(let fraction)? = fields["fraction"]
    {
      object.set("fraction", fraction)
    }
    return object.json
  }
}

/// A run as JSON, and as named fields.
enum RunRendering {
  static func fields(_ record: RunRecord, zone: TimeZoneRules, _ open: OpenRuns) -> [(String, String)] {
    var fields = [("run", record.id.description), ("job", record.job)]
    if let schedule = record.schedule { fields.append(("schedule", schedule)) }
    fields += [("cause", record.cause.rawValue), ("scheduled_at", TimeFormat.time(record.scheduledAt, in: zone))]
    if let at = record.claimedAt { fields.append(("claimed_at", TimeFormat.time(at, in: zone))) }
    if let at = record.startedAt { fields.append(("started_at", TimeFormat.time(at, in: zone))) }
    if let at = record.retriedAt { fields.append(("last_attempt_at", TimeFormat.time(at, in: zone))) }
    if let at = record.resumesAt { fields.append(("next_attempt_at", TimeFormat.time(at, in: zone))) }
    if let park = record.park { fields.append(("parked", park.words { TimeFormat.time($0, in: zone) })) }
    if let at = record.finishedAt { fields.append(("finished_at", TimeFormat.time(at, in: zone))) }
    fields.append(("outcome", open.word(for: record)))
    fields.append(("attempts", String(record.attempts)))
    if record.missed > 0 { fields.append(("missed", String(record.missed))) }
    if record.outcome != nil { fields.append(("took", record.knownDuration.map { TimeFormat.span($0) } ?? "-")) }
    if record.memoryPeakBytes > 0 { fields.append(("memory_peak", "\(record.memoryPeakBytes) bytes")) }
    if let params = record.params { fields.append(("params", params.text)) }
    if let event = record.event { fields.append(("event", event.text)) }
    if let result = record.result { fields.append(("result", result.text)) }
    if let error = record.error { fields.append(("error", error.message)) }
    return fields
  }

  /// - Parameter lines: of its log; nil leaves the field out.
  static func json(
    _ record: RunRecord, _ progress: RunLogLine? = nil, _ lines: [RunLogLine]? = nil, steps: [RunStep] = [],
    zone: TimeZoneRules, _ open: OpenRuns
  ) -> String {
    var run = JSONObject()
    run.set("id", record.id.number)
    run.set("job", record.job)
    run.set("schedule", record.schedule)
    run.set("cause", record.cause.rawValue)
    run.set("scheduled_at", ISO8601.format(record.scheduledAt, in: zone))
    run.set("claimed_at", record.claimedAt.map { ISO8601.format($0, in: zone) })
    run.set("started_at", record.startedAt.map { ISO8601.format($0, in: zone) })
    run.set("last_attempt_at", record.retriedAt.map { ISO8601.format($0, in: zone) })
    run.set("next_attempt_at", record.resumesAt.map { ISO8601.format($0, in: zone) })
    run.set("parked_until", record.park?.until.map { ISO8601.format($0, in: zone) })
    run.set("waits_for", record.park?.event)
    if record.outcome == nil { run.set("state", open.word(for: record)) }
    run.set("finished_at", record.finishedAt.map { ISO8601.format($0, in: zone) })
    run.set("missed", record.missed)
    run.set("progress", json: progress?.progressJSON)
    setOutcome(of: record, into: &run)
    if !steps.isEmpty { run.set("steps", json: JSONObject.array(steps.map { json($0, zone) })) }
    if let lines { run.set("log", json: JSONObject.array(lines.map { json($0, zone) })) }
    return run.json
  }

  /// As the HTTP API writes a step.
  private static func json(_ step: RunStep, _ zone: TimeZoneRules) -> String {
    var object = JSONObject()
    object.set("position", Int(step.position))
    object.set("kind", step.kind.rawValue)
    object.set("name", step.name)
    object.set("attempt", Int(step.attempt))
    object.set("started_at", ISO8601.format(step.startedAt, in: zone))
    object.set("finished_at", step.finishedAt.map { ISO8601.format($0, in: zone) })
    object.set("until", step.until.map { ISO8601.format($0, in: zone) })
    object.set("result", stored: step.result?.text)
    return object.json
  }

  /// As the HTTP API writes a line.
  private static func json(_ line: RunLogLine, _ zone: TimeZoneRules) -> String {
    var object = JSONObject()
    object.set("at", ISO8601.format(line.at, in: zone))
    object.set("level", line.level)
    object.set("message", line.message)
    object.set("fields", stored: line.fields?.text)
    return object.json
  }

  /// The fields that `exec --json` and `history --json` share.
  static func setOutcome(of record: RunRecord, into run: inout JSONObject) {
    if let outcome = record.outcome { run.set("outcome", outcome.rawValue) } else { run.setNull("outcome") }
    if let result = record.result { run.set("result", stored: result.text) } else { run.setNull("result") }
    if let error = record.error {
      var object = JSONObject()
      object.set("message", error.message)
      object.set("file", error.file)
      object.set("line", error.line)
      object.set("traceback", error.traceback)
      object.set("data", stored: error.data)
      run.set("error", json: object.json)
    } else {
      run.setNull("error")
    }
    if let duration = record.knownDuration {
      run.set("duration_ms", Double(duration) / 1e6)
    } else {
      run.setNull("duration_ms")
    }
    run.set("memory_peak_bytes", record.memoryPeakBytes)
    run.set("attempts", record.attempts)
    run.set("params", stored: record.params?.text)
    run.set("event", stored: record.event?.text)
  }
}
