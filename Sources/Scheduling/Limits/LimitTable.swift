import Basics
import JobModel

/// Who waits for a limit: the queues of limited jobs, and the groups in which they share slots and rates.
///
/// Every limited job has a *queue*: its ready runs in claim order, and its own rate. Every queue belongs to one
/// *group*: the one that the job names, or one of its own without limits. A group lets one run at a time into the claim
/// order of all jobs, its *choice*: of the queues that may start, the one with the highest priority, and of equal ones
/// the one that was served longest ago (round robin: a flood of one job does not keep the others waiting). A group that
/// is full, or whose rate is used up, has no choice: its runs are in nobody's way, and waiting costs nothing, until a
/// place is given back or its time comes.
///
/// This holds the order; `SchedulerCore+Limits` knows the runs.
struct LimitTable: Sendable {
  struct Queue: Sendable {
    var group: GroupIndex
    /// The group without limits that it belongs to while its job names none; nil until it is needed.
    @OptionalIndex var ownGroup: GroupIndex? = nil
    /// The job's own rate.
    var starts: StartLog?
    /// Ready runs. Entries of runs that have gone are passed over.
    var runs = KeyedHeap<ClaimOrder>()
    /// When it was served last, in rounds of its group.
    var round: UInt64 = 0
    /// Which of its entries in the group's order counts.
    var use: UInt32 = 0
    /// The rank under which it is listed in its group; nil: it is not.
    var listedRank: Int32?
    var isDirty = false
    /// Monotonic nanoseconds at which its rate opens; nil: nobody waits for that.
    var wakesAt: Int64?
  }

  struct Group: Sendable {
    var limit: GroupLimit
    /// Runs that hold a slot.
    var active: Int32 = 0
    var starts: StartLog?
    /// Queues that have a run and whose own rate is open.
    var order = KeyedHeap<QueueOrder>()
    /// Queues whose next run's store cannot be written.
    var stalled: [LimiterQueueIndex] = []
    var round: UInt64 = 0
    /// The run that it has in the claim order of all.
    var choice: Choice?
    var isDirty = false
    var wakesAt: Int64?

    var hasFreeSlot: Bool { limit.max.map { Int(active) < $0 } ?? true }
  }

  struct Choice: Sendable, Equatable {
    var slot: Int32
    var use: UInt32
  }

  /// Higher priority first, then longest not served, then first come.
  struct QueueOrder: Comparable, Sendable {
    var rank: Int32
    var round: UInt64
    var sequence: UInt64

    static func < (a: QueueOrder, b: QueueOrder) -> Bool {
      if a.rank != b.rank { return a.rank < b.rank }
      if a.round != b.round { return a.round < b.round }
      return a.sequence < b.sequence
    }
  }

  /// Runs that wait for a limit and have a grace time, by the wall-clock nanoseconds at which it ends.
  var expiring = KeyedHeap<Int64>()
  /// Queues and groups never shrink: those of jobs that need none any more are used again.
  private var freeQueues: [LimiterQueueIndex] = []
  var queues: ContiguousArray<Queue> = []
  var groups: ContiguousArray<Group> = []
  /// Groups of the configuration, and those that jobs name without one, by name.
  private(set) var named: [String: GroupIndex] = [:]
  /// About what something changed, in the order in which it did: first come, first listed.
  private var dirtyQueues: [LimiterQueueIndex] = []
  private var dirtyGroups: [GroupIndex] = []
  private var queuesSeen = 0
  private var groupsSeen = 0
  /// When rates open, on the monotonic clock.
  private var queueWakes = KeyedHeap<Int64>()
  private var groupWakes = KeyedHeap<Int64>()
  private var sequence: UInt64 = 0

  // MARK: Making

  /// The group of that name; one without limits if there was none.
  mutating func group(named name: String) -> GroupIndex {
    if let known = named[name] { return known }
    let group = addGroup()
    named[name] = group
    return group
  }

  private mutating func addGroup() -> GroupIndex {
    groups.append(Group(limit: GroupLimit()))
    return GroupIndex(position: Int32(truncatingIfNeeded: groups.count - 1))
  }

  /// A queue in that group; nil: in one of its own.
  mutating func addQueue(in group: GroupIndex?) -> LimiterQueueIndex {
    guard let queue = freeQueues.popLast() else {
      let own = group == nil ? addGroup() : nil
      queues.append(Queue(group: group ?? own!, ownGroup: own))
      return LimiterQueueIndex(position: Int32(truncatingIfNeeded: queues.count - 1))
    }
    queues[queue.offset].group = group ?? ownGroup(of: queue)
    queues[queue.offset].round = 0
    return queue
  }

  /// Nobody waits in a queue any more, and none will.
  mutating func release(_ queue: LimiterQueueIndex) {
    unlist(queue)
    wake(queue: queue, at: nil)
    freeQueues.append(queue)
  }

  /// The group of a queue whose job names none.
  mutating func ownGroup(of queue: LimiterQueueIndex) -> GroupIndex {
    if let known = queues[queue.offset].ownGroup { return known }
    let group = addGroup()
    queues[queue.offset].ownGroup = group
    return group
  }

