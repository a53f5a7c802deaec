import ArgumentParser
import Chronology
import Glibc
import Hosting
import JobModel
import SQLiteStore
import ScriptLoading
import ScriptRuntime
import Triggers

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "The jobs, and schedules made at run time, with their trigger in words, next fire time and last outcome.",
    discussion: "Example:\n  moondial list scripts")

  @OptionGroup var scripts: ScriptOptions
  @Flag(help: "One JSON document.") var json = false
  @Flag(help: "Only jobs that no script declares any more; the store keeps them in case they return.")
  var orphans = false

  func run() throws {
    let session = try ScriptSession(
      scripts.directory, scripts.settings, log: LogRenderer(zone: .utc, threshold: .error), sink: SilentLog())
    let generation = try session.loadOnce()
    for problem in generation.errors + generation.restored { Terminal.error("moondial: \(problem)") }
    let known = try KnownSchedules(session.configuration, state: scripts.settings.stateDirectory)
    if orphans { return try showOrphans(generation, known, session) }
    let now = SystemWallClock().now
    let rows = try generation.jobs.map { job in
      let record = known.schedules[job.name]
      let zone = try session.zones.zone(named: job.timeZone)
      let next = Self.nextFire(job, record, after: now)
      return Row(
        job: job, trigger: job.whenInWords,
        next: next.map { json ? ISO8601.format($0, in: zone) : Shown.time($0, in: zone) },
        last: try known.lastRun(of: job.name),
        isPaused: record?.isPaused ?? false,
        schedules: (known.made[job.name] ?? []).map { MadeRow($0, session.zones, in: zone, isExact: json) })
    }
    let declared = Set(generation.jobs.map(\.name))
    let orphans = known.made.keys.filter { !declared.contains($0) }.sorted().map { job in
      (job: job, schedules: known.made[job]!.map { MadeRow($0, session.zones, in: .utc, isExact: json) })
    }
    if json {
      let gone = orphans.map { orphan in
        var row = JSONObject()
        row.set("name", orphan.job)
        row.set("orphaned", true)
        row.set("schedules", json: JSONObject.array(orphan.schedules.map(\.json)))
        return row.json
      }
      Terminal.json(JSONObject.array(rows.map(\.json) + gone))
    } else {
      show(rows, orphans)
    }
    if !generation.errors.isEmpty { throw CommandFailure.silent }
  }

  /// What the store keeps and no script declares: said once when it came to be, and found here ever after.
  private func showOrphans(_ generation: LoadedGeneration, _ known: KnownSchedules, _ session: ScriptSession) throws {
    let declared = Set(generation.jobs.map(\.name))
    let zone = try session.zones.zone(named: session.configuration.timeZone ?? session.systemZone.name)
    let names = Set(known.schedules.keys).union(known.made.keys).subtracting(declared).sorted()
    var table = TextTable(["JOB", "WHEN", "SINCE", "LAST"])
    var documents: [String] = []
    for name in names {
      let record = known.schedules[name]
      let since = record?.orphanedAt ?? known.made[name]?.compactMap(\.orphanedAt).min()
      let when = record?.trigger.map { MadeRow.words($0, session.zones) }
      let last = try known.lastRun(of: name)?.outcome?.rawValue
      let made = known.made[name]?.count ?? 0
      table.add([
        name, (when ?? "when asked") + (made > 0 ? ", and \(counted(made, "schedule")) made at run time" : ""),
        since.map { Shown.time($0, in: zone) } ?? "the next start", last ?? "-",
      ])
      var document = JSONObject()
      document.set("name", name)
      document.set("trigger", when)
      document.set("orphaned", true)
      document.set("orphaned_at", since.map { ISO8601.format($0, in: zone) })
      document.set("last_outcome", last)
      document.set("schedules", made)
      documents.append(document.json)
    }
    if json { return Terminal.line(JSONObject.array(documents)) }
    if names.isEmpty { return Terminal.line("every job that the store knows is declared by a script") }
    for line in table.lines { Terminal.line(line) }
  }

  /// What a host would fire next: where the store stands, if it knows this very trigger, else as if it were registered
  /// now.
  static func nextFire(_ job: JobDefinition, _ record: ScheduleRecord?, after now: Instant) -> Instant? {
    guard let trigger = job.trigger else { return nil }
    if let record, record.trigger == trigger.text { return record.nextFire }
    return trigger.anchored(at: now).next(after: now)
  }

  private func show(_ rows: [Row], _ orphans: [(job: String, schedules: [MadeRow])]) {
    var table = TextTable(["JOB", "WHEN", "NEXT", "LAST", "SCRIPT"])
    for row in rows {
      let state = !row.job.enabled ? "disabled" : row.isPaused ? "paused" : row.next ?? "-"
      table.add([row.job.name, row.trigger, state, row.last?.outcome?.rawValue ?? "-", row.job.source.description])
      for made in row.schedules {
        table.add(["  \(made.id)", made.trigger, row.isPaused ? "paused" : made.next ?? "-", "-", "made at run time"])
      }
    }
    for orphan in orphans {
      for made in orphan.schedules {
        table.add(["\(orphan.job)  \(made.id)", made.trigger, "orphaned", "-", "its job is gone"])
      }
    }
    for line in table.lines { Terminal.line(line) }
  }

  private struct Row {
    var job: JobDefinition
    var trigger: String
    var next: String?
    var last: RunRecord?
    var isPaused: Bool
    var schedules: [MadeRow]

    var json: String {
      var row = JSONObject()
      row.set("name", job.name)
      row.set("trigger", trigger)
      row.set("lua", job.trigger?.lua)
      row.set("timezone", job.timeZone)
      row.set("next_run_time", next)
      row.set("last_outcome", last?.outcome?.rawValue)
      row.set("enabled", job.enabled)
      row.set("paused", isPaused)
      row.set("file", job.source.file)
      row.set("line", job.source.line)
      row.set("tags", json: JSONObject.array(job.tags.map(JSONObject.quote)))
      row.set("description", job.description)
      row.set("schedules", json: JSONObject.array(schedules.map(\.json)))
      return row.json
    }
  }
}

