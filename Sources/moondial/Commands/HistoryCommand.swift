import ArgumentParser
import Basics
import Chronology
import Glibc
import Hosting
import JobModel
import SQLiteStore

/// Where the commands find a store, without loading any script.
struct StoreOptions: ParsableArguments {
  @Option(help: "The state directory. Default: $MOONDIAL_STATE, else ./.moondial.")
  var state: String?

  @Option(help: "The store file. Default: moondial.db in the state directory.")
  var store: String?

  var path: String {
    let directory = state ?? Environment["MOONDIAL_STATE"] ?? ".moondial"
    let name = store ?? "moondial.db"
    return name.contains("/") ? name : directory + "/" + name
  }

  /// Times are shown in the system's zone.
  var zone: TimeZoneRules {
    let zones = Environment.zones
    return (try? zones.zone(named: zones.machineZone(tz: Environment["TZ"]).name)) ?? .utc
  }
}

struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Runs, newest first, from the store, whether a host is up or not.",
    discussion: "Example:\n  moondial history backup --outcome failed --limit 5")

  @Argument(help: "Only runs of this job.") var job: String?
  @OptionGroup var options: StoreOptions
  @Option(help: "How many.") var limit = 20
  @Option(help: "Only this outcome; may be repeated.") var outcome: [String] = []
  @Option(name: .customLong("run"), help: "One run with everything known about it, its log included.") var runID:
    String?
  @Flag(help: "JSON lines.") var json = false

  func run() throws {
    guard limit > 0 else { throw CommandFailure(.usage, "--limit \(limit): give a number above 0") }
    var query = RunQuery(job: job, limit: limit)
    if let runID {
      guard let id = RunID(runID) else {
        throw CommandFailure(.usage, "--run \(runID): a run id is a number, as the log shows it")
      }
      query.id = id
    }
    if !outcome.isEmpty {
      query.outcomes = Set(
        try outcome.map { name in
          guard let outcome = Outcome(rawValue: name) else {
            let all = Outcome.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandFailure(.usage, "--outcome \(name): the outcomes are \(all)")
          }
          return outcome
        })
    }
    let store = try HistoryStore.open(options.path)
    defer { store.close() }
    let zone = options.zone
    if let runID, !json {
      guard let record = try page(store, query).first else { throw missing(runID) }
      return try show(record, store, zone)
    }
    // In pages, printed one after the other: a long history needs no memory.
    var shown = 0
    repeat {
      query.limit = min(limit - shown, Self.pageSize)
      let runs = try page(store, query)
      if let runID, runs.isEmpty, shown == 0 { throw missing(runID) }
      if json {
        for record in runs { Terminal.json(RunRendering.json(record, zone: zone)) }
      } else if !runs.isEmpty || shown == 0 {
        show(runs, zone, withHeader: shown == 0)
      }
      shown += runs.count
      guard runs.count == query.limit, let last = runs.last else { break }
      query.before = last.id
    } while shown < limit
  }

  private static let pageSize = 1_000

  private func page(_ store: SQLiteStore, _ query: RunQuery) throws -> [RunRecord] {
    do { return try store.runs(query) } catch { throw CommandFailure("\(error)") }
  }

  private func missing(_ run: String) -> CommandFailure { CommandFailure("there is no run \(run) in \(options.path)") }

  private func show(_ runs: [RunRecord], _ zone: TimeZoneRules, withHeader: Bool) {
    var table = TextTable(["RUN", "JOB", "SCHEDULED", "OUTCOME", "TOOK", "ATTEMPTS", "ERROR"])
    for record in runs {
      table.add([
        record.id.description, record.schedule.map { "\(record.job) (\($0))" } ?? record.job,
        Shown.time(record.scheduledAt, in: zone),
        record.outcome?.rawValue ?? (record.claimedAt == nil ? "waiting" : "running"),
        record.outcome == nil ? "-" : Shown.span(record.duration),
        String(record.attempts), record.error?.message ?? "",
      ])
    }
    for line in table.lines.dropFirst(withHeader ? 0 : 1) { Terminal.line(line) }
  }

  private func show(_ record: RunRecord, _ store: SQLiteStore, _ zone: TimeZoneRules) throws {
    for (name, value) in RunRendering.fields(record, zone: zone) {
      Terminal.line("\(VisibleText.padded(name, to: 14)) \(value)")
    }
    if let traceback = record.error?.traceback { Terminal.block(traceback) }
    let lines: [RunLogLine]
    do { lines = try store.log(of: record.id, limit: 10_000) } catch { throw CommandFailure("\(error)") }
    for line in lines {
      let fields = line.fields.map { " " + $0.text } ?? ""
      Terminal.line(
        "\(Shown.time(line.at, in: zone)) \(VisibleText.padded(line.level, to: 5)) \(line.message)\(fields)")
    }
  }
}

/// A run as JSON, and as named fields.
enum RunRendering {
  static func fields(_ record: RunRecord, zone: TimeZoneRules) -> [(String, String)] {
    var fields = [("run", record.id.description), ("job", record.job)]
    if let schedule = record.schedule { fields.append(("schedule", schedule)) }
    fields += [("cause", record.cause.rawValue), ("scheduled_at", Shown.time(record.scheduledAt, in: zone))]
    if let at = record.claimedAt { fields.append(("claimed_at", Shown.time(at, in: zone))) }
    if let at = record.startedAt { fields.append(("started_at", Shown.time(at, in: zone))) }
    if let at = record.finishedAt { fields.append(("finished_at", Shown.time(at, in: zone))) }
    fields.append(("outcome", record.outcome?.rawValue ?? (record.claimedAt == nil ? "waiting" : "running")))
    fields.append(("attempts", String(record.attempts)))
    if record.missed > 0 { fields.append(("missed", String(record.missed))) }
    if record.outcome != nil { fields.append(("took", Shown.span(record.duration))) }
    if record.memoryPeakBytes > 0 { fields.append(("memory_peak", "\(record.memoryPeakBytes) bytes")) }
    if let params = record.params { fields.append(("params", params.text)) }
    if let event = record.event { fields.append(("event", event.text)) }
    if let result = record.result { fields.append(("result", result.text)) }
    if let error = record.error { fields.append(("error", error.message)) }
    return fields
  }

  static func json(_ record: RunRecord, zone: TimeZoneRules) -> String {
    var run = JSONObject()
    run.set("id", record.id.number)
    run.set("job", record.job)
    run.set("schedule", record.schedule)
    run.set("cause", record.cause.rawValue)
    run.set("scheduled_at", ISO8601.format(record.scheduledAt, in: zone))
    run.set("claimed_at", record.claimedAt.map { ISO8601.format($0, in: zone) })
    run.set("started_at", record.startedAt.map { ISO8601.format($0, in: zone) })
    run.set("finished_at", record.finishedAt.map { ISO8601.format($0, in: zone) })
    run.set("missed", record.missed)
    setOutcome(of: record, into: &run)
    return run.json
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
    run.set("duration_ms", Double(record.duration) / 1e6)
    run.set("memory_peak_bytes", record.memoryPeakBytes)
    run.set("attempts", record.attempts)
    run.set("params", stored: record.params?.text)
    run.set("event", stored: record.event?.text)
  }
}
