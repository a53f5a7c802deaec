internal import Synchronization

/// Where a job's idle Lua states are found (`state = "job"`): what the job's payload is besides, so that an order leads
/// to them without a lookup.
///
/// It is one number until the job has run. When the payload goes (the job changed, or was removed) its idle states go
/// with it, and those still running are not kept when they end: that is how a changed job gets a fresh state "when
/// idle".
package class JobStates: @unchecked Sendable {
  // @unchecked: both fields are guarded by the lock of `table`; only one `KeptStates` ever sees this object.
  fileprivate var home: Int32 = -1
  fileprivate var table: KeptStates?

  init() {}

  deinit { table?.close(home) }
}

/// How many states are kept, for metrics.
package struct KeptStateCounts: Sendable, Equatable {
  package var states = 0
  package var bytes = 0
  /// Dropped to stay under the limit, since the start.
  package var evictions = 0
}

/// The idle states of all jobs with `state = "job"`, capped in bytes, least recently used dropped first.
///
/// Running and suspended states are not in here: a run takes its state out and puts it back. Both are one lock and a
/// few index moves, whatever the number of jobs (measured: see docs/lua-api/ctx.md on the lifetime of states for what
/// it means to scripts). Links are indices into two arrays, so that nothing here is unsafe and dropping a long list
/// cannot recurse.
final class KeptStates: Sendable {
  /// Reports evictions: how many, how many bytes, the name of the first job, and the limit.
  typealias EvictionReport = @Sendable (_ states: Int, _ bytes: Int, _ job: String, _ limit: Int) -> Void

  private let onEviction: EvictionReport
  private let table = Mutex(Table())

  /// - Parameter limit: bytes of idle states.
  init(limit: Int, onEviction: @escaping EvictionReport) {
    self.onEviction = onEviction
    table.withLock { $0.limit = limit }
  }

  /// Bytes of idle states at the most. A smaller limit takes effect when the next state is kept.
  var limit: Int {
    get { table.withLock { $0.limit } }
    set { table.withLock { $0.limit = newValue } }
  }

  /// The idle state of the job that was made first: a job whose runs do not overlap always gets the same one. O(1).
  func take(for job: JobStates) -> JobInstance? {
    table.withLock { table in
      guard job.home >= 0 else { return nil }
      let entry = table.homes[Int(job.home)].firstIdle
      return entry >= 0 ? table.remove(entry) : nil
    }
  }

  /// Keeps a state whose run has ended, and drops the longest unused ones while there are too many bytes. O(1) plus
  /// what is dropped, and the job's other idle states.
  func keep(_ instance: JobInstance, for job: JobStates) {
    let bytes = instance.footprint
    var dropped: [JobInstance] = []
    var droppedBytes = 0
    let limit = table.withLock { table in
      if job.home < 0 {
        job.home = table.openHome()
        job.table = self
      }
      table.insert(instance, bytes: bytes, home: job.home)
      while table.bytes > table.limit, table.oldest >= 0 {
        droppedBytes += table.entries[Int(table.oldest)].bytes
        dropped.append(table.remove(table.oldest))
        table.evictions += 1
      }
      return table.limit
    }
    // Released outside the lock: giving a state's memory back takes microseconds.
    if let first = dropped.first { onEviction(dropped.count, droppedBytes, first.jobName, limit) }
  }

  var counts: KeptStateCounts {
    table.withLock { KeptStateCounts(states: $0.count, bytes: $0.bytes, evictions: $0.evictions) }
  }

  /// Drops everything that is idle.
  func removeAll() {
    let dropped = table.withLock { table in
      var dropped: [JobInstance] = []
      while table.oldest >= 0 { dropped.append(table.remove(table.oldest)) }
      return dropped
    }
    _ = dropped
  }

  /// The job's payload has gone.
  fileprivate func close(_ home: Int32) {
    let dropped = table.withLock { table in
      var dropped: [JobInstance] = []
      while table.homes[Int(home)].firstIdle >= 0 { dropped.append(table.remove(table.homes[Int(home)].firstIdle)) }
      table.closeHome(home)
      return dropped
    }
    _ = dropped
  }

  /// One idle state, or a free place.
  private struct Entry {
    var instance: JobInstance?
    var bytes = 0
    var home: Int32 = -1
    /// Neighbours in the order of use.
    var older: Int32 = -1
    var newer: Int32 = -1
    /// The job's next idle state; of a free place, the next free one.
    var next: Int32 = -1
  }

  /// A job's idle states, in the order in which they were made.
  private struct Home {
    var firstIdle: Int32 = -1
    var nextFree: Int32 = -1
  }

  private struct Table {
    var limit = 0
    var entries: [Entry] = []
    var homes: [Home] = []
    var freeEntry: Int32 = -1
    var freeHome: Int32 = -1
    var oldest: Int32 = -1
    var newest: Int32 = -1
    var count = 0
    var bytes = 0
    var evictions = 0

    mutating func openHome() -> Int32 {
      guard freeHome >= 0 else {
        homes.append(Home())
        return Int32(homes.count - 1)
      }
      let home = freeHome
      freeHome = homes[Int(home)].nextFree
      homes[Int(home)] = Home()
      return home
    }

    mutating func closeHome(_ home: Int32) {
      homes[Int(home)].nextFree = freeHome
      freeHome = home
    }

    mutating func insert(_ instance: JobInstance, bytes: Int, home: Int32) {
      let index: Int32
      if freeEntry >= 0 {
        index = freeEntry
        freeEntry = entries[Int(index)].next
      } else {
        index = Int32(entries.count)
        entries.append(Entry())
      }
      // The job's list is sorted by age of the state: with few instances this is the first comparison.
      var before: Int32 = -1
      var after = homes[Int(home)].firstIdle
      while after >= 0, let other = entries[Int(after)].instance, other.number < instance.number {
        before = after
        after = entries[Int(after)].next
      }
      entries[Int(index)] = Entry(
        instance: instance, bytes: bytes, home: home, older: newest, newer: -1, next: after)
      if before >= 0 { entries[Int(before)].next = index } else { homes[Int(home)].firstIdle = index }
      if newest >= 0 { entries[Int(newest)].newer = index } else { oldest = index }
      newest = index
      count += 1
      self.bytes += bytes
    }

    mutating func remove(_ index: Int32) -> JobInstance {
      guard let instance = entries[Int(index)].instance else { preconditionFailure("a free place holds no state") }
      let (older, newer) = (entries[Int(index)].older, entries[Int(index)].newer)
      if older >= 0 { entries[Int(older)].newer = newer } else { oldest = newer }
      if newer >= 0 { entries[Int(newer)].older = older } else { newest = older }
      let (home, next) = (Int(entries[Int(index)].home), entries[Int(index)].next)
      if homes[home].firstIdle == index {
        homes[home].firstIdle = next
      } else {
        var before = homes[home].firstIdle
        while entries[Int(before)].next != index { before = entries[Int(before)].next }
        entries[Int(before)].next = next
      }
      count -= 1
      bytes -= entries[Int(index)].bytes
      entries[Int(index)].instance = nil
      entries[Int(index)].next = freeEntry
      freeEntry = index
      return instance
    }
  }
}
