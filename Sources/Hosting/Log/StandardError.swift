internal import Basics
internal import Chronology
internal import Glibc
internal import Synchronization

/// Standard error, written whole lines at a time.
///
/// A command that looks once writes its lines itself and may wait for who reads them. A host must not: it calls
/// ``queueLines(note:)`` before it has threads, and from then on a line only joins a queue.
package enum StandardError {
  /// Colours only where a person looks.
  package static let isTerminal = isatty(STDERR_FILENO) == 1

  private static let lock = Mutex(())
  private static let queue = Mutex<LineQueue?>(nil)

  /// One line, made visible. Any thread; waits for the reader unless lines are queued.
  package static func line(_ text: String) { line(styled: VisibleText.line(text)) }

  /// A line with colours of our own. What others wrote in it has been made visible (``VisibleText``).
  package static func line(styled text: String) {
    if let queue = queue.withLock({ $0 }) { return queue.add(text) }
    lock.withLock { _ in write(Array((text + "\n").utf8), to: STDERR_FILENO, atMost: .max) { _ in } }
  }

  /// A text of our own that is no whole line, for a terminal: what is drawn over itself. Waits for the reader.
  package static func drawing(_ text: String) {
    lock.withLock { _ in write(Array(text.utf8), to: STDERR_FILENO, atMost: .max) { _ in } }
  }

  /// From now on no caller waits for the reader. Once; when the system gives no thread for it, lines are written as
  /// before.
  ///
  /// - Parameter note: the line that says how many were dropped because nobody read them.
  package static func queueLines(note: @escaping @Sendable (Int) -> String) {
    // Without its thread the log still works, it only waits.
    guard let made = try? LineQueue(to: STDERR_FILENO, note: note) else { return }
    queue.withLock { $0 = made }
  }

  /// Waits for the reader, within bounds: see ``LineQueue/flush(stall:most:)``. Before the process ends.
  package static func flush() { _ = queue.withLock { $0 }?.flush() }

  /// Writes all of `bytes`; a reader that has gone, or a full disk, ends it. `wrote` is told how many bytes are left.
  static func write(_ bytes: [UInt8], to descriptor: Int32, atMost most: Int, _ wrote: (Int) -> Void) {
    // Safe: the buffer is valid for the closure, and each slice that is written lies within it.
    unsafe bytes.withUnsafeBufferPointer { bytes in
      var written = 0
      while written < bytes.count {
        let count = unsafe Glibc.write(descriptor, bytes.baseAddress! + written, min(most, bytes.count - written))
        if count < 0 {
          if errno == EINTR { continue }
          // Somebody who shares it has made it non-blocking: what is full empties again.
          if errno == EAGAIN, awaitWritable(descriptor) { continue }
          // A closed pipe or a full disk: there is nobody left to tell.
          return
        }
        guard count > 0 else { return }
        written += count
        wrote(bytes.count - written)
      }
    }
  }

  private static func awaitWritable(_ descriptor: Int32) -> Bool {
    var asked = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    // Safe: one local struct, which the call fills.
    let count = unsafe poll(&asked, 1, -1)
    return count > 0 ? asked.revents & Int16(POLLOUT) != 0 : errno == EINTR
  }
}
