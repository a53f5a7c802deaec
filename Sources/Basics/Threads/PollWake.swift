internal import Glibc

/// Ends a `poll` from another thread: a connected pair of sockets, which programs do not inherit.
///
/// Threading: `wake` from any thread; `clear` and whoever polls `reading` from one.
package final class PollWake: Sendable {
  /// Readable after a `wake` until `clear`.
  package let reading: Int32
  private let writing: Int32

  /// nil: the process may have no more descriptors.
  package init?() {
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    var pair: [Int32] = [-1, -1]
    // Safe: the call writes two numbers into an array of two.
    guard unsafe socketpair(AF_UNIX, type, 0, &pair) == 0 else { return nil }
    (reading, writing) = (pair[0], pair[1])
  }

  deinit {
    close(reading)
    close(writing)
  }

  package func wake() {
    var byte: UInt8 = 1
    // Safe: the call reads that one byte. A full pair has wakes that nobody has seen yet: one more would say nothing.
    _ = unsafe send(writing, &byte, 1, Int32(MSG_NOSIGNAL))
  }

  package func clear() {
    var bytes = [UInt8](repeating: 0, count: 256)
    // Safe: the call writes inside the array, which outlives it.
    while unsafe read(reading, &bytes, bytes.count) > 0 {}
  }
}
