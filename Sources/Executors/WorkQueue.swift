internal import DequeModule
internal import JobModel

/// A stretch of a submitted batch of orders. The batch itself is never copied or changed: taking, stealing and giving
/// back orders moves two numbers.
struct OrderRange: Sendable {
  let orders: [RunOrder]
  var next: Int
  var end: Int
  var count: Int { end - next }

  /// Takes the first `n` (at most `count`) away as a range of their own.
  mutating func split(first n: Int) -> OrderRange {
    let taken = OrderRange(orders: orders, next: next, end: next + n)
    next += n
    return taken
  }

  /// Takes the last `n` (at most `count`) away as a range of their own.
  mutating func split(last n: Int) -> OrderRange {
    let taken = OrderRange(orders: orders, next: end - n, end: end)
    end -= n
    return taken
  }
}

/// What waits in a queue.
enum Work: Sendable {
  case orders(OrderRange)
  case run(PoolRun)

  var count: Int {
    switch self {
    case .orders(let range): range.count
    case .run: 1
    }
  }
}

/// What a worker has taken for itself: it takes from the front, thieves from the back.
struct LocalQueue: Sendable {
  /// Where most steps come from, beside the deque so that taking one changes a number in place.
  private var front: OrderRange?
  private var rest = Deque<Work>()
  private(set) var count = 0

  enum Item {
    case order(RunOrder)
    case run(PoolRun)
  }

  mutating func append(_ work: Work) {
    count += work.count
    if front == nil, rest.isEmpty, case .orders(let range) = work { front = range } else { rest.append(work) }
  }

  mutating func popFirst() -> Item? {
    guard count > 0 else { return nil }
    count -= 1
    if front == nil {
      switch rest.removeFirst() {
      case .run(let run): return .run(run)
      case .orders(let range): front = range
      }
    }
    let order = front!.orders[front!.next]
    front!.next += 1
    if front!.next == front!.end { front = nil }
    return .order(order)
  }

  /// Takes the last `n` things away, in their order.
  mutating func takeLast(_ n: Int) -> [Work] {
    var wanted = min(n, count)
    count -= wanted
    var taken: [Work] = []
    while wanted > 0, let last = rest.popLast() {
      switch last {
      case .orders(var range) where range.count > wanted:
        taken.append(.orders(range.split(last: wanted)))
        rest.append(.orders(range))
        wanted = 0
      default:
        taken.append(last)
        wanted -= last.count
      }
    }
    if wanted > 0 {
      taken.append(.orders(front!.split(last: wanted)))
      if front!.count == 0 { front = nil }
    }
    taken.reverse()
    return taken
  }

  mutating func takeAll() -> [Work] { takeLast(count) }

  /// Takes one order out. O(count)
  mutating func remove(_ token: RunToken) -> RunOrder? {
    if let range = front, let (order, before, after) = range.without(token) {
      front = before.count > 0 ? before : nil
      if after.count > 0 { rest.prepend(.orders(after)) }
      count -= 1
      return order
    }
    guard let order = rest.removeOrder(token) else { return nil }
    count -= 1
    return order
  }
}

/// What waits in a pool and belongs to no worker yet.
///
/// Two lines, served in turn when both have something: orders together with sliced runs, and resumed runs. In each of
/// them the owners (scripts) are served in turn as well, an owner's work in the order of its arrival with a sliced run
/// behind what was there before it. So neither a flood of orders nor one of resumed runs keeps the others out, and
/// what one script starts, be it five hundred runs at once, is one place ahead of the work of another.
///
/// Orders and resumed runs with a `priority` have lines of their own, the highest first. Those above zero have each
/// other turn while something else waits: so such an order waits for one turn, and a flood of them keeps nobody out.
/// Those below zero come when nothing else waits. A sliced run is in line with all others, whatever its priority: one
/// that never ends would be the next again and again.
struct SharedQueue: Sendable {
  private var line = FairLine()
  private var resumed = FairLine()
  private var isTurnOfResumed = false
  private var ranked = RankedLines()
  private var isTurnOfRanked = true

