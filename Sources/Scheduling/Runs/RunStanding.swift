/// What the store has of an active run.
enum RunRow: UInt8, Sendable {
  case none
  /// A row that says that it waits: it is due after a crash, too.
  case waiting
  /// A claim. A retry is dispatched without another, but for one under a rate.
  case claim
}

/// What was asked of an active run before its end.
enum RunCancellation: UInt8, Sendable {
  case none
  /// It is to end as cancelled.
  case requested
  /// The same, because a newer run takes its turn (`overlap = "replace"`): what it was given is not done.
  case replaced
  /// This host's lease on its store is in doubt: it is to end as interrupted.
  case leaseEnded
}

/// How an active run stands to the limits of its job: its group and its rates.
enum LimitState: UInt8, Sendable {
  /// Its job has none, or it has nothing to do with them at the moment.
  case none
  /// It waits in its job's limiter queue.
  case queued
  /// It counts in its job's group, and its rates count a start that was not reported yet.
  case reserved
  /// It counts in its job's group; its start was reported.
  case started

  /// Whether it counts in its job's group.
  var holdsGroupSlot: Bool { self == .reserved || self == .started }
}
