internal import Chronology
internal import JobModel
internal import Lua
internal import Triggers

/// What is known about a job while its tables are read: host defaults, then the script's, then its own, later ones over
/// earlier.
///
/// A value: each job of a script starts from a copy of what the defaults said.
struct JobDraft {
  /// Everything that is a plain option. Its payload is a placeholder until the functions are captured.
  var definition: JobDefinition
  var timing: Timing
  var roots = JobRoots()

  /// What its time triggers are made of.
  struct Timing {
    var zone: TimeZoneRules
    var dst = DSTPolicy()
    /// The constructors and values of the time triggers, in the order of `JobField`.
    var times: [(field: JobField, value: LuaValue)] = []
    var startDate: LuaValue?
    var endDate: LuaValue?
    /// Fields of the job's own table that mean nothing without a time trigger.
    var timeOptions: [JobField] = []
  }

  /// A job about which nobody has said anything.
  init(zone: TimeZoneRules) {
    timing = Timing(zone: zone)
    definition = JobDefinition(name: "", source: SourceLocation(file: "", line: 0), payload: NoPayload.instance)
    definition.timeZone = zone.name
  }
}

/// Stands where a job's payload will be, while its functions still live in the declaring state.
final class NoPayload: JobPayload {
  static let instance = NoPayload()
  func difference(from other: any JobPayload) -> PayloadDifference { .code }
}
