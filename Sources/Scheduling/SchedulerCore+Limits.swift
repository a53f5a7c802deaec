internal import Basics
import Chronology
package import JobModel

/// Groups and rates: ready runs of limited jobs → their queue → their group's choice (SchedulerCore+Choosing) →
/// the claim order.
extension SchedulerCore {
  // MARK: Configuration

  /// Makes `groups` the limits in force. Groups that are not among them have none. Before or after the jobs that name
  /// them.
  package mutating func setGroups(_ groups: [String: GroupLimit]) {
    for name in groups.keys.sorted() { limits.set(groups[name]!, of: limits.group(named: name)) }
    for (name, index) in limits.named where groups[name] == nil { limits.set(GroupLimit(), of: index) }
  }

  /// Gives a declared job the queue that its definition asks for, takes it away, or moves it to another group.
  ///
  /// - Parameter isNew: it has just been registered, and has neither runs nor schedules that would have to follow it.
  mutating func assignLimiterQueue(_ index: JobIndex, isNew: Bool = false) {
    let definition = jobs[index.offset].entry.definition
    let former = jobs[index.offset].limiterQueue
    guard definition.group != nil || definition.rate != nil else {
      if let former { dissolve(former, of: index) }
      return
    }
    let named = definition.group.map { limits.group(named: $0) }
    let queue = former ?? limits.addQueue(in: named)
    if limits.queues[queue.offset].starts?.limit != definition.rate { limits.set(rate: definition.rate, of: queue) }
    if former != nil {
      let group = named ?? limits.ownGroup(of: queue)
      guard limits.queues[queue.offset].group != group else { return }
      releaseGroupSlots(of: index)
      withdrawChoice(of: queue)
      limits.unlist(queue)
      limits.queues[queue.offset].group = group
      limits.queues[queue.offset].round = 0
    }
    jobs[index.offset].limiterQueue = queue
    limits.mark(queue: queue)
    guard !isNew else { return }
    for schedule in jobs.dynamicSchedules(of: index) { jobs[schedule.offset].limiterQueue = queue }
    holdGroupSlots(of: index)
  }

  /// The job is limited no more: what waited in its queue waits with all others.
  private mutating func dissolve(_ queue: LimiterQueueIndex, of index: JobIndex) {
    releaseGroupSlots(of: index)
    withdrawChoice(of: queue)
    jobs[index.offset].limiterQueue = nil
    for schedule in jobs.dynamicSchedules(of: index) { jobs[schedule.offset].limiterQueue = nil }
    while let entry = limits.queues[queue.offset].runs.popFirst() {
      guard let slot = runs.slot(Int(entry.slot), use: entry.use), runs.slots[slot].limit == .queued else { continue }
      runs.slots[slot].limit = .none
      runs.ready[Int(runs.slots[slot].store)].push(entry.key, slot: entry.slot, use: entry.use)
    }
    limits.set(rate: nil, of: queue)
    limits.release(queue)
  }

  /// The job is forgotten: its queue is another's from now on.
  mutating func releaseLimit(of index: JobIndex) {
    guard let queue = jobs[index.offset].limiterQueue else { return }
    dissolve(queue, of: index)
  }

  /// Runs of a job, its schedules' included, that are under way. O(runs): for reloads.
  private func slotsUnderWay(of base: JobIndex) -> [Int] {
    runs.activeSlots.filter { slot in
      let job = runs.slots[slot].job
      return (job == base || jobs[job.offset].base == base) && runs.slots[slot].state.holdsGroupSlot
    }
  }

  private mutating func releaseGroupSlots(of base: JobIndex) {
    for slot in slotsUnderWay(of: base) { releaseGroupSlot(slot) }
  }

  /// What runs already counts in the group that its job has come to.
  private mutating func holdGroupSlots(of base: JobIndex) {
    guard let queue = jobs[base.offset].limiterQueue else { return }
    for slot in slotsUnderWay(of: base) where !runs.slots[slot].limit.holdsGroupSlot {
      runs.slots[slot].limit = .started
      limits.groups[limits.queues[queue.offset].group.offset].active += 1
    }
  }

  // MARK: Waiting

