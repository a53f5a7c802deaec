import Basics
import Testing

@Suite("A ring")
struct RingTests {
  @Test("keeps the last elements in order", arguments: [0, 1, 2, 3, 4, 7, 8, 100])
  func keepsTheLast(count: Int) {
    var ring = Ring<Int>(capacity: 4)
    for number in 0..<count { ring.append(number) }
    #expect(ring.inOrder == Array((0..<count).suffix(4)))
    #expect(ring.newest == (count == 0 ? nil : count - 1))
  }

  @Test("replaces and removes by content", arguments: 0..<12)
  func replacesAndRemoves(count: Int) {
    for victim in 0..<12 {
      var ring = Ring<Int>(capacity: 5)
      for number in 0..<count { ring.append(number) }
      var model = Array((0..<count).suffix(5))
      let slot = ring.newestSlot { $0 == victim }
      #expect((slot != nil) == model.contains(victim))
      if let slot { ring[slot] = -1 }
      model = model.map { $0 == victim ? -1 : $0 }
      #expect(ring.inOrder == model)
      if let doomed = model.first, let slot = ring.newestSlot(where: { $0 == doomed }) { ring.remove(slot: slot) }
      model = Array(model.dropFirst())
      ring.append(50)
      #expect(ring.inOrder == model + [50])
    }
  }
}
