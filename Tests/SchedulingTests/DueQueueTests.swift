import Basics
import JobModel
import Scheduling
import Testing
import TestSupport

@Suite("The due queue")
struct DueQueueTests {
  @Test("each queue agrees with a sorted list over random operations", arguments: 0..<20 as Range<UInt64>)
  func agrees(seed: UInt64) {
    var random = SeededGenerator(seed)
    var queue = DueQueue()
    let queues = [0, queue.addQueue(), queue.addQueue()]
    var model: [Int: (due: Int64, number: Int)] = [:]
    for _ in 0..<2_000 {
      let job = Int(random.next() % 50)
      let number = queues[Int(random.next() % 3)]
      switch random.next() % 4 {
      case 0, 1:
        let due = Int64(random.next() % 100)
        queue.set(JobIndex(job), due: due, in: number)
        model[job] = (due, number)
      case 2:
        queue.remove(JobIndex(job))
        model[job] = nil
      default:
        let limit = Int64(random.next() % 100)
        let expected = model.filter { $0.value.number == number && $0.value.due <= limit }
          .min { ($0.value.due, $0.key) < ($1.value.due, $1.key) }
        let popped = queue.popFirst(dueBy: limit, in: number)
        #expect(popped?.job.offset == expected?.key && popped?.due == expected?.value.due)
        if let expected { model[expected.key] = nil }
      }
      queue.checkInvariants()
      #expect(queue.count == model.count)
    }
  }

  @Test("a keyed heap gives out what went in, in order", arguments: 0..<20 as Range<UInt64>)
  func sorts(seed: UInt64) {
    var random = SeededGenerator(seed)
    var heap = KeyedHeap<Int64>()
    var keys: [Int64] = []
    for _ in 0..<500 {
      let key = Int64(random.next() % 64)
      keys.append(key)
      heap.push(key, slot: 0, use: 0)
    }
    var out: [Int64] = []
    while let entry = heap.popFirst() { out.append(entry.key) }
    #expect(out == keys.sorted())
  }
}