  /// New limits for a group. Starts that were written down go on to count.
  mutating func set(_ limit: GroupLimit, of group: GroupIndex) {
    groups[group.offset].limit = limit
    Self.set(limit.rate, &groups[group.offset].starts)
    mark(group: group)
  }

  mutating func set(rate: RateLimit?, of queue: LimiterQueueIndex) {
    Self.set(rate, &queues[queue.offset].starts)
    mark(queue: queue)
  }

  private static func set(_ rate: RateLimit?, _ starts: inout StartLog?) {
    guard let rate else {
      starts = nil
      return
    }
    if starts == nil { starts = StartLog(rate) } else { starts?.change(to: rate) }
  }

  // MARK: What must be looked at again

  mutating func mark(queue: LimiterQueueIndex) {
    guard !queues[queue.offset].isDirty else { return }
    queues[queue.offset].isDirty = true
    dirtyQueues.append(queue)
  }

  mutating func mark(group: GroupIndex) {
    guard !groups[group.offset].isDirty else { return }
    groups[group.offset].isDirty = true
    dirtyGroups.append(group)
  }

  var isDirty: Bool { !dirtyQueues.isEmpty || !dirtyGroups.isEmpty }

  mutating func popDirtyQueue() -> LimiterQueueIndex? {
    guard queuesSeen < dirtyQueues.count else {
      dirtyQueues.removeAll(keepingCapacity: true)
      queuesSeen = 0
      return nil
    }
    let queue = dirtyQueues[queuesSeen]
    queuesSeen += 1
    queues[queue.offset].isDirty = false
    return queue
  }

  mutating func popDirtyGroup() -> GroupIndex? {
    guard groupsSeen < dirtyGroups.count else {
      dirtyGroups.removeAll(keepingCapacity: true)
      groupsSeen = 0
      return nil
    }
    let group = dirtyGroups[groupsSeen]
    groupsSeen += 1
    groups[group.offset].isDirty = false
    return group
  }

  // MARK: Queues in their group

  /// Enters a queue in its group's order, under the rank of its next run.
  mutating func list(_ queue: LimiterQueueIndex, rank: Int32) {
    let index = queue.offset
    if queues[index].listedRank == rank { return }
    queues[index].use &+= 1
    queues[index].listedRank = rank
    sequence += 1
    groups[queues[index].group.offset].order.push(
      QueueOrder(rank: rank, round: queues[index].round, sequence: sequence), slot: queue.position,
      use: queues[index].use)
    mark(group: queues[index].group)
  }

  /// Takes a queue out of its group's order. O(1): its entry is passed over later.
  mutating func unlist(_ queue: LimiterQueueIndex) {
    guard queues[queue.offset].listedRank != nil else { return }
    queues[queue.offset].use &+= 1
    queues[queue.offset].listedRank = nil
    mark(group: queues[queue.offset].group)
  }

  /// The queue whose turn it is.
  mutating func nextQueue(of group: GroupIndex) -> LimiterQueueIndex? {
    while let entry = groups[group.offset].order.first {
      let queue = LimiterQueueIndex(position: entry.slot)
      if queues[queue.offset].use == entry.use, queues[queue.offset].group == group { return queue }
      _ = groups[group.offset].order.popFirst()
    }
    return nil
  }

  /// A queue's run has its slot: the others of its group come first now.
  mutating func served(_ queue: LimiterQueueIndex) {
    let group = queues[queue.offset].group.offset
    groups[group].round += 1
    queues[queue.offset].round = groups[group].round
    unlist(queue)
    mark(queue: queue)
  }

  // MARK: Rates that open

  /// When the first rate opens that somebody waits for. Monotonic nanoseconds.
  var nextWake: Int64? {
    guard let queue = queueWakes.first?.key else { return groupWakes.first?.key }
    return min(queue, groupWakes.first?.key ?? queue)
  }

  mutating func wake(group: GroupIndex, at time: Int64?) {
    guard groups[group.offset].wakesAt != time else { return }
    groups[group.offset].wakesAt = time
    if let time { groupWakes.push(time, slot: group.position, use: 0) }
  }

  mutating func wake(queue: LimiterQueueIndex, at time: Int64?) {
    guard queues[queue.offset].wakesAt != time else { return }
    queues[queue.offset].wakesAt = time
    if let time { queueWakes.push(time, slot: queue.position, use: 0) }
  }

  /// Marks whose rate opens by `now`, and forgets times that nobody waits for any more.
  mutating func open(at now: Int64) {
    while let entry = queueWakes.first {
      let queue = LimiterQueueIndex(position: entry.slot)
      let isAwaited = queues[queue.offset].wakesAt == entry.key
      guard entry.key <= now || !isAwaited else { break }
      _ = queueWakes.popFirst()
      guard isAwaited else { continue }
      queues[queue.offset].wakesAt = nil
      mark(queue: queue)
    }
    while let entry = groupWakes.first {
      let group = GroupIndex(position: entry.slot)
      let isAwaited = groups[group.offset].wakesAt == entry.key
      guard entry.key <= now || !isAwaited else { break }
      _ = groupWakes.popFirst()
      guard isAwaited else { continue }
      groups[group.offset].wakesAt = nil
      mark(group: group)
    }
  }
}
