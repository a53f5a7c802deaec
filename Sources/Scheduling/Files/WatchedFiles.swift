import JobModel

/// The files of jobs that watch for some.
///
/// Invariant: a job of which files wait is among `waiting`, once.
struct WatchedFiles: Sendable {
  var backlogs: [JobIndex: FileBacklog] = [:]
  /// In order of arrival.
  private(set) var waiting: [JobIndex] = []

  mutating func noteWaiting(_ index: JobIndex) {
    if !waiting.contains(index) { waiting.append(index) }
  }

  /// Those of which nothing waits any more leave the list.
  mutating func forgetIdle() { waiting.removeAll { backlogs[$0]?.isWaiting != true } }

  /// The job is forgotten.
  mutating func forget(_ index: JobIndex) {
    if backlogs.removeValue(forKey: index) != nil { waiting.removeAll { $0 == index } }
  }
}
