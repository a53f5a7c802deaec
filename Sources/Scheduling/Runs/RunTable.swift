internal import Basics
package import JobModel

/// One run from its acceptance to its end.
///
/// It has no computed properties: asking a run in the table for one copies the whole run (110 instructions), a stored
/// one is read in its place.
package struct ActiveRun: Sendable {
  package var record: RunRecord
  package var job: JobIndex
  /// The definition that it runs under: the job's newest when it is dispatched, and from then on that one.
  package var entry: JobEntry
  package internal(set) var state: RunState
  /// Index of the store that has, or will have, its row: the job's at its acceptance, whatever a reload says later.
  let store: Int16
  /// Index of the executor that it was handed to.
  var executor: Int16 = 0
  /// What its store has of it.
  var row = RunRow.none
  /// What was asked of it before its end.
  var cancellation = RunCancellation.none
  /// How it stands to the limits of its job.
  var limit = LimitState.none
  /// Of its trigger, and without parameters: its order needs no context. Said once, for who reads the record here
  /// copies it.
  let isPlain: Bool
  /// Retries used so far.
  var retries: Int32 = 0
  /// Monotonic nanoseconds at which `debouncing` or `retrying` ends; of `parked` those of the wall clock.
  var resumesAt: Int64 = 0
  var use: UInt32
}

/// The active runs, in slots that are used again.
///
/// - Complexity: O(1) for everything. A slot's `use` rises when it is freed, so that tokens of ended runs are
///   recognised.
package struct RunTable: Sendable {
  /// By slot. Read and changed in place; `state` only through `move`.
  package internal(set) var slots: ContiguousArray<ActiveRun> = []
  private var free: ContiguousArray<Int32> = []
  /// Accepted runs whose turn it is, by store: what waits for a store that cannot be written is never in another's way.
  var ready: [KeyedHeap<ClaimOrder>]
  /// Runs in `retrying` and `debouncing`, by monotonic nanoseconds.
  var delayed = KeyedHeap<Int64>()
  /// What wakes those in `parked`.
  var parked = ParkedRuns()
  /// What is to be committed for those in `finishing`.
  var finishing: [RunToken: FinishingRun] = [:]
  /// Runs accepted in this evaluation for another reason than their trigger: they get a row even when they must wait.
  var unflushed: [RunToken] = []
  /// Claimed and not started.
  package internal(set) var inWindow = 0
  /// Runs that were queued for their claim so far: who came first comes first.
  var sequence: UInt64 = 0

  init(stores: Int) { ready = Array(repeating: KeyedHeap(), count: stores) }

  /// Active runs.
  package var count: Int { slots.count - free.count }

  mutating func add(_ record: consuming RunRecord, job: JobIndex, entry: JobEntry, store: Int16, state: RunState) -> Int
  {
    precondition(RunState.free.canBecome(state), "a run cannot begin as \(state)")
    let isPlain = record.cause == .schedule && record.isPlain
    if let slot = free.popLast() {
      let slot = Int(slot)
      slots[slot] = ActiveRun(
        record: record, job: job, entry: entry, state: state, store: store, isPlain: isPlain, use: slots[slot].use)
      return slot
    }
    slots.append(
      ActiveRun(record: record, job: job, entry: entry, state: state, store: store, isPlain: isPlain, use: 0))
    return slots.count - 1
  }

  /// Ends the run in `slot`.
  mutating func remove(_ slot: Int) {
    precondition(slots[slot].state != .free, "run slot \(slot) is free already")
    slots[slot].state = .free
    slots[slot].use &+= 1
    free.append(Int32(truncatingIfNeeded: slot))
  }

  func token(_ slot: Int) -> RunToken { RunToken(slot: slot, use: slots[slot].use) }

  /// The slot of `token` while its run is active.
  func slot(_ token: RunToken) -> Int? { slot(Int(token.slot), use: token.use) }

  @inline(__always)
  func slot(_ slot: Int, use: UInt32) -> Int? {
    guard slot >= 0, slot < slots.count, slots[slot].use == use, slots[slot].state != .free else { return nil }
    return slot
  }

  mutating func move(_ slot: Int, to next: RunState) {
    let state = slots[slot].state
    precondition(state.canBecome(next), "run \(slots[slot].record.id) cannot go from \(state) to \(next)")
    slots[slot].state = next
  }

  /// The accepted run whose turn it is, among those whose store can be written; stores are few.
  func firstReady(except failed: [Bool]) -> (store: Int, key: ClaimOrder)? {
    var best: (store: Int, key: ClaimOrder)?
    for store in ready.indices where !failed[store] {
      guard let key = ready[store].first?.key else { continue }
      if let known = best, known.key < key { continue }
      best = (store, key)
    }
    return best
  }

  /// The slots in use, in rising order. O(slots).
  package var activeSlots: [Int] { slots.indices.filter { slots[$0].state != .free } }
}

extension RunTable {
  /// The slot of the parked run that a time stands for; nil: an event has woken it, or it is over.
  func parkedSlot(of entry: KeyedHeap<Int64>.Entry) -> Int? {
    guard let slot = slot(Int(entry.slot), use: entry.use), slots[slot].state == .parked,
      slots[slot].resumesAt == entry.key
    else { return nil }
    return slot
  }

  /// Times of runs that wait no more go when there are many.
  mutating func sweepParkedTimes() {
    var parked = ParkedRuns()
    swap(&parked, &self.parked)
    parked.sweepTimes { parkedSlot(of: $0) != nil }
    swap(&parked, &self.parked)
  }
}
