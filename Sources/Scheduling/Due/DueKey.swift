import Chronology
import JobModel

/// What the jobs in one queue of the due queue have in common, and therefore nobody has to compare.
struct DueKey: Sendable, Equatable {
  /// Index of their store: what is due waits in its own queue while the store cannot be written.
  var store: Int16
  /// −priority, as in `ClaimOrder`.
  var rank: Int32
}

/// A job whose turn it is.
struct DueJob {
  var job: JobIndex
  var rank: Int32
  /// Nanoseconds since the epoch.
  var due: Int64

  /// Before a run that was accepted: by priority, then by time; a run that is there already comes first among equals.
  func precedes(_ run: ClaimOrder) -> Bool { rank != run.rank ? rank < run.rank : due < run.fireTime }
}
