import JobModel

/// A run whose success is being committed with its outbox.
struct FinishingRun: Sendable {
  var transaction: RunTransaction
  var outbox: RunOutbox
  var report: RunReport
  /// The store has it, and has not answered.
  var isUnderWay = false
}
