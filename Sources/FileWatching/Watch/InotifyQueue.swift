internal import Glibc

/// An inotify descriptor. All pointers of this folder are in this file and in `WakeSignal.swift`.
///
/// Used by one thread at a time: its owner's.
final class InotifyQueue {
  /// Readable when events wait.
  let descriptor: Int32
  private var buffer = [UInt8](repeating: 0, count: 64 * 1024)

  /// One event as the kernel wrote it.
  struct Event {
    /// Which watch; −1 when the event is about the queue.
    var watch: Int32
    var mask: EventMask
    /// The entry of the watched directory; empty for the directory itself.
    var name: [UInt8]
  }

  /// A new queue, or why there is none.
  static func open() -> Result<InotifyQueue, Errno> {
    let descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
    return descriptor >= 0 ? .success(InotifyQueue(descriptor)) : .failure(.current)
  }

  private init(_ descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  /// Watches the directory that `path` leads to. The number of the watch is the same for every path to one directory.
  func add(_ path: String) -> Result<Int32, Errno> {
    // Safe: the path is passed as a terminated copy.
    let watch = unsafe inotify_add_watch(descriptor, path, EventMask.watched.rawValue)
    return watch >= 0 ? .success(watch) : .failure(.current)
  }

  /// Ends a watch. Fails, harmlessly, for one that the kernel ended before.
  func remove(_ watch: Int32) { _ = inotify_rm_watch(descriptor, watch) }

  /// Takes all waiting events, in order; never blocks.
  func takeAll(_ take: (Event) -> Void) {
    while true {
      // Safe: the kernel writes at most `count` bytes into the buffer, which outlives the call.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      parse(count, take)
    }
  }

  /// Reads whole records: 16 bytes (watch, mask, cookie, length of the name), then the name, padded with zeros.
  private func parse(_ count: Int, _ take: (Event) -> Void) {
    var position = 0
    while position + 16 <= count {
      let length = Int(word(at: position + 12))
      let end = position + 16 + length
      guard end <= count else { return }
      let name = buffer[(position + 16)..<end].prefix { $0 != 0 }
      take(
        Event(
          watch: Int32(bitPattern: word(at: position)), mask: EventMask(rawValue: word(at: position + 4)),
          name: Array(name)))
      position = end
    }
  }

  /// The 32-bit number in the machine's byte order at `position`.
  private func word(at position: Int) -> UInt32 {
    var word: UInt32 = 0
    for offset in 0..<4 {
      #if _endian(little)
        word |= UInt32(buffer[position + offset]) << UInt32(8 * offset)
      #else
        word = word << 8 | UInt32(buffer[position + offset])
      #endif
    }
    return word
  }
}
