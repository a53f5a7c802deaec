import Basics
import Chronology
import JobModel

/// Who of those that wait for a group or a rate comes next, and who has waited too long.
extension SchedulerCore {
  // MARK: Choosing

  /// Looks again at the lanes and groups about which something changed, so that each group that may start a run has its
  /// choice in the claim order. O(log n) for each change; nothing for who only waits.
  mutating func refreshChoices(at now: Moment) {
    while limits.isDirty {
      while let lane = limits.popDirtyLane() { refresh(lane: lane, at: now) }
      while let group = limits.popDirtyGroup() { choose(for: group, at: now) }
    }
  }

  private mutating func refresh(lane: Int32, at now: Moment) {
    guard let head = head(of: lane) else {
      limits.wake(lane: lane, at: nil)
      return limits.unlist(lane)
    }
    if limits.lanes[Int(lane)].starts != nil, limits.lanes[Int(lane)].starts?.isOpen(at: now.monotonic) == false {
      limits.wake(lane: lane, at: limits.lanes[Int(lane)].starts?.opensAt())
      return limits.unlist(lane)
    }
    limits.wake(lane: lane, at: nil)
    limits.list(lane, rank: head.key.rank)
    // The next run may be another one under the same rank.
    limits.mark(group: limits.lanes[Int(lane)].group)
  }

  /// The run of a lane whose turn it is.
  private mutating func head(of lane: Int32) -> KeyedHeap<ClaimOrder>.Entry? {
    while let entry = limits.lanes[Int(lane)].runs.first {
      if let slot = runs.slot(Int(entry.slot), use: entry.use), runs.slots[slot].waitsForLimit { return entry }
      _ = limits.lanes[Int(lane)].runs.popFirst()
    }
    return nil
  }

  private mutating func choose(for group: Int32, at now: Moment) {
    let index = Int(group)
    guard limits.groups[index].hasPlace else {
      limits.groups[index].choice = nil
      return limits.wake(group: group, at: nil)
    }
    if limits.groups[index].starts != nil, limits.groups[index].starts?.isOpen(at: now.monotonic) == false {
      limits.groups[index].choice = nil
      // Without anybody who waits there is nothing to wake up for.
      let isAwaited = limits.nextLane(of: group) != nil
      return limits.wake(group: group, at: isAwaited ? limits.groups[index].starts?.opensAt() : nil)
    }
    limits.wake(group: group, at: nil)
    while let lane = limits.nextLane(of: group) {
      guard let head = head(of: lane) else {
        limits.unlist(lane)
        continue
      }
      let store = Int(runs.slots[Int(head.slot)].store)
      if stores.failed[store] {
        limits.unlist(lane)
        limits.groups[index].stalled.append(lane)
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
      limits.mark(group: Int32(index))
    }
  }

  /// A store can be written again: those whose turn was passed over have it back.
  mutating func reviveChoices() {
    for index in limits.groups.indices where !limits.groups[index].stalled.isEmpty {
      for lane in limits.groups[index].stalled { limits.mark(lane: lane) }
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
    guard let slot = runs.slot(Int(entry.slot), use: entry.use), runs.slots[slot].waitsForLimit,
      !runs.slots[slot].isClaimed
    else {
      return nil
    }
    return slot
  }

  /// At the end of a turn: what has had its turn, or has gone, is nothing to wake up for.
  mutating func forgetPassedWaits(at now: Moment) {
    while let entry = limits.expiring.first {
      guard awaited(entry) == nil else { break }
      _ = limits.expiring.popFirst()
    }
    limits.open(at: now.monotonic)
  }

  /// What a waiting run waits for.
  private mutating func limit(on slot: Int, at now: Moment) -> SkipReason {
    guard let lane = jobs[runs.slots[slot].job.offset].limiterQueue else { return .group }
    if limits.lanes[Int(lane)].starts != nil, limits.lanes[Int(lane)].starts?.isOpen(at: now.monotonic) == false {
      return .rate
    }
    let group = Int(limits.lanes[Int(lane)].group)
    if !limits.groups[group].hasPlace { return .group }
    return limits.groups[group].starts == nil ? .group : .rate
  }
}
