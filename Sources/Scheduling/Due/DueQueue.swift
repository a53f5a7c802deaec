package import JobModel

/// The due times of all jobs: indexed 4-ary heaps, one for each lane, with at most one entry per job.
///
/// A lane holds jobs among which the due time alone says whose turn it is: those of one store and one priority. So a
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
  private struct Place {
    var lane: Int32
    var position: Int32
  }

  /// By lane, in heap order: no child precedes its parent.
  private var heaps: [ContiguousArray<Entry>] = [[]]
  private var places = ContiguousArray<Place>()

  package init() {}

  package var count: Int { heaps.reduce(0) { $0 + $1.count } }

  /// The earliest entry of a lane.
  @inline(__always)
  package func first(in lane: Int = 0) -> Entry? { heaps[lane].first }

  /// A lane more. Returns its number; lane 0 is there from the beginning.
  package mutating func addLane() -> Int {
    heaps.append([])
    return heaps.count - 1
  }

  /// Enters `job`, or moves it, to `due` in `lane`.
  package mutating func set(_ job: JobIndex, due: Int64, in lane: Int = 0) {
    while places.count <= job.offset { places.append(Place(lane: 0, position: -1)) }
    if places[job.offset].position >= 0, Int(places[job.offset].lane) != lane { remove(job) }
    let position = Int(places[job.offset].position)
    let entry = Entry(due: due, job: job)
    if position < 0 {
      places[job.offset].lane = Int32(truncatingIfNeeded: lane)
      heaps[lane].append(entry)
      Self.siftUp(&heaps[lane], &places, entry, from: heaps[lane].count - 1)
    } else if entry.precedes(heaps[lane][position]) {
      Self.siftUp(&heaps[lane], &places, entry, from: position)
    } else {
      Self.siftDown(&heaps[lane], &places, entry, from: position)
    }
  }

  /// Takes `job` out; nothing happens when it is not in.
  package mutating func remove(_ job: JobIndex) {
    guard job.offset < places.count, places[job.offset].position >= 0 else { return }
    let (lane, position) = (Int(places[job.offset].lane), Int(places[job.offset].position))
    places[job.offset].position = -1
    let last = heaps[lane].removeLast()
    guard position < heaps[lane].count else { return }
    if position > 0, last.precedes(heaps[lane][(position - 1) / 4]) {
      Self.siftUp(&heaps[lane], &places, last, from: position)
    } else {
      Self.siftDown(&heaps[lane], &places, last, from: position)
    }
  }

  /// Takes out the earliest entry of a lane when it is due at `now` (nanoseconds since the epoch) or before.
  package mutating func popFirst(dueBy now: Int64, in lane: Int = 0) -> Entry? {
    guard let first = first(in: lane), first.due <= now else { return nil }
    remove(first.job)
    return first
  }

  // Static, and given the two arrays: the sifts then work on one heap in place, without looking for it at each step.

  private static func siftUp(
    _ heap: inout ContiguousArray<Entry>, _ places: inout ContiguousArray<Place>, _ entry: Entry, from start: Int
  ) {
    var position = start
    while position > 0 {
      let parent = (position - 1) / 4
      guard entry.precedes(heap[parent]) else { break }
      place(heap[parent], at: position, &heap, &places)
      position = parent
    }
    place(entry, at: position, &heap, &places)
  }

  private static func siftDown(
    _ heap: inout ContiguousArray<Entry>, _ places: inout ContiguousArray<Place>, _ entry: Entry, from start: Int
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
      place(heap[least], at: position, &heap, &places)
      position = least
    }
    place(entry, at: position, &heap, &places)
  }

  @inline(__always)
  private static func place(
    _ entry: Entry, at position: Int, _ heap: inout ContiguousArray<Entry>, _ places: inout ContiguousArray<Place>
  ) {
    heap[position] = entry
    places[entry.job.offset].position = Int32(truncatingIfNeeded: position)
  }

  /// Traps when an invariant is broken. For tests.
  package func checkInvariants() {
    for (lane, heap) in heaps.enumerated() {
      for position in heap.indices {
        if position > 0 {
          precondition(!heap[position].precedes(heap[(position - 1) / 4]), "heap order is broken at \(position)")
        }
        let place = places[heap[position].job.offset]
        precondition(place.lane == lane && place.position == position, "place of job \(heap[position].job) is wrong")
      }
    }
    precondition(places.count(where: { $0.position >= 0 }) == count, "a job has a place and no entry")
  }
}
