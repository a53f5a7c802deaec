import Basics
import Chronology
import JobModel
import Testing
import TestSupport

@testable import Executors

@Suite("Monitor, threads, blocking pool")
struct ThreadTests {
  @Test("a monitor lets one thread in at a time")
  func exclusion() throws {
    let sum = Monitor(0)
    let threads = try (0..<4).map { n in
      try NamedThread("adder\(n)") { for _ in 0..<10_000 { sum.withLock { $0 += 1 } } }
    }
    for thread in threads { thread.join() }
    #expect(sum.withLock { $0 } == 40_000)
  }

  @Test("a wait ends at its deadline, and looks once more then")
  func deadline() {
    let monitor = Monitor(0)
    let looks = monitor.wait(until: monotonicNow() - 1) { (count: inout Int) -> Int? in
      count += 1
      return count == 2 ? count : nil
    }
    #expect(looks == 2)
    #expect(monitor.wait(until: monotonicNow() + 1_000) { _ in Bool?.none } == nil)
  }

  @Test("a thread takes its name, at most 15 bytes of it")
  func name() throws {
    let names = Monitor([String]())
    for name in ["pool", "a-rather-long-thread-name"] {
      try NamedThread(name) { names.withLock { $0.append(nameOfThisThread()) } }.join()
    }
    #expect(names.withLock { $0 } == ["pool", "a-rather-long-t"])
  }

  @Test("a pool does everything, in order on one thread, and nothing after stop", arguments: [1, 3])
  func blockingPool(threads: Int) {
    let blockingPool = BlockingPool(threads: threads)
    let done = Monitor([Int]())
    for n in 0..<1_000 { blockingPool.run { done.withLock { $0.append(n) } } }
    blockingPool.stop()
    let result = done.withLock { $0 }
    #expect(threads == 1 ? result == Array(0..<1_000) : Set(result) == Set(0..<1_000))
    #expect(!blockingPool.run {})
    #expect(blockingPool.threadCount == 0)
    blockingPool.stop()
  }

  @Test("work that is refused is not done later, whoever else was refused a thread meanwhile")
  func refusedWork() throws {
    let (first, isAsked, calls) = (Gate(), Gate(), Monitor(0))
    let pool = BlockingPool(threads: 4) { name, stackSize, signals, body throws(ThreadError) in
      let call = calls.withLock { calls in
        calls += 1
        return calls
      }
      if call == 1 {
        isAsked.open()
        first.wait()
      }
      if call <= 2 { throw ThreadError(name: name, code: 11) }
      return try NamedThread(name, stackSize: stackSize, signals: signals, body)
    }
    let done = Monitor<[String]>([])
    let answer = Monitor<Bool?>(nil)
    let asks = try NamedThread("asks") {
      let isTaken = pool.run { done.change { $0.append("first") } }
      answer.change { $0 = isTaken }
    }
    isAsked.wait()
    // It is taken, since a thread for the first one is still being made.
    #expect(pool.run { done.change { $0.append("second") } })
    first.open()
    #expect(answer.wait { $0 } == false)
    #expect(pool.run { done.change { $0.append("third") } })
    #expect(done.wait { $0.count == 2 ? $0 : nil } == ["second", "third"])
    asks.join()
    pool.stop()
    #expect(done.withLock { $0 }.count == 2)
  }

  @Test("a pool grows to its limit while its threads are blocked, and shrinks when they are idle")
  func laneSize() {
    let blockingPool = BlockingPool(threads: 3, idleAfter: 1_000)
    #expect(blockingPool.threadCount == 0)
    let gate = Gate()
    for _ in 0..<5 { blockingPool.run { gate.wait() } }
    #expect(blockingPool.threadCount == 3)
    gate.open()
    #expect(blockingPool.waitUntilEmpty())
    // It serves again afterwards.
    let again = Gate()
    blockingPool.run { again.open() }
    #expect(again.wait())
    blockingPool.stop()
  }
}

extension BlockingPool {
  /// Waits until its idle threads have ended by themselves.
  fileprivate func waitUntilEmpty() -> Bool {
    let end = monotonicNow() + patience
    while monotonicNow() < end {
      if threadCount == 0 { return true }
      _ = Monitor(()).wait(until: monotonicNow() + 100_000) { _ in Bool?.none }
    }
    return false
  }
}

@Suite("Queues and timers")
struct QueueTests {
  func slots(_ works: [Work]) -> [Int32] {
    works.flatMap { work -> [Int32] in
      switch work {
      case .orders(let range): range.orders[range.next..<range.end].map(\.token.slot)
      case .run(let run): [run.token.slot]
      }
    }
  }

