import Chronology
import JobModel

/// What the stores knew when the host started, as far as nobody has declared it yet, or decided about it.
///
/// Invariant: an id of `dynamicIDs` names the job under which `dynamic` has its schedule, and is no key of `forgotten`.
struct RestartTable: Sendable {
  /// Records of schedules that no script has declared so far, with their store.
  var schedules = RestoredSchedules()
  /// Dynamic schedules, by their job, while that is not declared; and the job of each, by id.
  var dynamic: [String: [RestoredSchedule]] = [:]
  var dynamicIDs: [String: String] = [:]
  /// Dynamic schedules of jobs that were forgotten: their ids stay taken, and their stores have the rest.
  var forgotten: [String: ForgottenSchedule] = [:]
  /// Records of such schedules that another store keeps now.
  var leftBehind: [(id: String, store: Int)] = []
  /// Runs without an outcome, until `start` decides about them.
  var unfinished: [(record: RunRecord, store: Int)] = []
  /// Those of them that other hosts have.
  var placed: Set<RunID> = []
  /// Those that other hosts have and whose job nobody has declared: they were told to end, and their rows wait for it.
  var elsewhere: [RunID: (record: RunRecord, store: Int)] = [:]
  /// Parked runs whose job nobody has declared.
  var parked: [(record: RunRecord, store: Int)] = []
  /// What transactions have asked for, until somebody carries it out.
  var intents: [(intent: RunIntent, store: Int)] = []
  /// Whether some scripts were still loading at the start, so that jobs that the stores know may yet be declared.
  var isAwaitingScripts = false
  /// Stores that were taken over from another host, and the jobs that they knew, until `start`: those do not run
  /// because of it (`run_at_start`).
  var takeovers: Set<Int> = []
  var continued: Set<JobIndex> = []
  /// Starts before this life that rates may have to count, until `start`.
  var starts: [RecordedStart] = []
}

/// What is left in memory of a dynamic schedule whose job was forgotten: enough to refuse its id to others, and to take
/// it away.
struct ForgottenSchedule: Sendable {
  var job: String
  var store: Int
}
