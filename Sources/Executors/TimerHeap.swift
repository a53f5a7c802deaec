/// Sleeping runs by the time at which they are to be looked at: a heap of four children per node, in which each run
/// knows its place, so that a run that is resumed earlier is taken out at once instead of being skipped later.
///
/// 24 bytes a sleeper. Entries of equal time come in no particular order. (Why four: half the levels of a binary heap,
/// and the children of a node share one or two cache lines.)
struct TimerHeap: Sendable {
  struct Entry: Sendable {
    let at: Int64
    /// The suspension that it is meant for.
    let suspension: UInt32
    let run: PoolRun
  }
  private var entries: [Entry] = []

  var count: Int { entries.count }

  /// The earliest time, `.max` when nobody sleeps. O(1)
  var earliest: Int64 { entries.first?.at ?? .max }

  /// O(log n). A run is in the heap at most once.
  mutating func insert(_ entry: Entry) {
    precondition(unsafe entry.run.timerPosition < 0, "a run has one timer")
    entries.append(entry)
    siftUp(entries.count - 1, entry)
  }

  /// Takes a run out, if it is in. O(log n)
  mutating func remove(_ run: PoolRun) {
    // Safe here and below: positions are guarded by the lock around this heap.
    let position = unsafe Int(run.timerPosition)
    guard position >= 0 else { return }
    unsafe run.timerPosition = -1
    let last = entries.removeLast()
    guard position < entries.count else { return }
    if position > 0, last.at < entries[(position - 1) / 4].at {
      siftUp(position, last)
    } else {
      siftDown(position, last)
    }
  }

  /// Takes out the earliest if its time has come. O(log n)
  mutating func popDue(at now: Int64) -> Entry? {
    guard let first = entries.first, first.at <= now else { return nil }
    remove(first.run)
    return first
  }

  private mutating func siftUp(_ start: Int, _ entry: Entry) {
    var position = start
    while position > 0 {
      let parent = (position - 1) / 4
      guard entry.at < entries[parent].at else { break }
      put(entries[parent], at: position)
      position = parent
    }
    put(entry, at: position)
  }

  private mutating func siftDown(_ start: Int, _ entry: Entry) {
    var position = start
    while true {
      let first = 4 * position + 1
      guard first < entries.count else { break }
      var least = first
      for child in (first + 1)..<max(first + 1, min(first + 4, entries.count))
      where entries[child].at < entries[least].at {
        least = child
      }
      guard entries[least].at < entry.at else { break }
      put(entries[least], at: position)
      position = least
    }
    put(entry, at: position)
  }

  private mutating func put(_ entry: Entry, at position: Int) {
    entries[position] = entry
    unsafe entry.run.timerPosition = Int32(position)
  }
}
