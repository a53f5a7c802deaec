import Basics
import Chronology
import JobModel

/// Who of those that wait for a group or a rate comes next, and who has waited too long.
extension SchedulerCore {
  // MARK: Choosing

  /// Looks again at the queues and groups about which something changed, so that each group that may start a run has
  /// its choice in the claim order. O(log n) for each change; nothing for who only waits.
  mutating func refreshChoices(at now: ClockReading) {
    while limits.isDirty {
      while let queue = limits.popDirtyQueue() { refresh(queue: queue, at: now) }
      while let group = limits.popDirtyGroup() { choose(for: group, at: now) }
    }
  }

  private mutating func refresh(queue: LimiterQueueIndex, at now: ClockReading) {
    guard let head = head(of: queue) else {
      limits.wake(queue: queue, at: nil)
      return limits.unlist(queue)
    }
    if limits.queues[queue.offset].starts != nil, limits.queues[queue.offset].starts?.isOpen(at: now.monotonic) == false
    {
      limits.wake(queue: queue, at: limits.queues[queue.offset].starts?.opensAt())
      return limits.unlist(queue)
    }
    limits.wake(queue: queue, at: nil)
    limits.list(queue, rank: head.key.rank)
    // The next run may be another one under the same rank.
    limits.mark(group: limits.queues[queue.offset].group)
  }

  /// The run of a queue whose turn it is.
  private mutating func head(of queue: LimiterQueueIndex) -> KeyedHeap<ClaimOrder>.Entry? {
    while let entry = limits.queues[queue.offset].runs.first {
      if let slot = runs.slot(Int(entry.slot), use: entry.use), runs.slots[slot].limit == .queued { return entry }
      _ = limits.queues[queue.offset].runs.popFirst()
    }
    return nil
  }

  private mutating func choose(for group: GroupIndex, at now: ClockReading) {
    let index = group.offset
    guard limits.groups[index].hasFreeSlot else {
      limits.groups[index].choice = nil
      return limits.wake(group: group, at: nil)
    }
    if limits.groups[index].starts != nil, limits.groups[index].starts?.isOpen(at: now.monotonic) == false {
      limits.groups[index].choice = nil
      // Without anybody who waits there is nothing to wake up for.
      let isAwaited = limits.nextQueue(of: group) != nil
      return limits.wake(group: group, at: isAwaited ? limits.groups[index].starts?.opensAt() : nil)
    }
    limits.wake(group: group, at: nil)
    while let queue = limits.nextQueue(of: group) {
      guard let head = head(of: queue) else {
        limits.unlist(queue)
        continue
      }
      let store = Int(runs.slots[Int(head.slot)].store)
      if stores.failed[store] {
        limits.unlist(queue)
        limits.groups[index].stalled.append(queue)
        continue
      }
      let choice = LimitTable.Choice(slot: head.slot, use: head.use)
      guard limits.groups[index].choice != choice else { return }
      limits.groups[index].choice = choice
      runs.ready[store].push(head.key, slot: head.slot, use: head.use)
      return
    }
    limits.groups[index].choice = nil
  }

  /// A store cannot be written: groups choose among the jobs of the others.
  mutating func stallChoices() {
    for index in limits.groups.indices where limits.groups[index].choice != nil {
      limits.groups[index].choice = nil
      limits.mark(group: GroupIndex(position: Int32(truncatingIfNeeded: index)))
    }
  }

  /// A store can be written again: those whose turn was passed over have it back.
  mutating func reviveChoices() {
    for index in limits.groups.indices where !limits.groups[index].stalled.isEmpty {
      for queue in limits.groups[index].stalled { limits.mark(queue: queue) }
      limits.groups[index].stalled = []
    }
  }

  // MARK: Too late

  /// Misfires what waited for a limit beyond its grace time.
  mutating func expire(_ evaluation: inout Evaluation) {
    while let entry = limits.expiring.first {
      let slot = awaited(entry)
      guard entry.key < evaluation.now.wall.nanoseconds || slot == nil else { return }
      _ = limits.expiring.popFirst()
      guard let slot else { continue }
      if isTooLate(slot, at: evaluation.now) {
        misfire(slot, waitingFor: limit(on: slot, at: evaluation.now), &evaluation)
      } else if let deadline = lastMoment(slot) {
        // A reload gave it more time.
        limits.expiring.push(max(deadline, entry.key), slot: entry.slot, use: entry.use)
      }
    }
  }

  /// The run of an entry, if it still waits for its first start. One that waits for its next attempt has its decision:
  /// the claim.
  private func awaited(_ entry: KeyedHeap<Int64>.Entry) -> Int? {
    guard let slot = runs.slot(Int(entry.slot), use: entry.use), runs.slots[slot].limit == .queued,
      runs.slots[slot].row != .claim
    else {
      return nil
    }
    return slot
  }

  /// At the end of a tick: what has had its turn, or has gone, is nothing to wake up for.
  mutating func forgetPassedWaits(at now: ClockReading) {
    while let entry = limits.expiring.first {
      guard awaited(entry) == nil else { break }
      _ = limits.expiring.popFirst()
    }
    limits.open(at: now.monotonic)
  }

  /// What a waiting run waits for.
  private mutating func limit(on slot: Int, at now: ClockReading) -> SkipReason {
    guard let queue = jobs[runs.slots[slot].job.offset].limiterQueue else { return .group }
    if limits.queues[queue.offset].starts != nil, limits.queues[queue.offset].starts?.isOpen(at: now.monotonic) == false
    {
      return .rate
    }
    let group = limits.queues[queue.offset].group.offset
    if !limits.groups[group].hasFreeSlot { return .group }
    return limits.groups[group].starts == nil ? .group : .rate
  }
}
