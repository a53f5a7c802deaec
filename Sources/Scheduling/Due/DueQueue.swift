package import JobModel

/// The due times of all jobs: indexed 4-ary heaps, one for each queue, with at most one entry per job.
///
/// A queue holds jobs among which the due time alone says whose turn it is: those of one store and one priority. So a
/// job that is due stays in here until there is room for its run, and costs nothing meanwhile.
///
/// Keyed by (due time, job), so that equal due times come out in the order of registration and a run of the scheduler
/// is reproducible. `set` moves an entry up or down in place: no tombstones, so the queue never holds more than it has
/// jobs.
///
/// - Complexity: `set`, `remove`, `popFirst` O(log n) with four children a level (half the levels of a binary heap, and
///   the children share a cache line); `first` O(1). No allocation once the arrays have grown.
package struct DueQueue: Sendable {
  package struct Entry: Sendable, Equatable {
    /// Nanoseconds since the epoch.
    package var due: Int64
    package var job: JobIndex

    @inline(__always)
    func precedes(_ other: Entry) -> Bool { due < other.due || (due == other.due && job.position < other.job.position) }
  }

  /// Where a job's entry is; none: position −1.
  private struct Slot {
    var queue: Int32
    var position: Int32
  }

  /// By queue, in heap order: no child precedes its parent.
  private var heaps: [ContiguousArray<Entry>] = [[]]
  private var slots = ContiguousArray<Slot>()

  package init() {}

  package var count: Int { heaps.reduce(0) { $0 + $1.count } }

  /// The earliest entry of a queue.
  @inline(__always)
  package func first(in queue: Int = 0) -> Entry? { heaps[queue].first }

  /// A queue more. Returns its number; queue 0 is there from the beginning.
  package mutating func addQueue() -> Int {
    heaps.append([])
    return heaps.count - 1
  }

  /// Enters `job`, or moves it, to `due` in `queue`.
  package mutating func set(_ job: JobIndex, due: Int64, in queue: Int = 0) {
    while slots.count <= job.offset { slots.append(Slot(queue: 0, position: -1)) }
    if slots[job.offset].position >= 0, Int(slots[job.offset].queue) != queue { remove(job) }
    let position = Int(slots[job.offset].position)
    let entry = Entry(due: due, job: job)
    if position < 0 {
      slots[job.offset].queue = Int32(truncatingIfNeeded: queue)
      heaps[queue].append(entry)
      Self.siftUp(&heaps[queue], &slots, entry, from: heaps[queue].count - 1)
    } else if entry.precedes(heaps[queue][position]) {
      Self.siftUp(&heaps[queue], &slots, entry, from: position)
    } else {
      Self.siftDown(&heaps[queue], &slots, entry, from: position)
    }
  }

  /// Takes `job` out; nothing happens when it is not in.
  package mutating func remove(_ job: JobIndex) {
    guard job.offset < slots.count, slots[job.offset].position >= 0 else { return }
    let (queue, position) = (Int(slots[job.offset].queue), Int(slots[job.offset].position))
    slots[job.offset].position = -1
    let last = heaps[queue].removeLast()
    guard position < heaps[queue].count else { return }
    if position > 0, last.precedes(heaps[queue][(position - 1) / 4]) {
      Self.siftUp(&heaps[queue], &slots, last, from: position)
    } else {
      Self.siftDown(&heaps[queue], &slots, last, from: position)
    }
  }

  /// Takes out the earliest entry of a queue when it is due at `now` (nanoseconds since the epoch) or before.
  package mutating func popFirst(dueBy now: Int64, in queue: Int = 0) -> Entry? {
    guard let first = first(in: queue), first.due <= now else { return nil }
    remove(first.job)
    return first
  }

  // Static, and given the two arrays: the sifts then work on one heap in place, without looking for it at each step.

  private static func siftUp(
    _ heap: inout ContiguousArray<Entry>, _ slots: inout ContiguousArray<Slot>, _ entry: Entry, from start: Int
  ) {
    var position = start
    while position > 0 {
      let parent = (position - 1) / 4
      guard entry.precedes(heap[parent]) else { break }
      put(heap[parent], at: position, &heap, &slots)
      position = parent
    }
    put(entry, at: position, &heap, &slots)
  }

  private static func siftDown(
    _ heap: inout ContiguousArray<Entry>, _ slots: inout ContiguousArray<Slot>, _ entry: Entry, from start: Int
  ) {
    var position = start
    let count = heap.count
    while true {
      let firstChild = 4 * position + 1
      guard firstChild < count else { break }
      var least = firstChild
      var child = firstChild + 1
      let end = min(firstChild + 4, count)
      while child < end {
        if heap[child].precedes(heap[least]) { least = child }
        child += 1
      }
      guard heap[least].precedes(entry) else { break }
      put(heap[least], at: position, &heap, &slots)
      position = least
    }
    put(entry, at: position, &heap, &slots)
  }

  @inline(__always)
  private static func put(
    _ entry: Entry, at position: Int, _ heap: inout ContiguousArray<Entry>, _ slots: inout ContiguousArray<Slot>
  ) {
    heap[position] = entry
    slots[entry.job.offset].position = Int32(truncatingIfNeeded: position)
  }

  /// Traps when an invariant is broken. For tests.
  package func checkInvariants() {
    for (queue, heap) in heaps.enumerated() {
      for position in heap.indices {
        if position > 0 {
          precondition(!heap[position].precedes(heap[(position - 1) / 4]), "heap order is broken at \(position)")
        }
        let slot = slots[heap[position].job.offset]
        precondition(slot.queue == queue && slot.position == position, "place of job \(heap[position].job) is wrong")
      }
    }
    precondition(slots.count(where: { $0.position >= 0 }) == count, "a job has a place and no entry")
  }
}
