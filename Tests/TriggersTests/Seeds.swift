/// Fixed seeds, and one that is new in each run; a failing test prints it.
enum Seeds {
  static let fresh = UInt64.random(in: 0...UInt64.max)
  static func with(_ fixed: [UInt64]) -> [UInt64] { fixed + [fresh] }
}
