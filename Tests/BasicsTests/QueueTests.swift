import Testing

@testable import Basics

@Suite("A queue")
struct QueueTests {
  @Test("gives back what an array would, whatever is appended and taken", arguments: 0..<20)
  func asAnArray(seed: UInt64) {
    var queue = Queue<Int>()
    var model: [Int] = []
    var bits = StableHash.mix(seed)
    for number in 0..<2_000 {
      bits = StableHash.mix(bits)
      // Waves: it fills for a while, then it is emptied, so that it moves what is left.
      switch bits % 8 {
      case 0..<(number / 300 % 2 == 0 ? 5 : 2):
        queue.append(number)
        model.append(number)
      case 7: #expect(queue.popLast() == model.popLast())
      default: #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
      }
      #expect(queue.count == model.count)
      #expect(queue.isEmpty == model.isEmpty)
    }
    while let last = queue.popFirst() { #expect(last == model.removeFirst()) }
    #expect(model.isEmpty)
  }
}
