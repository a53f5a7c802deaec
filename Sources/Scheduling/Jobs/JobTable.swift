import JobModel

/// All schedules: those that jobs declare and dynamic ones, in slots that are used again.
///
/// Invariants: a name leads to the one slot of the job that has it; an id to the one slot of its schedule; a slot is
/// vacant or somebody's; what is dirty is listed once.
///
/// - Complexity: O(1) for everything that is not said to walk.
package struct JobTable: Sendable, RandomAccessCollection, MutableCollection {
  /// By `JobIndex`. A job that has gone stays, orphaned, until it is forgotten.
  private var slots: ContiguousArray<ScheduledJob> = []
  /// Slots that nobody has.
  private var vacant: [JobIndex] = []
  /// Of the jobs themselves, by name.
  private(set) var names = NameIndex()
  /// Dynamic schedules, by id.
  var dynamic: [String: JobIndex] = [:]
  /// Those of each job that has any.
  private var dynamicByBase: [JobIndex: Set<JobIndex>] = [:]
  /// Jobs that have gone and may be forgotten.
  var orphans = Orphans()
  /// How often a job was forgotten.
  private(set) var forgotten = 0
  /// Grows whenever a schedule came or went, or anything of it changed but where it stands.
  private(set) var changes = 0
  /// Those that moved in their schedule since the last flush, each once.
  private(set) var dirty: [JobIndex] = []
  /// Jobs that changes of the definitions have looked at so far, each time one more: what reloads cost. For tests and
  /// measurements.
  package internal(set) var examined = 0
  /// Texts of triggers that this evaluation has made.
  var texts = TriggerTexts()

  init() {}

  package var startIndex: Int { 0 }
  package var endIndex: Int { slots.count }

  package subscript(offset: Int) -> ScheduledJob {
    // As an array's own: a coroutine (`_read`) was not inlined, and took seven allocations of each run's way.
    @inline(__always) get { slots[offset] }
    @inline(__always) _modify { yield &slots[offset] }
  }

  mutating func reserveCapacity(_ count: Int) {
    slots.reserveCapacity(Swift.max(slots.count, count))
    names.reserveCapacity(Swift.max(names.count, count))
  }

  // MARK: Names

  /// The slot of the job of that name.
  func index(of name: String) -> JobIndex? {
    names.index(of: name) { slots[$0].entry.definition.name == name }.map { JobIndex($0) }
  }

  // MARK: Coming and going

  /// Gives a job a slot, and its name.
  mutating func add(_ job: ScheduledJob) -> JobIndex {
    let index = addSlot(job)
    names.insert(job.entry.definition.name, at: index.offset)
    return index
  }

  /// Gives a dynamic schedule a slot, and its id.
  mutating func add(dynamic job: ScheduledJob, id: String, of base: JobIndex) -> JobIndex {
    let index = addSlot(job)
    dynamic[id] = index
    dynamicByBase[base, default: []].insert(index)
    return index
  }

  private mutating func addSlot(_ job: ScheduledJob) -> JobIndex {
    changes += 1
    guard let index = vacant.popLast() else {
      slots.append(job)
      return JobIndex(slots.count - 1)
    }
    slots[index.offset] = job
    return index
  }

  /// How many dynamic schedules hang on a job.
  func dynamicCount(of base: JobIndex) -> Int { dynamicByBase.isEmpty ? 0 : dynamicByBase[base]?.count ?? 0 }

  /// The dynamic schedules of a job, in the order of their slots. O(k log k) for k of them.
  func dynamicSchedules(of base: JobIndex) -> [JobIndex] {
    guard !dynamicByBase.isEmpty, let known = dynamicByBase[base] else { return [] }
    return known.sorted { $0.position < $1.position }
  }

  /// Whether all dynamic schedules of a job are so. O(k) for k of them.
  func allDynamicSchedules(of base: JobIndex, _ isSo: (JobIndex) -> Bool) -> Bool {
    dynamicByBase.isEmpty ? true : dynamicByBase[base]?.allSatisfy(isSo) ?? true
  }

  /// A dynamic schedule hangs on its job no more.
  mutating func unhang(_ index: JobIndex, from base: JobIndex) {
    dynamicByBase[base]?.remove(index)
    if dynamicByBase[base]?.isEmpty == true { dynamicByBase[base] = nil }
  }

  /// The slot is anybody's from now on.
  mutating func vacate(_ index: JobIndex) {
    changes += 1
    vacant.append(index)
  }

  /// A job is not known here any more: its name leads nowhere.
  mutating func forget(_ name: String) {
    names.remove(name) { slots[$0].entry.definition.name == name }
    forgotten += 1
    changes += 1
  }

  /// One is left to the stores that was never here.
  mutating func noteForgotten() { forgotten += 1 }

  // MARK: What the stores must be told

  /// The schedule moved.
  mutating func markDirty(_ index: JobIndex) {
    guard !slots[index.offset].isDirty else { return }
    slots[index.offset].dirt = .fires
    dirty.append(index)
  }

  /// Has the store keep the whole record of a schedule, as it stands at the end of this evaluation.
  mutating func keep(_ index: JobIndex) {
    changes += 1
    markDirty(index)
    slots[index.offset].dirt = .record
  }

  /// Another schedule has taken the slot before it was flushed.
  mutating func forgetDirt(of index: JobIndex) {
    slots[index.offset].dirt = .none
    dirty.removeAll { $0 == index }
  }

  /// Where a schedule stands, as a store keeps it.
  mutating func record(of index: JobIndex, clockEpoch: ClockEpoch, arrivals: [UpstreamArrival]) -> ScheduleRecord {
    let hint = slots[index.offset].dynamic == nil ? JobHint(index) : JobHint()
    return ScheduledJob.record(
      of: &slots[index.offset], clockEpoch: clockEpoch, &texts, arrivals: arrivals, index: hint)
  }

  /// Everything was flushed.
  mutating func flushed() {
    dirty.removeAll(keepingCapacity: true)
    texts.removeAll()
  }
}