/// One schedule made at run time.
private struct MadeRow {
  let id: String
  /// In words; as it is stored where it cannot be read here.
  let trigger: String
  let lua: String
  let next: String?
  let params: JSONText?
  let isOrphaned: Bool

  init(_ record: ScheduleRecord, _ zones: TimeZoneDatabase, in zone: TimeZoneRules, isExact: Bool) {
    id = record.id ?? ""
    lua = record.trigger ?? ""
    trigger = MadeRow.words(lua, zones)
    next = record.nextFire.map { isExact ? ISO8601.format($0, in: zone) : Shown.time($0, in: zone) }
    params = record.made?.options.params
    isOrphaned = record.orphanedAt != nil
  }

  /// A stored trigger in words; as it is stored where it cannot be read here.
  static func words(_ text: String, _ zones: TimeZoneDatabase) -> String {
    (try? TriggerText.parse(text, context: TriggerContext(zones: zones)).trigger.description) ?? text
  }

  var json: String {
    var row = JSONObject()
    row.set("id", id)
    row.set("trigger", trigger)
    row.set("lua", lua)
    row.set("next_run_time", next)
    row.set("params", stored: params?.text)
    row.set("orphaned", isOrphaned)
    return row.json
  }
}

extension JobDefinition {
  /// When it runs, as one phrase.
  var whenInWords: String {
    var parts: [String] = []
    if let trigger { parts.append(trigger.description) }
    if runAtStart { parts.append("at each start") }
    if !events.isEmpty { parts.append("on " + events.joined(separator: ", ")) }
    if !after.isEmpty { parts.append("after " + after.joined(separator: ", ")) }
    if let watch { parts.append(watch.inWords) }
    return parts.isEmpty ? "when asked" : parts.joined(separator: "; ")
  }
}

/// What the default store of a state directory knows, if there is one; read without disturbing a running host.
struct KnownSchedules {
  private let store: SQLiteStore?
  let schedules: [String: ScheduleRecord]
  /// Those made at run time, by job.
  let made: [String: [ScheduleRecord]]

  init(_ configuration: HostConfiguration, state: String) throws {
    store = try HistoryStore.openIfPresent(configuration, state: state)
    do {
      let records = try store?.schedules() ?? []
      schedules = Dictionary(
        records.filter { $0.made == nil }.map { ($0.job, $0) }, uniquingKeysWith: { first, _ in first })
      made = Dictionary(grouping: records.filter { $0.made != nil }, by: \.job)
    } catch { throw CommandFailure("\(error)") }
  }

  func lastRun(of job: String) throws -> RunRecord? {
    do { return try store?.runs(RunQuery(job: job, limit: 1)).first } catch { throw CommandFailure("\(error)") }
  }
}
