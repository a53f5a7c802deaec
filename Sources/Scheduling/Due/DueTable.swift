import JobModel

/// What falls due when: a priority queue for each store and priority, among whose jobs the due time alone says whose
/// turn it is. What is due stays in here until there is room in the window.
///
/// Invariant: `keys` names what the jobs in each queue have in common, in the order of the queues.
struct DueTable: Sendable {
  private var queue = DueQueue()
  private(set) var keys: [DueKey] = [DueKey(store: 0, rank: 0)]
  /// Searches for a next fire that went on in this tick.
  var searches = 0

  var indices: Range<Int> { keys.indices }
  /// Jobs that will be due.
  var count: Int { queue.count }

  /// Traps when an invariant is broken. For tests.
  func checkInvariants() { queue.checkInvariants() }

  @inline(__always)
  func first(in key: Int) -> DueQueue.Entry? { queue.first(in: key) }

  mutating func set(_ job: JobIndex, due: Int64, in key: Int) { queue.set(job, due: due, in: key) }

  mutating func remove(_ job: JobIndex) { queue.remove(job) }

  /// The queue of `key`; made when there is none.
  mutating func queue(of key: DueKey) -> Int {
    if let known = keys.firstIndex(of: key) { return known }
    keys.append(key)
    return queue.addQueue()
  }
}
