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
    var group: Int32
    /// The group without limits that it belongs to while its job names none; nil until it is needed.
    @OptionalIndex var ownGroup: Int32? = nil
    /// The job's own rate.
    var starts: StartLog?
    /// Ready runs. Entries of runs that have gone are passed over.
    var runs = KeyedHeap<ClaimOrder>()
    /// When it was served last, in turns of its group.
    var turn: UInt64 = 0
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
    var stalled: [Int32] = []
    var turn: UInt64 = 0
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
    var turn: UInt64
    var sequence: UInt64

    static func < (a: QueueOrder, b: QueueOrder) -> Bool {
      if a.rank != b.rank { return a.rank < b.rank }
      if a.turn != b.turn { return a.turn < b.turn }
      return a.sequence < b.sequence
    }
  }

  /// Never shrink. The queues of jobs that are forgotten are used again, with the groups of their own.
  /// Runs that wait for a limit and have a grace time, by the wall-clock nanoseconds at which it ends.
  var expiring = KeyedHeap<Int64>()
  private var freeQueues: [Int32] = []
  var queues: ContiguousArray<Queue> = []
  var groups: ContiguousArray<Group> = []
  /// Groups of the configuration, and those that jobs name without one, by name.
  private(set) var named: [String: Int32] = [:]
  /// About what something changed, in the order in which it did: first come, first listed.
  private var dirtyQueues: [Int32] = []
  private var dirtyGroups: [Int32] = []
  private var queuesSeen = 0
  private var groupsSeen = 0
  /// When rates open, on the monotonic clock: groups by index, queues by −1 − index.
  private var wakes = KeyedHeap<Int64>()
  private var sequence: UInt64 = 0

  // MARK: Making

  /// The group of that name; one without limits if there was none.
  mutating func group(named name: String) -> Int32 {
    if let known = named[name] { return known }
    groups.append(Group(limit: GroupLimit()))
    named[name] = Int32(groups.count - 1)
    return Int32(groups.count - 1)
  }

  mutating func addQueue() -> Int32 {
    if let free = freeQueues.popLast() { return free }
    queues.append(Queue(group: -1))
    return Int32(queues.count - 1)
  }

  /// Nobody waits in a queue any more, and none will.
  mutating func release(_ queue: Int32) {
    unlist(queue)
    wake(queue: queue, at: nil)
    queues[Int(queue)].group = -1
    queues[Int(queue)].turn = 0
    freeQueues.append(queue)
  }

  /// The group of a queue whose job names none.
  mutating func ownGroup(of queue: Int32) -> Int32 {
    if let known = queues[Int(queue)].ownGroup { return known }
    groups.append(Group(limit: GroupLimit()))
    queues[Int(queue)].ownGroup = Int32(groups.count - 1)
    return Int32(groups.count - 1)
  }

  /// New limits for a group. Starts that were written down go on to count.
  mutating func set(_ limit: GroupLimit, of group: Int32) {
    let index = Int(group)
    groups[index].limit = limit
    Self.set(limit.rate, &groups[index].starts)
    mark(group: group)
  }

  mutating func set(rate: RateLimit?, of queue: Int32) {
    Self.set(rate, &queues[Int(queue)].starts)
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

  mutating func mark(queue: Int32) {
    guard !queues[Int(queue)].isDirty else { return }
    queues[Int(queue)].isDirty = true
    dirtyQueues.append(queue)
  }

  mutating func mark(group: Int32) {
    guard !groups[Int(group)].isDirty else { return }
    groups[Int(group)].isDirty = true
    dirtyGroups.append(group)
  }

  var isDirty: Bool { !dirtyQueues.isEmpty || !dirtyGroups.isEmpty }

  mutating func popDirtyQueue() -> Int32? {
    guard queuesSeen < dirtyQueues.count else {
      dirtyQueues.removeAll(keepingCapacity: true)
      queuesSeen = 0
      return nil
    }
    let queue = dirtyQueues[queuesSeen]
    queuesSeen += 1
    queues[Int(queue)].isDirty = false
    return queue
  }

  mutating func popDirtyGroup() -> Int32? {
    guard groupsSeen < dirtyGroups.count else {
      dirtyGroups.removeAll(keepingCapacity: true)
      groupsSeen = 0
      return nil
    }
    let group = dirtyGroups[groupsSeen]
    groupsSeen += 1
    groups[Int(group)].isDirty = false
    return group
  }

  // MARK: Queues in their group

  /// Enters a queue in its group's order, under the rank of its next run.
  mutating func list(_ queue: Int32, rank: Int32) {
    let index = Int(queue)
    if queues[index].listedRank == rank { return }
    queues[index].use &+= 1
    queues[index].listedRank = rank
    sequence += 1
    let group = Int(queues[index].group)
    groups[group].order.push(
      QueueOrder(rank: rank, turn: queues[index].turn, sequence: sequence), slot: queue, use: queues[index].use)
    mark(group: queues[index].group)
  }

  /// Takes a queue out of its group's order. O(1): its entry is passed over later.
  mutating func unlist(_ queue: Int32) {
    guard queues[Int(queue)].listedRank != nil else { return }
    queues[Int(queue)].use &+= 1
    queues[Int(queue)].listedRank = nil
    mark(group: queues[Int(queue)].group)
  }

  /// The queue whose turn it is.
  mutating func nextQueue(of group: Int32) -> Int32? {
    while let entry = groups[Int(group)].order.first {
      if queues[Int(entry.slot)].use == entry.use, queues[Int(entry.slot)].group == group { return entry.slot }
      _ = groups[Int(group)].order.popFirst()
    }
    return nil
  }

  /// A queue's run has its slot: the others of its group come first now.
  mutating func served(_ queue: Int32) {
    let group = Int(queues[Int(queue)].group)
    groups[group].turn += 1
    queues[Int(queue)].turn = groups[group].turn
    unlist(queue)
    mark(queue: queue)
  }

  // MARK: Rates that open

  /// When the first rate opens that somebody waits for. Monotonic nanoseconds.
  var nextWake: Int64? { wakes.first?.key }

  mutating func wake(group: Int32, at time: Int64?) {
    guard groups[Int(group)].wakesAt != time else { return }
    groups[Int(group)].wakesAt = time
    if let time { wakes.push(time, slot: group, use: 0) }
  }

  mutating func wake(queue: Int32, at time: Int64?) {
    guard queues[Int(queue)].wakesAt != time else { return }
    queues[Int(queue)].wakesAt = time
    if let time { wakes.push(time, slot: -1 - queue, use: 0) }
  }

  /// Marks whose rate opens by `now`, and forgets times that nobody waits for any more.
  mutating func open(at now: Int64) {
    while let entry = wakes.first {
      let isQueue = entry.slot < 0
      let index = isQueue ? -1 - entry.slot : entry.slot
      let isAwaited = (isQueue ? queues[Int(index)].wakesAt : groups[Int(index)].wakesAt) == entry.key
      guard entry.key <= now || !isAwaited else { return }
      _ = wakes.popFirst()
      guard isAwaited else { continue }
      if isQueue {
        queues[Int(index)].wakesAt = nil
        mark(queue: index)
      } else {
        groups[Int(index)].wakesAt = nil
        mark(group: index)
      }
    }
  }
}
