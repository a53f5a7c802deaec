internal import ScriptRuntime
internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptLoading
internal import Triggers

/// Reads the arguments of `jobs.schedule(name, { … })`, with the fields and the messages that a job's table has.
///
/// Times are read on the clocks of the calling job, or of the `timezone` that the table names.
enum ScheduleDecoder {
  /// - Parameter index: of the job's name; the table follows it.
  static func request(
    _ call: borrowing LuaCall, _ arguments: Arguments, from index: Int = 1
  ) throws(Misuse) -> ScheduleRequest {
    let run = try arguments.run(call)
    let job = try arguments.string(call, index, "a job's name")
    guard case .table(let table) = try arguments.told(try arguments.value(call, index + 1), "the schedule", by: run)
    else {
      throw arguments.misuse(
        "expected a table like { at = \"2027-01-31 09:00\" } as argument 2, got \(arguments.name(call, index + 1))")
    }
    let zone: TimeZoneRules
    do { zone = try run.services.zones.zone(named: run.definition.timeZone) } catch {
      throw arguments.misuse(error.message)
    }
    let environment = DeclareEnvironment(
      zones: run.services.zones, zone: zone, calendars: CalendarLibrary(refusing: noCalendarFiles),
      quotas: run.services.quotas(), now: run.services.wall.now)
    var draft = JobDraft(zone: zone)
    draft.definition.name = job
    var decoder = JobDecoder(environment, .schedule)
    let own = table.fields.filter { $0.key != "id" && $0.key != "replace_existing" }
    decoder.apply(LuaTable(array: table.array, fields: own, others: table.others), to: &draft)
    let id = table.field("id").flatMap { decoder.reading.string("id", $0) }
    let replaces = table.field("replace_existing").flatMap { decoder.reading.bool("replace_existing", $0) }
    var assembly = TriggerAssembly(draft, environment)
    let trigger = assembly.assemble()
    let complaints = decoder.reading.complaints + assembly.complaints + assembly.specificationProblems.map(\.message)
    guard complaints.isEmpty else { throw arguments.misuse(complaints.joined(separator: "; ")) }
    guard let trigger else { throw arguments.misuse("say when: give it at, every, cron, calendar or trigger") }
    var request = ScheduleRequest(job: job, id: id, trigger: trigger)
    request.replaceExisting = replaces ?? false
    request.quota = run.services.quotas().schedulesPerJob
    request.options = options(table, draft.definition)
    return request
  }

  /// Such a schedule lies in the store as a text of its own. No load of scripts would build it anew when the file has
  /// changed, and a host that starts would depend on a file that nobody may have kept.
  private static let noCalendarFiles = TriggerError(
    "a dynamic schedule cannot follow a calendar file",
    suggestion: "write the days as dates = { \"2027-01-01\", … }, or let a job of the script have this trigger")

  /// What the table says; what it leaves out stays the job's.
  private static func options(_ table: LuaTable, _ definition: JobDefinition) -> ScheduleOptions {
    func given<Value>(_ field: JobField, _ value: Value) -> Value? { table.field(field.rawValue) == nil ? nil : value }
    var options = ScheduleOptions()
    options.params = definition.params
    options.jitter = given(.jitter, definition.jitter)
    options.timeZone = given(.timezone, definition.timeZone)
    // `false`: a late run still runs.
    options.misfireGraceTime = given(.misfireGraceTime, definition.misfireGraceTime ?? .max)
    options.coalesce = given(.coalesce, definition.coalesce)
    options.maxInstances = given(.maxInstances, definition.maxInstances)
    options.priority = given(.priority, definition.priority)
    return options
  }
}