  func slots(_ queue: LocalQueue) -> [Int32] {
    var queue = queue
    return slots(queue.takeAll())
  }

  func orders(_ range: Range<Int>) -> [RunOrder] { range.map { n in order(n) { _ in } } }

  @Test(
    "a worker takes a fair part, at most its limit, over the borders of batches",
    arguments: [
      (10, 64, 1, 5), (10, 3, 1, 3), (1, 64, 4, 1), (1_000, 64, 2, 64), (7, 64, 1, 3),
    ])
  func parts(count: Int, limit: Int, workers: Int, expected: Int) {
    var queue = SharedQueue()
    for n in 0..<count { queue.append(orders(n..<n + 1)) }
    var local = LocalQueue()
    queue.take(into: &local, limit: limit, workers: workers)
    #expect(slots(local) == (0..<Int32(expected)).map { $0 })
    #expect(queue.count == count - expected)
  }

  @Test("thieves take from the back and keep the order", arguments: 0...12)
  func theft(n: Int) {
    var local = LocalQueue()
    for range in [0..<3, 3..<4, 4..<10] {
      local.append(.orders(OrderRange(orders: orders(range), next: 0, end: range.count)))
    }
    _ = local.popFirst()
    let loot = local.takeLast(n)
    #expect(slots(loot) + [] == Array(Int32(max(1, 10 - n))..<10))
    #expect(slots(local) == Array(1..<Int32(max(1, 10 - n))))
    #expect(local.count == max(0, 9 - n))
  }

  @Test("the work of one owner waits behind one piece of another's, however much that has", arguments: [1, 3, 64])
  func turns(limit: Int) {
    var queue = SharedQueue()
    let other = OwnedPayload()
    queue.append(orders(0..<500))
    queue.append([order(1_000, payload: other), order(1_001, payload: other)])
    queue.append(orders(500..<700))
    var taken: [Int32] = []
    while !queue.isEmpty {
      var local = LocalQueue()
      queue.take(into: &local, limit: limit, workers: 1)
      taken += slots(local)
    }
    #expect(taken.firstIndex(of: 1_000)! <= max(1, limit / 2))
    #expect(taken.firstIndex(of: 1_001)! <= max(3, limit))
    #expect(taken.filter { $0 < 1_000 } == Array(0..<700))
  }

  @Test("an order among those of several owners can be taken out, and what is given back keeps its owner's order")
  func mixed() {
    var queue = SharedQueue()
    let other = OwnedPayload()
    queue.append((0..<9).map { n in n % 3 == 2 ? order(n, payload: other) : order(n) { _ in } })
    #expect(queue.remove(token(5))?.token == token(5))
    #expect(queue.remove(token(5)) == nil)
    #expect(queue.count == 8)
    var local = LocalQueue()
    queue.take(into: &local, limit: 64, workers: 1)
    queue.requeue(local.takeAll())
    #expect(queue.count == 8)
    let left = slots(queue.takeAll())
    #expect(left.filter { $0 % 3 != 2 } == [0, 1, 3, 4, 6, 7])
    #expect(left.filter { $0 % 3 == 2 } == [2, 8])
    #expect(queue.isEmpty)
  }

  /// What comes out of a queue with one worker that takes one thing at a time.
  private func drained(_ queue: inout SharedQueue) -> [Int32] {
    var taken: [Int32] = []
    while !queue.isEmpty {
      var local = LocalQueue()
      queue.take(into: &local, limit: 1, workers: 1)
      taken += slots(local)
    }
    return taken
  }

  private func ranked(_ number: Int, _ priority: Int8) -> RunOrder {
    var order = order(number) { _ in }
    order.priority = priority
    return order
  }

  @Test("an order of a higher priority waits for one turn, and a flood of them has each other turn")
  func priorities() {
    var queue = SharedQueue()
    queue.append(orders(0..<500))
    queue.append([ranked(1_000, 10), ranked(1_001, 100), ranked(1_002, 10)])
    queue.append([ranked(2_000, -5), ranked(2_001, -1)])
    #expect(queue.count == 505)
    let taken = drained(&queue)
    #expect(taken.prefix(5) == [1_001, 0, 1_000, 1, 1_002])
    #expect(taken.filter { $0 < 1_000 } == Array(0..<500))
    #expect(taken.suffix(2) == [2_001, 2_000], "lower ones come when nothing else waits")
    #expect(queue.isEmpty && queue.takeAll().isEmpty)
  }

