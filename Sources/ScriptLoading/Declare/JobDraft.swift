package import Chronology
package import JobModel
package import Lua
package import ScriptRuntime
package import Triggers

/// What is known about a job while its tables are read: host defaults, then the script's, then its own, later ones over
/// earlier.
///
/// A value: each job of a script starts from a copy of what the defaults said.
package struct JobDraft {
  /// Everything that is a plain option. Its payload is a placeholder until the functions are captured.
  package var definition: JobDefinition
  package var timing: Timing
  package var roots = JobRoots()

  /// What its time triggers are made of.
  package struct Timing {
    package var zone: TimeZoneRules
    package var dst = DSTPolicy()
    /// The constructors and values of the time triggers, in the order of `JobField`.
    package var times: [(field: JobField, value: LuaValue)] = []
    package var startDate: LuaValue?
    package var endDate: LuaValue?
    /// Fields of the job's own table that mean nothing without a time trigger.
    package var timeOptions: [JobField] = []
  }

  /// A job about which nobody has said anything.
  package init(zone: TimeZoneRules) {
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
