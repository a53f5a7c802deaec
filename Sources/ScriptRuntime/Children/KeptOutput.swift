/// What is kept of the output of a program: all of it up to a limit, and of more the beginning and the end, because
/// errors stand at the end.
///
/// Where something was left out a line says how much, and no character of UTF-8 is cut in two. With the line it has at
/// most `limit` bytes; a limit without room for such a line keeps the beginning alone.
///
///     var kept = KeptOutput(limit: 200)
///     kept.add(…)          // 1,000 bytes
///     kept.bytes           // 74 bytes, "\n… 852 bytes are left out here …\n", 74 bytes
package struct KeptOutput: Sendable {
  let limit: Int
  /// Bytes that came in all.
  private(set) var total = 0
  private var head: [UInt8] = []
  /// What came after the head; its last `tailLimit` bytes count.
  private var tail: [UInt8] = []

  /// Room for the line that says what is missing.
  private static let lineRoom = 64
  private var tailLimit: Int { limit < 2 * Self.lineRoom ? 0 : limit - limit / 2 }

  init(limit: Int) { self.limit = limit }

  /// Amortised O(new bytes); never keeps more than one and a half times the limit, and 64 KB.
  mutating func add(_ new: ArraySlice<UInt8>) {
    total += new.count
    let taken = new.prefix(limit - tailLimit - head.count)
    head += taken
    guard tailLimit > 0, taken.count < new.count else { return }
    tail += new.dropFirst(taken.count)
    // Not with each piece, so that a byte is moved once.
    if tail.count - tailLimit > tailLimit { tail.removeFirst(tail.count - tailLimit) }
  }

  /// Bytes that it has in memory.
  var held: Int { head.count + tail.count }

  package var isTruncated: Bool { total > limit }

  /// Bytes that are not in `bytes`.
  package var omitted: Int { isTruncated ? parts.omitted : 0 }

  /// What is kept.
  package var bytes: [UInt8] {
    guard isTruncated else { return head + tail }
    let parts = parts
    guard tailLimit > 0 else { return Array(parts.head) }
    return parts.head + Array("\n… \(parts.omitted) bytes are left out here …\n".utf8) + parts.tail
  }

  private var parts: (head: ArraySlice<UInt8>, tail: ArraySlice<UInt8>, omitted: Int) {
    let room = tailLimit > 0 ? Self.lineRoom / 2 : 0
    let first = Self.withoutHalfCharacter(head.prefix(head.count - room))
    let last = tailLimit > 0 ? Self.withoutRestOfCharacter(tail.suffix(tailLimit - room)) : []
    return (first, last, total - first.count - last.count)
  }

  /// Without the beginning of a character at the end whose rest is missing.
  private static func withoutHalfCharacter(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    for length in 1...3 {
      guard let byte = bytes.dropLast(length - 1).last else { break }
      if byte & 0xc0 == 0x80 { continue }
      let needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
      return needed > length ? bytes.dropLast(length) : bytes
    }
    // Not UTF-8 anyway.
    return bytes
  }

  /// Without the rest of a character at the beginning.
  private static func withoutRestOfCharacter(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let rest = bytes.prefix(3).prefix { $0 & 0xc0 == 0x80 }.count
    return bytes.dropFirst(rest)
  }
}