  var count: Int { line.count + resumed.count + ranked.count }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ orders: [RunOrder]) {
    guard !orders.isEmpty else { return }
    var rest = OrderRange(orders: orders, next: 0, end: orders.count)
    while rest.count > 0 {
      let (owner, priority) = (orders[rest.next].owner, orders[rest.next].priority)
      var end = rest.next + 1
      while end < rest.end, orders[end].owner == owner, orders[end].priority == priority { end += 1 }
      let work = Work.orders(rest.split(first: end - rest.next))
      if priority == 0 { line.append(work, of: owner) } else { ranked.append(work, of: owner, priority) }
    }
  }

  mutating func append(resumed run: PoolRun) {
    if run.priority == 0 {
      resumed.append(.run(run), of: run.owner)
    } else {
      ranked.append(.run(run), of: run.owner, run.priority)
    }
  }

  mutating func append(sliced run: PoolRun) { line.append(.run(run), of: run.owner) }

  /// Puts work back to where it came from: before everything else of its owners, which are served next.
  mutating func requeue(_ works: [Work]) {
    for work in works.reversed() {
      if case .orders(let range) = work, range.orders[range.next].priority != 0 {
        ranked.requeue(work, range.orders[range.next].priority)
      } else {
        line.requeue(work)
      }
    }
  }

  /// Moves the next turn's work to `local`: at most `limit` things, and no more than a fair part, so that the other
  /// workers find some too. A sliced run is a turn of its own, because it is long.
  ///
  /// - Complexity: O(limit)
  mutating func take(into local: inout LocalQueue, limit: Int, workers: Int) {
    if ranked.count > 0 {
      let isAlone = line.count + resumed.count == 0
      if isAlone || isTurnOfRanked && ranked.isUrgent {
        isTurnOfRanked = isAlone
        return ranked.take(into: &local, limit: limit, workers: workers)
      }
    }
    isTurnOfRanked = true
    let isResumed = resumed.count > 0 && (isTurnOfResumed || line.count == 0)
    isTurnOfResumed = !isResumed
    if isResumed {
      let wanted = SharedQueue.part(of: resumed.count, workers: workers, limit: limit)
      for _ in 0..<wanted { _ = resumed.take(1, into: &local) }
      return
    }
    line.takeTurn(into: &local, limit: limit, workers: workers)
  }

  /// Empties all lines.
  mutating func takeAll() -> [Work] { ranked.takeAll() + line.takeAll() + resumed.takeAll() }

  /// Takes one order out. O(orders that wait)
  mutating func remove(_ token: RunToken) -> RunOrder? { line.remove(token) ?? ranked.remove(token) }

  fileprivate static func part(of count: Int, workers: Int, limit: Int) -> Int {
    max(1, min(count / (2 * workers), limit))
  }
}

/// Lines of work whose priority is not zero, the highest first; each is there while it has something.
private struct RankedLines: Sendable {
  private var lines: [(priority: Int8, line: FairLine)] = []
  private(set) var count = 0

  /// Whether the next turn is of a priority above zero.
  var isUrgent: Bool { lines.first.map { $0.priority > 0 } ?? false }

  mutating func append(_ work: Work, of owner: ObjectIdentifier, _ priority: Int8) {
    count += work.count
    lines[index(of: priority)].line.append(work, of: owner)
  }

  mutating func requeue(_ work: Work, _ priority: Int8) {
    count += work.count
    lines[index(of: priority)].line.requeue(work)
  }

  /// O(priorities that have something): a handful.
  private mutating func index(of priority: Int8) -> Int {
    let index = lines.firstIndex { $0.priority <= priority } ?? lines.count
    if index == lines.count || lines[index].priority != priority { lines.insert((priority, FairLine()), at: index) }
    return index
  }

  mutating func take(into local: inout LocalQueue, limit: Int, workers: Int) {
    let before = lines[0].line.count
    lines[0].line.takeTurn(into: &local, limit: limit, workers: workers)
    count -= before - lines[0].line.count
    if lines[0].line.count == 0 { lines.removeFirst() }
  }

  mutating func takeAll() -> [Work] {
    defer { (lines, count) = ([], 0) }
    return lines.indices.flatMap { lines[$0].line.takeAll() }
  }

  mutating func remove(_ token: RunToken) -> RunOrder? {
    for index in lines.indices {
      guard let order = lines[index].line.remove(token) else { continue }
      count -= 1
      if lines[index].line.count == 0 { lines.remove(at: index) }
      return order
    }
    return nil
  }
}

extension FairLine {
  /// Moves one turn's work to `local`. A run is a turn of its own, because it is long.
  fileprivate mutating func takeTurn(into local: inout LocalQueue, limit: Int, workers: Int) {
    var wanted = SharedQueue.part(of: count, workers: workers, limit: limit)
    while wanted > 0, count > 0 {
      if isRunNext {
        if local.count == 0 { _ = take(1, into: &local) }
        return
      }
      wanted -= take(wanted, into: &local)
    }
  }
}

extension OrderRange {
  /// The order with this token, and what is before and after it.
  fileprivate func without(_ token: RunToken) -> (order: RunOrder, before: OrderRange, after: OrderRange)? {
    guard let index = orders[next..<end].firstIndex(where: { $0.token == token }) else { return nil }
    return (
      orders[index], OrderRange(orders: orders, next: next, end: index),
      OrderRange(orders: orders, next: index + 1, end: end)
    )
  }
}

extension Deque<Work> {
  /// Takes one order out of the range that holds it.
  mutating func removeOrder(_ token: RunToken) -> RunOrder? {
    for index in indices {
      guard case .orders(let range) = self[index], let (order, before, after) = range.without(token) else { continue }
      replaceSubrange(index...index, with: [before, after].filter { $0.count > 0 }.map { .orders($0) })
      return order
    }
    return nil
  }
}
