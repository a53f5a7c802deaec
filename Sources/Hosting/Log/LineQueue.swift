package import Basics
internal import Glibc

/// Lines on their way to a descriptor, written by a thread of their own: who hands one in never waits for the reader.
///
///     let queue = try LineQueue(to: STDERR_FILENO) { "\($0) lines were dropped" }
///     queue.add("started")
///     queue.flush()                  // before the process ends: waits, but not for a reader that reads nothing
///
/// A reader that stalls (a stopped pager, a journal that is busy, a full pipe) lets the queue fill to
/// ``mostBytes`` or ``mostLines``; what comes then is dropped and counted, and where it would have stood one line says
/// how many there were. Lines keep their order and are never torn apart by others of this queue. A reader that has gone
/// costs its lines and nothing else.
///
/// Threading: any thread. Memory: at most twice ``mostBytes``, what is written and what waits.
package final class LineQueue: Sendable {
  /// 8 MB: seconds of the fastest output that scripts make, and a thousandth of a small machine.
  package static let mostBytes = 8 << 20
  package static let mostLines = 100_000
  /// One write at most, so that `flush` sees a slow reader's progress.
  private static let writeBytes = 64 << 10

  private struct State: Sendable {
    var waiting: [UInt8] = []
    var lines = 0
    /// Since the last line that was taken in.
    var dropped = 0
    /// Bytes that are with the writer.
    var underWay = 0
    /// Rises with each write that came back.
    var progress = 0
    var isClosed = false
  }

  private let state = Monitor(State())
  private let thread: NamedThread
  private let note: @Sendable (Int) -> String

  /// - Parameter note: the line that says how many were dropped.
  package init(to descriptor: Int32, note: @escaping @Sendable (Int) -> String) throws(ThreadError) {
    self.note = note
    let state = state
    thread = try NamedThread("moondial-log") { Self.write(from: state, to: descriptor, note: note) }
  }

  deinit {
    state.withLock { $0.isClosed = true }
    state.broadcast()
  }

  /// Hands in one line, without its line end. Never waits for the reader.
  package func add(_ line: String) {
    state.withLock { state in
      guard state.lines < Self.mostLines, state.waiting.count + line.utf8.count < Self.mostBytes else {
        state.dropped += 1
        return
      }
      if state.dropped > 0 {
        state.waiting += Array((note(state.dropped) + "\n").utf8)
        state.dropped = 0
      }
      state.waiting += line.utf8
      state.waiting.append(10)
      state.lines += 1
    }
    state.broadcast()
  }

  /// Waits until everything that was handed in is written: as long as the reader reads, at most `most` nanoseconds, and
  /// no longer than `stall` while it takes nothing.
  ///
  /// - Returns: whether all of it is written.
  @discardableResult
  package func flush(stall: Int64 = 1_000_000_000, most: Int64 = 5_000_000_000) -> Bool {
    let end = monotonicNow() + most
    var seen = -1
    while monotonicNow() < end {
      let known = seen
      let answer = state.wait(until: min(end, monotonicNow() + stall)) { state -> (isDone: Bool, progress: Int)? in
        let isDone = state.waiting.isEmpty && state.underWay == 0 && state.dropped == 0
        return isDone || state.progress != known ? (isDone, state.progress) : nil
      }
      guard let answer else { return false }
      if answer.isDone { return true }
      seen = answer.progress
    }
    return false
  }

  // MARK: The thread

  private static func write(from state: Monitor<State>, to descriptor: Int32, note: @Sendable (Int) -> String) {
    var bytes: [UInt8] = []
    while true {
      bytes.removeAll(keepingCapacity: bytes.capacity <= writeBytes)
      let isOver = state.wait { state -> Bool? in
        guard !state.waiting.isEmpty || state.dropped > 0 else { return state.isClosed ? true : nil }
        swap(&bytes, &state.waiting)
        state.lines = 0
        if state.dropped > 0 {
          // After what stood in the queue when they came.
          bytes += Array((note(state.dropped) + "\n").utf8)
          state.dropped = 0
        }
        state.underWay = bytes.count
        return false
      }
      if isOver == true { return }
      StandardError.write(bytes, to: descriptor, atMost: writeBytes) { left in
        state.withLock { state in
          state.underWay = left
          state.progress &+= 1
        }
        state.broadcast()
      }
      state.withLock { $0.underWay = 0 }
      state.broadcast()
    }
  }
}
