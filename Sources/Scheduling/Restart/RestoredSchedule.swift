import JobModel
import Triggers

/// A dynamic schedule that a store knows, while its job is not declared.
struct RestoredSchedule: Sendable {
  var record: ScheduleRecord
  var store: Int
  /// nil: its text cannot be read here.
  var trigger: AnyTrigger?
}
