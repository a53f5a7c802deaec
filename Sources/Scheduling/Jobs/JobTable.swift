import JobModel

/// All schedules: those that jobs declare and those made for them at run time, in places that are used again.
///
/// Invariants: a name leads to the one place of the job that has it; an id to the one place of its schedule; a place is
/// vacant or somebody's; what is dirty is listed once.
///
/// - Complexity: O(1) for everything that is not said to walk.
package struct JobTable: Sendable, RandomAccessCollection, MutableCollection {
  /// By `JobIndex`. A job that has gone stays, orphaned, until it is forgotten.
  private var places: ContiguousArray<ScheduledJob> = []
  /// Places that nobody has.
  private var vacant: [JobIndex] = []
  /// Of the jobs themselves, by name.
  private(set) var names = NameIndex()
  /// Schedules made at run time, by id.
  var made: [String: JobIndex] = [:]
  /// How many of them each job has that has any.
  private(set) var madeCounts: [JobIndex: Int] = [:]
  /// Jobs that have gone and may be forgotten.
  var orphans = Orphans()
  /// How often a job was forgotten.
  private(set) var forgotten = 0
  /// Those whose place in their schedule moved since the last flush, each once.
  private(set) var dirty: [JobIndex] = []
  /// Texts of triggers that this evaluation has made.
  var texts = TriggerTexts()

  init() {}

  package var startIndex: Int { 0 }
  package var endIndex: Int { places.count }

  package subscript(offset: Int) -> ScheduledJob {
    // As an array's own: a coroutine (`_read`) was not inlined, and took seven allocations of each run's way.
    @inline(__always) get { places[offset] }
    @inline(__always) _modify { yield &places[offset] }
  }

  mutating func reserveCapacity(_ count: Int) {
    places.reserveCapacity(Swift.max(places.count, count))
    names.reserveCapacity(Swift.max(names.count, count))
  }

  // MARK: Names

  /// The place of the job of that name.
  func index(of name: String) -> JobIndex? {
    names.place(of: name) { places[$0].entry.definition.name == name }.map { JobIndex($0) }
  }

  // MARK: Coming and going

  /// Gives a job a place, and its name.
  mutating func add(_ job: ScheduledJob) -> JobIndex {
    let index = place(job)
    names.insert(job.entry.definition.name, at: index.offset)
    return index
  }

  /// Gives a schedule made at run time a place, and its id.
  mutating func add(made job: ScheduledJob, id: String, of base: JobIndex) -> JobIndex {
    let index = place(job)
    made[id] = index
    madeCounts[base, default: 0] += 1
    return index
  }

  private mutating func place(_ job: ScheduledJob) -> JobIndex {
    guard let index = vacant.popLast() else {
      places.append(job)
      return JobIndex(places.count - 1)
    }
    places[index.offset] = job
    return index
  }

  /// How many schedules made at run time hang on a job.
  func madeCount(of base: JobIndex) -> Int { madeCounts[base] ?? 0 }

  /// A schedule made at run time hangs on its job no more.
  mutating func unhang(from base: JobIndex) {
    let left = (madeCounts[base] ?? 0) - 1
    madeCounts[base] = left > 0 ? left : nil
  }

  /// The place is anybody's from now on.
  mutating func vacate(_ index: JobIndex) { vacant.append(index) }

  /// A job is not known here any more: its name leads nowhere.
  mutating func forget(_ name: String) {
    names.remove(name) { places[$0].entry.definition.name == name }
    forgotten += 1
  }

  /// One is left to the stores that was never here.
  mutating func noteForgotten() { forgotten += 1 }

  // MARK: What the stores must be told

  /// The schedule moved.
  mutating func touch(_ index: JobIndex) {
    guard !places[index.offset].isDirty else { return }
    places[index.offset].dirt = .fires
    dirty.append(index)
  }

  /// Has the store keep the whole record of a schedule, as it stands at the end of this evaluation.
  mutating func keep(_ index: JobIndex) {
    touch(index)
    places[index.offset].dirt = .record
  }

  /// Another schedule has taken the place before it was flushed.
  mutating func forgetDirt(of index: JobIndex) {
    places[index.offset].dirt = .none
    dirty.removeAll { $0 == index }
  }

  /// Where a schedule stands, as a store keeps it.
  mutating func record(of index: JobIndex, clockEpoch: ClockEpoch) -> ScheduleRecord {
    places[index.offset].record(clockEpoch: clockEpoch, &texts)
  }

  /// Everything was flushed.
  mutating func flushed() {
    dirty.removeAll(keepingCapacity: true)
    texts.removeAll()
  }
}
