internal import Glibc

/// A descriptor that closes with its last reference.
package final class OpenedFile: Sendable {
  package let descriptor: Int32
  package init(_ descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }
}

/// What is sent: bytes, and files that are read as they are sent.
package struct HTTPBody: Sendable {
  package enum Part: Sendable {
    case bytes([UInt8])
    case file(OpenedFile, size: Int)

    var size: Int {
      switch self {
      case .bytes(let bytes): bytes.count
      case .file(_, let size): size
      }
    }
  }
  package let parts: [Part]
  package let size: Int

  package init(_ parts: [Part]) {
    self.parts = parts
    size = parts.reduce(0) { $0 + $1.size }
  }

  /// Copies what follows `offset`; the count of bytes, 0 at the end, nil when a file is shorter than it was or cannot be
  /// read. O(parts).
  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int? {
    var start = 0
    for part in parts {
      let end = start + part.size
      guard offset < end else {
        start = end
        continue
      }
      let inside = offset - start
      let count = min(buffer.count, end - offset)
      switch part {
      case .bytes(let bytes):
        // Safe: `count` bytes lie in both.
        unsafe bytes.withUnsafeBytes { bytes in
          unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[inside..<inside + count]))
        }
        return count
      case .file(let file, _):
        while true {
          // Safe: the call writes at most `count` bytes into the buffer.
          let got = unsafe pread(file.descriptor, buffer.baseAddress, count, off_t(inside))
          if got > 0 { return got }
          if got < 0, errno == EINTR { continue }
          return nil
        }
      }
    }
    return 0
  }
}

/// Where the bytes of an answer go.
///
/// Threading: the client's thread.
package protocol BodySink: AnyObject, Sendable {
  /// Bytes that it takes.
  var limit: Int { get }
  /// From the beginning: another attempt.
  func begin()
  /// Takes the bytes, or none of them.
  ///
  /// - Parameter ready: called later, on any thread, if the verdict is `later`.
  func take(_ bytes: UnsafeRawBufferPointer, ready: @escaping @Sendable () -> Void) -> SinkVerdict
}

package enum SinkVerdict: Sendable {
  case taken
  /// There is no room now.
  case later
  case tooLarge
  case failed(errno: Int32)
}

/// An answer in memory, for which room is asked before it is there.
package final class MemorySink: BodySink, @unchecked Sendable {
  // @unchecked: on the client's thread, and after the end on one other.
  package let limit: Int
  package private(set) var bytes: [UInt8] = []
  private var granted = 0
  private let ask: @Sendable (Int, @escaping @Sendable () -> Void) -> Bool
  /// Asked for and not yet there.
  private var awaited = 0

  /// - Parameter ask: for so many bytes more; false when they come later, and then the closure is called.
  package init(limit: Int, ask: @escaping @Sendable (Int, @escaping @Sendable () -> Void) -> Bool) {
    self.limit = limit
    self.ask = ask
  }

  package func begin() { bytes.removeAll() }

  package func take(_ new: UnsafeRawBufferPointer, ready: @escaping @Sendable () -> Void) -> SinkVerdict {
    if awaited > 0 {
      granted += awaited
      awaited = 0
    }
    let needed = bytes.count + new.count
    guard needed <= limit else { return .tooLarge }
    if needed > granted {
      // In growing steps, so that a byte is moved once or twice.
      let wanted = max(needed, min(limit, max(64 << 10, 2 * granted))) - granted
      guard ask(wanted, ready) else {
        awaited = wanted
        return .later
      }
      granted += wanted
      bytes.reserveCapacity(granted)
    }
    unsafe bytes.append(contentsOf: new)
    return .taken
  }
}

/// An answer in a file, from its beginning.
package final class FileSink: BodySink, @unchecked Sendable {
  // @unchecked: on the client's thread, and after the end on one other.
  package let limit: Int
  package private(set) var size = 0
  private let file: OpenedFile

  package init(_ file: OpenedFile, limit: Int) {
    self.file = file
    self.limit = limit
  }

  package func begin() {
    size = 0
    _ = ftruncate(file.descriptor, 0)
  }

  package func take(_ new: UnsafeRawBufferPointer, ready: @escaping @Sendable () -> Void) -> SinkVerdict {
    guard new.count <= limit - size else { return .tooLarge }
    var done = 0
    while done < new.count {
      // Safe: the call reads inside the buffer, from `done` to its end.
      let count = unsafe pwrite(file.descriptor, new.baseAddress! + done, new.count - done, off_t(size))
      if count < 0 {
        if errno == EINTR { continue }
        return .failed(errno: errno)
      }
      done += count
      size += count
    }
    return .taken
  }
}
