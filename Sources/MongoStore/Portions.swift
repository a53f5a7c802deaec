/// How many entries a command that writes several has at most. MongoDB takes 100,000, and 16 MB for the whole command;
/// a single entry is never split, and has room for itself (15 MB, and what is around it).
enum Portions {
  static let mostEntries = 2_000
  /// Of several entries together.
  static let mostBytes = 6 << 20

  /// Splits entries of so many bytes each, in their order.
  static func ranges(of sizes: [Int]) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start = 0
    var bytes = 0
    for (index, size) in sizes.enumerated() {
      if index > start, index - start == mostEntries || bytes + size > mostBytes {
        ranges.append(start..<index)
        start = index
        bytes = 0
      }
      bytes += size
    }
    if start < sizes.count { ranges.append(start..<sizes.count) }
    return ranges
  }
}
