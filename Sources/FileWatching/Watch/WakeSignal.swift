internal import Glibc

/// Lets other threads end a wait for events: a connected pair of sockets. (An `eventfd` would do with one descriptor,
/// but is not among what Swift sees of the C library; and unlike a pipe, a pair can be made close-on-exec in one step.)
final class WakeSignal: Sendable {
  private let reading: Int32
  private let writing: Int32

  /// Traps when the process has no descriptor left: it could not open a script either.
  init() {
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    var pair: [Int32] = [-1, -1]
    // Safe: the call writes two numbers into an array of two.
    let result = unsafe socketpair(AF_UNIX, type, 0, &pair)
    precondition(result == 0, "cannot start watching: \(SystemCall.message(for: errno)); raise ulimit -n")
    (reading, writing) = (pair[0], pair[1])
  }

  deinit {
    close(reading)
    close(writing)
  }

  /// Ends the wait that is under way, or the next one. From any thread; never blocks.
  func wake() {
    var byte: UInt8 = 1
    // Safe: the call reads that one byte. It fails when the pair is full of wakes that nobody has seen: then one more
    // says nothing.
    unsafe _ = write(writing, &byte, 1)
  }

  /// Blocks until woken, until events wait in `queue`, or for `nanoseconds`, rounded up to milliseconds. By one thread
  /// at a time.
  func wait(for queue: InotifyQueue?, nanoseconds: Int64) {
    var descriptors = [pollfd(fd: reading, events: Int16(POLLIN), revents: 0)]
    if let queue { descriptors.append(pollfd(fd: queue.descriptor, events: Int16(POLLIN), revents: 0)) }
    let bounded = min(max(0, nanoseconds), 3_600_000_000_000)
    // Safe: the array outlives the call, and the count is its own. A signal ends the wait early, which is harmless.
    unsafe _ = poll(&descriptors, nfds_t(descriptors.count), Int32((bounded + 999_999) / 1_000_000))
    guard descriptors[0].revents != 0 else { return }
    var bytes = [UInt8](repeating: 0, count: 256)
    // Safe: the call writes inside the array, which outlives it. Until nothing is left, so that old wakes end no later
    // wait.
    while unsafe read(reading, &bytes, bytes.count) > 0 {}
  }
}
