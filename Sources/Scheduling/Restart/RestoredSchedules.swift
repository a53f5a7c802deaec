import JobModel

/// Jobs' own schedules that the stores know and no script has declared so far, by name.
///
/// A restart fills it with every schedule there is and empties it one by one; with the last one its memory goes. (A
/// dictionary keeps its table: 400 bytes for each of 100,000 schedules that have long been taken.)
///
/// Complexity: O(1) each but `sorted`.
struct RestoredSchedules: Sendable {
  struct Entry: Sendable {
    var record: ScheduleRecord
    /// Index of the store that keeps it.
    var store: Int
  }

  /// nil: taken. In the order in which the stores told them.
  private var entries: ContiguousArray<Entry?> = []
  private var names = NameIndex()
  private var count = 0

  var isEmpty: Bool { count == 0 }

  /// Of that job.
  subscript(job: String) -> Entry? {
    get { index(of: job).flatMap { entries[$0] } }
    set {
      guard let newValue else { return _ = take(job) }
      if let index = index(of: job) {
        entries[index] = newValue
      } else {
        names.insert(job, at: entries.count)
        entries.append(newValue)
        count += 1
      }
    }
  }

  mutating func reserveCapacity(_ capacity: Int) {
    entries.reserveCapacity(capacity)
    names.reserveCapacity(capacity)
  }

  /// The entry of that job, which goes.
  mutating func take(_ job: String) -> Entry? {
    guard let index = index(of: job), let entry = entries[index].take() else { return nil }
    count -= 1
    if count == 0 {
      self = RestoredSchedules()
    } else if entries.count > 64, 4 * count < entries.count {
      shrink()
    }
    return entry
  }

  /// To what is left: each time a quarter of what there was, so that a name taken costs O(1) all the same.
  private mutating func shrink() {
    var smaller = RestoredSchedules()
    smaller.reserveCapacity(count)
    for case let entry? in entries { smaller[entry.record.job] = entry }
    self = smaller
  }

  /// What is left, by name.
  var sorted: [Entry] { entries.compactMap { $0 }.sorted { $0.record.job < $1.record.job } }

  /// Places of entries that were taken are found no more: the same name may have come back at another one.
  private func index(of job: String) -> Int? { names.index(of: job) { entries[$0]?.record.job == job } }
}
