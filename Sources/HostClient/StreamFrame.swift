internal import Synchronization

/// One Server-Sent Event.
package struct StreamFrame: Sendable, Equatable {
  package var event = "message"
  package var data = ""
  package var id: String?
}

/// Makes frames of bytes as they come.
///
/// Source: the HTML standard, "Server-sent events", "Interpreting an event stream".
final class StreamParser: Sendable {
  private struct State: Sendable {
    var line: [UInt8] = []
    var frame = StreamFrame()
    var lines = 0
    var isOpen = false
    var isOver = false
  }
  private let state = Mutex(State())
  private let opened: @Sendable () -> Void
  private let take: @Sendable (StreamFrame) -> Bool

  init(opened: @escaping @Sendable () -> Void, _ take: @escaping @Sendable (StreamFrame) -> Bool) {
    self.opened = opened
    self.take = take
  }

  var isOver: Bool { state.withLock { $0.isOver } }

  /// - Returns: whether more is wanted.
  func feed(_ bytes: [UInt8]) -> Bool {
    let (frames, isFirst) = state.withLock { state in
      defer { state.isOpen = true }
      return (StreamParser.frames(bytes, &state), !state.isOpen)
    }
    if isFirst { opened() }
    for frame in frames where !take(frame) {
      state.withLock { $0.isOver = true }
      return false
    }
    return true
  }

  private static func frames(_ bytes: [UInt8], _ state: inout State) -> [StreamFrame] {
    var frames: [StreamFrame] = []
    for byte in bytes {
      guard byte == UInt8(ascii: "\n") else {
        if byte != UInt8(ascii: "\r") { state.line.append(byte) }
        continue
      }
      let line = String(decoding: state.line, as: UTF8.self)
      state.line.removeAll(keepingCapacity: true)
      if line.isEmpty {
        if state.lines > 0 { frames.append(state.frame) }
        state.frame = StreamFrame()
        state.lines = 0
        continue
      }
      read(line, &state)
    }
    return frames
  }

  private static func read(_ line: String, _ state: inout State) {
    // A comment: a sign of life.
    guard !line.hasPrefix(":") else { return }
    let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    var value = parts.count > 1 ? String(parts[1]) : ""
    if value.hasPrefix(" ") { value.removeFirst() }
    switch parts[0] {
    case "event": state.frame.event = value
    case "data":
      state.frame.data += state.lines > 0 ? "\n" + value : value
      state.lines += 1
    case "id": state.frame.id = value
    default: break
    }
  }
}
