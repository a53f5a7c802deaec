package import Chronology

/// What a run changes at once (`ctx:transaction`, `ctx.outbox`): all of it is committed together, or nothing.
///
/// It is committed once: with the step that it is, or the success that it brings, in the store, it is known to be there
/// already, and nothing is changed again.
///
/// Values are changed by the commit itself. What the scheduler is to do (events, runs, schedules) is committed as an
/// ``RunIntent``, and done after it: once, also when the host dies between the two.
package struct RunTransaction: Sendable {
  package var keyValues: [KeyValueChange] = []
  /// The step that the transaction is, so that a run that comes by again does not do it again.
  package var step: RunStep?
  /// What the scheduler is to do; nil: nothing. The store gives it its id.
  package var intent: RunIntent?
  /// The run's success, when it is to be committed with the rest.
  package var finished: RunRecord?

  package init() {}

  /// About how many bytes its texts have.
  package var textBytes: Int {
    keyValues.reduce(finished?.textBytes ?? 0) { $0 + $1.bytes } + (intent?.operations.text.utf8.count ?? 0)
      + (step?.textBytes ?? 0)
  }
}

/// What the scheduler is to do for a transaction that is committed: kept by the store until a batch says that it was
/// done (``StepChange/performed(_:)``).
package struct RunIntent: Sendable, Equatable {
  /// Given by the store; rises, and none is given twice.
  package var id: Int64 = 0
  /// The run that asked for it.
  package var run: RunID
  /// The step that it belongs to; 0: the run's success.
  package var position: Int32
  package var job: String
  package var at: Instant
  /// A JSON list of what to do, in order.
  package var operations: JSONText

  package init(id: Int64 = 0, run: RunID, position: Int32 = 0, job: String, at: Instant, operations: JSONText) {
    self.id = id
    self.run = run
    self.position = position
    self.job = job
    self.at = at
    self.operations = operations
  }
}

/// What became of a transaction that was not refused.
package enum TransactionAnswer: Sendable, Equatable {
  /// All of it is durable; the id of its intent, 0 without one.
  case committed(intent: Int64)
  /// A value has another version than was expected: nothing was changed.
  case conflict
}
