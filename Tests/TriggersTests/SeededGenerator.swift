/// SplitMix64: the same sequence for the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }

  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

  mutating func pick<T>(_ items: [T]) -> T { items[Int.random(in: items.indices, using: &self)] }
}

/// Fixed seeds, and one that is new in each run; a failing test prints it.
enum Seeds {
  static let fresh = UInt64.random(in: 0...UInt64.max)
  static func with(_ fixed: [UInt64]) -> [UInt64] { fixed + [fresh] }
}