  @Test("orders with priorities are taken out, and come back to their places")
  func givenBackRanked() {
    var queue = SharedQueue()
    queue.append([
      ranked(0, 0), ranked(1, 7), ranked(2, 7), ranked(3, -7), ranked(4, 7),
    ])
    #expect(queue.remove(token(2))?.token == token(2) && queue.remove(token(2)) == nil && queue.count == 4)
    var local = LocalQueue()
    queue.take(into: &local, limit: 1, workers: 1)
    #expect(slots(local) == [1])
    queue.requeue(local.takeAll())
    #expect(queue.count == 4)
    #expect(queue.remove(token(3))?.token == token(3))
    // Its turn was the one before.
    #expect(drained(&queue) == [0, 1, 4])
  }

  @Test("a resumed run has its job's priority, a sliced one waits with all others")
  func rankedRuns() {
    func run(_ number: Int, priority: Int8) -> PoolRun {
      PoolRun(
        continuing: ranked(number, priority),
        begunAt: StepTime(wall: .epoch, monotonic: 0, deadline: .max),
        on: StepWorker(index: 0, host: NoHost()), body: NoHost())
    }
    func taken(_ queue: inout SharedQueue) -> Int32 {
      var local = LocalQueue()
      queue.take(into: &local, limit: 1, workers: 1)
      switch local.popFirst() {
      case .run(let run): return run.token.slot
      case .order(let order): return order.token.slot
      case nil: return -1
      }
    }
    var queue = SharedQueue()
    queue.append(orders(0..<3))
    queue.append(resumed: run(10, priority: 1))
    queue.append(sliced: run(11, priority: 100))
    #expect((0..<5).map { _ in taken(&queue) } == [10, 0, 1, 2, 11])
    #expect(queue.isEmpty)
  }

  @Test("what is given back comes first again")
  func givenBack() {
    var queue = SharedQueue()
    queue.append(orders(0..<8))
    var local = LocalQueue()
    queue.take(into: &local, limit: 4, workers: 1)
    queue.requeue(local.takeAll())
    #expect(slots(queue.takeAll()) == Array(0..<8))
    #expect(queue.isEmpty)
  }

  @Test("an order can be taken out of any place", arguments: [0, 1, 2, 5, 6, 9])
  func removal(n: Int) {
    var queue = SharedQueue()
    var local = LocalQueue()
    for range in [0..<3, 3..<6, 6..<10] {
      queue.append(orders(range))
      local.append(.orders(OrderRange(orders: orders(range), next: 0, end: range.count)))
    }
    #expect(queue.remove(token(n))?.token == token(n) && local.remove(token(n))?.token == token(n))
    #expect(queue.remove(token(n)) == nil && local.remove(token(n)) == nil)
    #expect(queue.count == 9 && local.count == 9)
    #expect(slots(queue.takeAll()) == (0..<10).filter { $0 != Int32(n) })
    #expect(slots(local) == (0..<10).filter { $0 != Int32(n) })
  }

  @Test("timers come out by time, whatever was taken out in between", arguments: [1, 2, 3] as [UInt64])
  func heap(seed: UInt64) {
    var dice = StressTests.Dice(seed)
    let worker = StepWorker(index: 0, host: NoHost())
    let some = order(0) { _ in }
    var heap = TimerHeap()
    var expected: [(at: Int64, run: PoolRun)] = []
    for _ in 0..<2_000 {
      if dice.roll(3) == 0, !expected.isEmpty {
        heap.remove(expected.remove(at: Int(dice.roll(UInt64(expected.count)))).run)
      } else {
        let run = PoolRun(
          continuing: some, begunAt: StepTime(wall: .epoch, monotonic: 0, deadline: .max), on: worker, body: NoHost())
        let at = Int64(dice.roll(500))
        heap.insert(TimerHeap.Entry(at: at, suspension: 1, run: run))
        expected.append((at, run))
      }
      #expect(heap.count == expected.count)
      #expect(heap.earliest == expected.map(\.at).min() ?? .max)
    }
    var times: [Int64] = []
    while let entry = heap.popDue(at: 499) { times.append(entry.at) }
    #expect(times == expected.map(\.at).sorted())
    heap.remove(worker.anyRun)
  }
}

extension StepWorker {
  /// A run that is in no heap.
  fileprivate var anyRun: PoolRun {
    PoolRun(
      continuing: order(0) { _ in }, begunAt: StepTime(wall: .epoch, monotonic: 0, deadline: .max), on: self,
      body: NoHost())
  }
}
