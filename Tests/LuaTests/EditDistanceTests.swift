import Basics
import CLuaShim
import TestSupport
import Testing

@Suite("Misspelt names")
struct EditDistanceTests {
  @Test("count as far in the C of Lua's errors as in Swift", arguments: [17, UInt64.random(in: 0...UInt64.max)])
  func agree(seed: UInt64) {
    var random = SeededGenerator(seed)
    var near = 0
    for _ in 0..<20_000 {
      let left = (0..<random.below(9)).map { _ in UInt8(ascii: "a") + UInt8(random.below(3)) }
      var right = left
      for _ in 0..<random.below(4) {
        let at = random.below(right.count + 1)
        if random.oneIn(2) || right.isEmpty {
          right.insert(UInt8(ascii: "a") + UInt8(random.below(3)), at: at)
        } else {
          right.remove(at: min(at, right.count - 1))
        }
      }
      let limit = random.below(4)
      let (a, b) = (String(decoding: left, as: UTF8.self), String(decoding: right, as: UTF8.self))
      // Safe: strings are passed as C strings for the length of the call.
      let inC = unsafe Int(moon_edit_distance(a, left.count, b, right.count, UInt32(limit)))
      let inSwift = Spelling.distance(left, right, limit: limit)
      if inSwift <= limit { near += 1 }
      #expect(min(inSwift, limit + 1) == inC, "\(left), \(right), at most \(limit), seed \(seed)")
    }
    #expect(near > 1_000)
  }
}