  /// A ready run of a limited job waits in its queue.
  mutating func enterLimiterQueue(_ slot: Int, _ queue: LimiterQueueIndex, key: ClaimOrder) {
    runs.slots[slot].limit = .queued
    limits.queues[queue.offset].runs.push(key, slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
    limits.mark(queue: queue)
    // It may wait for long, so it gets a row unless it is claimed in this evaluation; and with the row the schedule
    // moves.
    if runs.slots[slot].row == .none {
      runs.unflushed.append(runs.token(slot))
      jobs.markDirty(runs.slots[slot].job)
    }
    guard runs.slots[slot].row != .claim, let deadline = lastMoment(slot) else { return }
    limits.expiring.push(deadline, slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
  }

  /// Wall-clock nanoseconds up to which a waiting run may be claimed; nil: for ever.
  func lastMoment(_ slot: Int) -> Int64? {
    let offset = runs.slots[slot].job.offset
    guard runs.slots[slot].record.cause == .schedule, let grace = jobs[offset].entry.definition.misfireGraceTime,
      runs.slots[slot].record.startedAt == nil
    else {
      return nil
    }
    let (end, overflow) = jobs[offset].due(runs.slots[slot].record.scheduledAt).addingReportingOverflow(grace)
    return overflow ? nil : end
  }

  /// Takes a run out of its queue: it has gone, or its turn has come.
  mutating func leaveLimiterQueue(_ slot: Int) {
    guard runs.slots[slot].limit == .queued else { return }
    runs.slots[slot].limit = .none
    guard let queue = jobs[runs.slots[slot].job.offset].limiterQueue else { return }
    let group = limits.queues[queue.offset].group
    if limits.groups[group.offset].choice?.slot == Int32(truncatingIfNeeded: slot) {
      limits.groups[group.offset].choice = nil
    }
    limits.mark(queue: queue)
    limits.mark(group: group)
  }

  private mutating func withdrawChoice(of queue: LimiterQueueIndex) {
    let group = limits.queues[queue.offset].group
    limits.groups[group.offset].choice = nil
    limits.mark(group: group)
  }

  /// Whether an entry of the claim order is a group's present choice.
  mutating func isChosen(_ slot: Int) -> Bool {
    guard let queue = jobs[runs.slots[slot].job.offset].limiterQueue else { return true }
    guard runs.slots[slot].limit == .queued else {
      // It became ready before its job was limited.
      queueForClaim(slot)
      return runs.slots[slot].cancellation != .none
    }
    let choice = LimitTable.Choice(slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
    return limits.groups[limits.queues[queue.offset].group.offset].choice == choice
  }

  // MARK: Slots and starts

  /// The chosen run takes its slot, and its start is reserved.
  mutating func takeGroupSlot(_ slot: Int) {
    guard let queue = jobs[runs.slots[slot].job.offset].limiterQueue else { return }
    leaveLimiterQueue(slot)
    let group = limits.queues[queue.offset].group.offset
    runs.slots[slot].limit = .reserved
    limits.groups[group].active += 1
    limits.groups[group].starts?.reserve()
    limits.queues[queue.offset].starts?.reserve()
    limits.served(queue)
  }

  /// Gives back what a run held of its group, and a start that did not take place.
  mutating func releaseGroupSlot(_ slot: Int) {
    let held = runs.slots[slot].limit
    guard held.holdsGroupSlot else { return }
    runs.slots[slot].limit = .none
    guard let queue = jobs[runs.slots[slot].job.offset].limiterQueue else { return }
    let group = limits.queues[queue.offset].group
    limits.groups[group.offset].active -= 1
    if held == .reserved {
      limits.groups[group.offset].starts?.release()
      limits.queues[queue.offset].starts?.release()
      limits.mark(queue: queue)
    }
    limits.mark(group: group)
  }

  /// An attempt has started: its rates count it from now on.
  mutating func noteStart(_ slot: Int, at now: ClockReading) {
    guard runs.slots[slot].limit == .reserved else { return }
    runs.slots[slot].limit = .started
    guard let queue = jobs[runs.slots[slot].job.offset].limiterQueue else { return }
    let group = limits.queues[queue.offset].group
    if limits.groups[group.offset].starts != nil {
      limits.groups[group.offset].starts?.start(at: now.monotonic)
      limits.mark(group: group)
    }
    if limits.queues[queue.offset].starts != nil {
      limits.queues[queue.offset].starts?.start(at: now.monotonic)
      limits.mark(queue: queue)
    }
  }
}
