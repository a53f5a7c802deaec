import JobModel

/// Orphaned jobs in the order in which they went.
struct Orphans: Sendable {
  struct Entry: Sendable {
    var index: JobIndex
    /// Which of its orphanings it is: a job may return and go again.
    var number: UInt64
    /// The batches that its store had been given when its record was flushed: the next one has it, or a later one.
    var after: UInt64
  }
  var queue: [Entry] = []
  /// The orphaning that counts, by job.
  var numbers: [JobIndex: UInt64] = [:]
  var last: UInt64 = 0
}
