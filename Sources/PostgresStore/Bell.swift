internal import Glibc
internal import JobModel

/// A pair of sockets by which other threads end a wait in poll(2).
@safe final class Bell: Sendable {
  let descriptor: Int32
  private let writing: Int32

  init(_ location: String) throws(StoreError) {
    var pair: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    // Safe: the call writes two numbers into an array of two.
    guard unsafe socketpair(AF_UNIX, type, 0, &pair) == 0 else {
      throw StoreError(.io, "\(location): this process has no file descriptor left: raise ulimit -n")
    }
    (descriptor, writing) = (pair[0], pair[1])
  }

  deinit {
    close(descriptor)
    close(writing)
  }

  func ring() {
    var byte: UInt8 = 1
    // Safe: reads that one byte. It fails when nobody has heard the last ones: then one more says nothing.
    _ = unsafe write(writing, &byte, 1)
  }

  func wait(for nanoseconds: Int64) {
    var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // Safe: waits for one descriptor, whose struct is a local.
    _ = unsafe Glibc.poll(&poll, 1, Int32(clamping: nanoseconds / 1_000_000 + 1))
  }

  /// What was rung so far ends no later wait.
  func silence() {
    var bytes = [UInt8](repeating: 0, count: 64)
    // Safe: writes inside the array, which outlives the call.
    while unsafe read(descriptor, &bytes, bytes.count) > 0 {}
  }
}
