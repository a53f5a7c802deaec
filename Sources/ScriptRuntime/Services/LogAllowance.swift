/// How much one run may still log. A loop that logs would otherwise fill the store: after 10,000 lines or 1 MB one line
/// says that the rest is dropped.
package struct LogAllowance: Sendable {
  private var lines: Int
  private var bytes: Int
  private var isExhausted = false

  package init(lines: Int, bytes: Int) {
    self.lines = lines
    self.bytes = bytes
  }

  package enum Answer: Sendable { case write, dropFromHere, drop }

  /// Takes a line of `size` bytes from the allowance. `.dropFromHere` comes once.
  package mutating func take(_ size: Int) -> Answer {
    guard !isExhausted else { return .drop }
    guard lines > 0, bytes >= size else {
      isExhausted = true
      return .dropFromHere
    }
    lines -= 1
    bytes -= size
    return .write
  }
}
