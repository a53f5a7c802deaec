package import JobModel

/// The due times of all jobs: an indexed 4-ary heap with at most one entry per job.
///
/// Keyed by (due time, job), so that equal due times come out in the order of registration and a run of the scheduler is
/// reproducible. `set` moves an entry up or down in place: no tombstones, so the queue never holds more than it has jobs.
///
/// - Complexity: `set`, `remove`, `popFirst` O(log n) with four children a level (half the levels of a binary heap, and the
///   children share a cache line); `first` O(1). No allocation once the arrays have grown.
package struct DueQueue: Sendable {
  package struct Entry: Sendable, Equatable {
    /// Nanoseconds since the epoch.
    package var due: Int64
    package var job: JobIndex

    @inline(__always)
    func precedes(_ other: Entry) -> Bool { due < other.due || (due == other.due && job.position < other.job.position) }
  }

  /// Heap order: no child precedes its parent.
  private var heap: ContiguousArray<Entry> = []
  /// By job: where its entry is in `heap`, or −1.
  private var positions: ContiguousArray<Int32> = []

  package init() {}

  package var count: Int { heap.count }
  package var first: Entry? { heap.first }

  package func due(of job: JobIndex) -> Int64? {
    guard job.offset < positions.count, positions[job.offset] >= 0 else { return nil }
    return heap[Int(positions[job.offset])].due
  }

  /// Enters `job`, or moves it, to `due`.
  package mutating func set(_ job: JobIndex, due: Int64) {
    while positions.count <= job.offset { positions.append(-1) }
    let position = Int(positions[job.offset])
    let entry = Entry(due: due, job: job)
    if position < 0 {
      heap.append(entry)
      siftUp(entry, from: heap.count - 1)
    } else if entry.precedes(heap[position]) {
      siftUp(entry, from: position)
    } else {
      siftDown(entry, from: position)
    }
  }

  /// Takes `job` out; nothing happens when it is not in.
  package mutating func remove(_ job: JobIndex) {
    guard job.offset < positions.count, positions[job.offset] >= 0 else { return }
    let position = Int(positions[job.offset])
    positions[job.offset] = -1
    let last = heap.removeLast()
    guard position < heap.count else { return }
    if position > 0, last.precedes(heap[(position - 1) / 4]) {
      siftUp(last, from: position)
    } else {
      siftDown(last, from: position)
    }
  }

  /// Takes out the earliest entry when it is due at `now` (nanoseconds since the epoch) or before.
  package mutating func popFirst(dueBy now: Int64) -> Entry? {
    guard let first = heap.first, first.due <= now else { return nil }
    remove(first.job)
    return first
  }

  private mutating func siftUp(_ entry: Entry, from start: Int) {
    var position = start
    while position > 0 {
      let parent = (position - 1) / 4
      guard entry.precedes(heap[parent]) else { break }
      place(heap[parent], at: position)
      position = parent
    }
    place(entry, at: position)
  }

  private mutating func siftDown(_ entry: Entry, from start: Int) {
    var position = start
    let count = heap.count
    while true {
      let firstChild = 4 * position + 1
      guard firstChild < count else { break }
      var least = firstChild
      for child in firstChild + 1..<max(firstChild + 1, min(firstChild + 4, count)) where heap[child].precedes(heap[least]) {
        least = child
      }
      guard heap[least].precedes(entry) else { break }
      place(heap[least], at: position)
      position = least
    }
    place(entry, at: position)
  }

  @inline(__always)
  private mutating func place(_ entry: Entry, at position: Int) {
    heap[position] = entry
    positions[entry.job.offset] = Int32(truncatingIfNeeded: position)
  }

  /// Traps when an invariant is broken. For tests.
  package func checkInvariants() {
    for position in heap.indices {
      if position > 0 {
        precondition(!heap[position].precedes(heap[(position - 1) / 4]), "heap order is broken at \(position)")
      }
      precondition(positions[heap[position].job.offset] == position, "position of job \(heap[position].job) is wrong")
    }
    precondition(positions.count(where: { $0 >= 0 }) == heap.count, "a job has a position and no entry")
  }
}
