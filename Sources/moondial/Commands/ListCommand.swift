import Basics
import ArgumentParser
import Chronology
import Glibc
import Hosting
import JobModel
import ScriptLoading
import ScriptRuntime
import Triggers

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "The jobs, and dynamic schedules, with their trigger in words, next fire time and last outcome.",
    discussion: "Example:\n  moondial list scripts")

  @OptionGroup var scripts: ScriptOptions
  @Flag(help: "One JSON document.") var json = false
  @Flag(help: "Only jobs that no script declares any more; the stores keep them in case they return.")
  var orphans = false

  func run() throws {
    let session = try ScriptSession(
      scripts.directory, scripts.settings, log: LogRenderer(zone: .utc, threshold: .error), sink: SilentLog())
    let generation = try session.loadOnce()
    for problem in generation.errors + generation.restored { Terminal.error("moondial: \(problem)") }
    let stores = try ReadStores(
      session, generation: generation, directory: scripts.directory, state: scripts.settings.stateDirectory)
    let known = try KnownSchedules(stores)
    if orphans { return try showOrphans(generation, known, stores) }
    let now = SystemWallClock().now
    let open = try OpenRuns(stores, now: now)
    let zone = stores.zone
    let rows = try generation.jobs.map { job in
      let record = known.schedule(of: job)
      let next = Self.nextFire(job, record, after: now)
      return Row(
        job: job, trigger: job.whenInWords,
        next: next.map { json ? ISO8601.format($0, in: zone) : TimeFormat.time($0, in: zone) },
        last: try known.lastRun(of: job), now: open.words(for: job.name, in: zone), open: open.ofJob[job.name] ?? [],
        progress: try known.progress(of: job, open.ofJob[job.name] ?? []),
        isPaused: record?.isPaused ?? false, pause: record?.pause,
        pausedAt: record?.pause.map { ISO8601.format($0.at, in: zone) },
        schedules: (known.dynamic[job.name] ?? []).map { DynamicRow($0, session.zones, in: zone, isExact: json) })
    }
    let declared = Set(generation.jobs.map(\.name))
    let orphans = known.dynamic.keys.filter { !declared.contains($0) }.sorted().map { job in
      (job: job, schedules: known.dynamic[job]!.map { DynamicRow($0, session.zones, in: zone, isExact: json) })
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
      show(rows, orphans, open)
    }
    if !generation.errors.isEmpty { throw CommandFailure.silent }
  }

  /// What the store keeps and no script declares: said once when it came to be, and found here ever after.
  private func showOrphans(_ generation: LoadedGeneration, _ known: KnownSchedules, _ stores: ReadStores) throws {
    let declared = Set(generation.jobs.map(\.name))
    let zone = stores.zone
    let names = known.names.union(known.dynamic.keys).subtracting(declared).sorted()
    var table = TextTable(["JOB", "WHEN", "SINCE", "LAST"])
    var documents: [String] = []
    for name in names {
      let record = known.schedule(ofOrphan: name)
      let since = record?.orphanedAt ?? known.dynamic[name]?.compactMap(\.orphanedAt).min()
      let when = record?.trigger.map { DynamicRow.words($0, stores.zones) }
      let last = try known.lastRun(ofOrphan: name)?.outcome?.rawValue
      let dynamic = known.dynamic[name]?.count ?? 0
      table.add([
        name, (when ?? "when asked") + (dynamic > 0 ? ", and \(counted(dynamic, "dynamic schedule"))" : ""),
        since.map { TimeFormat.time($0, in: zone) } ?? "the next start", last ?? "-",
      ])
      var document = JSONObject()
      document.set("name", name)
      document.set("trigger", when)
      document.set("orphaned", true)
      document.set("orphaned_at", since.map { ISO8601.format($0, in: zone) })
      document.set("last_outcome", last)
      document.set("schedules", dynamic)
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

  private func show(_ rows: [Row], _ orphans: [(job: String, schedules: [DynamicRow])], _ open: OpenRuns) {
    var table = TextTable(["JOB", "WHEN", "NEXT", "LAST", "NOW", "SCRIPT"])
    for row in rows {
      let state = !row.job.enabled ? "disabled" : row.isPaused ? row.pausedWords : row.next ?? "-"
      table.add([
        row.job.name, row.trigger, state, row.last?.outcome?.rawValue ?? "-", row.nowWords,
        row.job.source.description,
      ])
      for dynamic in row.schedules {
        table.add([
          "  \(dynamic.id)", dynamic.trigger, row.isPaused ? "paused" : dynamic.next ?? "-", "-", "-",
          "dynamic schedule",
        ])
      }
    }
    for orphan in orphans {
      for dynamic in orphan.schedules {
        table.add(["\(orphan.job)  \(dynamic.id)", dynamic.trigger, "orphaned", "-", "-", "its job is gone"])
      }
    }
    for line in table.lines { Terminal.line(line) }
  }

  private struct Row {
    var job: JobDefinition
    var trigger: String
    var next: String?
    var last: RunRecord?
    /// In words, what it does now.
    var now: String
    var open: [RunRecord]
    /// How far the run says it is that is under way, if it is the only one.
    var progress: RunLogLine?
    var isPaused: Bool
    /// Why; nil when nobody said.
    var pause: PauseNote?
    var pausedAt: String?
    var schedules: [DynamicRow]

    /// What stands where a paused job has no next fire time.
    var pausedWords: String { pause?.reason.map { "paused: " + VisibleText.line($0) } ?? "paused" }

    /// The outcome of the last run; of one that is under way, how far it says it is.
    var nowWords: String { progress.map { "\(now): \($0.message)" } ?? now }

    var json: String {
      var row = JSONObject()
      row.set("name", job.name)
      row.set("trigger", trigger)
      row.set("lua", job.trigger?.lua)
      row.set("timezone", job.timeZone)
      row.set("next_run_time", next)
      row.set("last_outcome", last?.outcome?.rawValue)
      row.set("running", open.count { $0.claimedAt != nil })
      row.set("waiting", open.count { $0.claimedAt == nil })
      row.set("now", now == "-" ? nil : now)
      row.set("progress", json: progress?.progressJSON)
      row.set("enabled", job.enabled)
      row.set("paused", isPaused)
      if let pause {
        var note = JSONObject()
        note.set("reason", pause.reason)
        note.set("by", pause.by)
        note.set("at", pausedAt)
        row.set("pause", json: note.json)
      }
      row.set("file", job.source.file)
      row.set("line", job.source.line)
      row.set("tags", json: JSONObject.array(job.tags.map(JSONObject.quote)))
      row.set("description", job.description)
      row.set("schedules", json: JSONObject.array(schedules.map(\.json)))
      return row.json
    }
  }
}

/// One dynamic schedule.
private struct DynamicRow {
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
    trigger = DynamicRow.words(lua, zones)
    next = record.nextFire.map { isExact ? ISO8601.format($0, in: zone) : TimeFormat.time($0, in: zone) }
    params = record.dynamic?.options.params
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

/// The schedules and last runs that stores know.
struct KnownSchedules {
  private let stores: ReadStores
  /// By the name of the store, and the job.
  private var schedules: [ObjectIdentifier: [String: ScheduleRecord]] = [:]
  /// Dynamic ones, by job.
  private(set) var dynamic: [String: [ScheduleRecord]] = [:]
  /// All jobs that a store has a schedule of.
  private(set) var names: Set<String> = []

  init(_ stores: ReadStores) throws {
    self.stores = stores
    var found: [ScheduleRecord] = []
    for member in stores.members {
      let records = try ReadStores.orFail { try member.store.schedules() }
      let own = records.filter { $0.dynamic == nil }
      schedules[ObjectIdentifier(member.store)] = Dictionary(
        own.map { ($0.job, $0) }, uniquingKeysWith: { first, _ in first })
      names.formUnion(own.map(\.job))
      found += records.filter { $0.dynamic != nil }
    }
    dynamic = Dictionary(grouping: found, by: \.job)
  }

  /// Where the job's own schedule stands, in the store that it has now; nil: that store knows nothing of it.
  func schedule(of job: JobDefinition) -> ScheduleRecord? {
    stores.store(of: job).flatMap { schedules[ObjectIdentifier($0)]?[job.name] }
  }

  /// The same of a job that no script declares: wherever it is.
  func schedule(ofOrphan job: String) -> ScheduleRecord? {
    stores.members.lazy.compactMap { schedules[ObjectIdentifier($0.store)]?[job] }.first
  }

  /// The newest run that has ended.
  func lastRun(of job: JobDefinition) throws -> RunRecord? { try lastRun(job.name, in: stores.store(of: job)) }

  func lastRun(ofOrphan job: String) throws -> RunRecord? {
    for member in stores.members { if let run = try lastRun(job, in: member.store) { return run } }
    return nil
  }

  private func lastRun(_ job: String, in store: (any InspectableStore)?) throws -> RunRecord? {
    let query = RunQuery(job: job, outcomes: Set(Outcome.allCases), limit: 1)
    return try ReadStores.orFail { try store?.runs(query).first }
  }

  /// How far the only run of a job says it is, while it is under way.
  func progress(of job: JobDefinition, _ open: [RunRecord]) throws -> RunLogLine? {
    guard open.count == 1, let run = open.first, run.claimedAt != nil else { return nil }
    return try ReadStores.orFail { try stores.store(of: job)?.progress(of: run.id) }
  }
}
