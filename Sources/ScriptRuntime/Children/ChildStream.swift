internal import Synchronization

/// The lines of a program on their way to a script, as they are written.
///
/// It takes bytes up to a bound and then none until the script has taken lines, so that a program that floods waits for
/// its reader. A line of more than ``longestLine`` bytes comes in pieces of that size; the last line needs no end.
///
/// Threading: any thread.
package final class ChildStream: Sendable {
  /// Bytes that wait at the most, beside what comes in one piece.
  package static let most = 256 << 10
  package static let longestLine = 64 << 10

  package struct Line: Sendable, Equatable {
    package var bytes: [UInt8]
    package var isError: Bool
  }

  fileprivate struct State: Sendable {
    var lines: [Line] = []
    var bytes = 0
    /// The beginning of a line whose end has not come.
    var rest: [Bool: [UInt8]] = [:]
    /// Called when there is room, or something to take.
    var whenRoom: [@Sendable () -> Void] = []
    var whenReady: (@Sendable () -> Void)?
    var isOver = false
  }
  private let state = Mutex(State())
  /// Which of both is wanted.
  private let output: Bool
  private let errors: Bool

  package init(output: Bool, errors: Bool) {
    self.output = output
    self.errors = errors
  }

  /// Whether it takes bytes now. If not, `call` is called once when it does.
  func takes(orCall call: @escaping @Sendable () -> Void) -> Bool {
    state.withLock { state in
      guard state.bytes >= Self.most else { return true }
      state.whenRoom.append(call)
      return false
    }
  }

  func add(_ bytes: ArraySlice<UInt8>, isError: Bool) {
    guard isError ? errors : output else { return }
    let ready = state.withLock { state -> (@Sendable () -> Void)? in
      var rest = state.rest[isError] ?? []
      var bytes = bytes
      while let end = bytes.firstIndex(of: 10) {
        rest += bytes[..<end]
        if rest.last == 13 { rest.removeLast() }
        state.append(rest, isError)
        rest = []
        bytes = bytes[(end + 1)...]
      }
      rest += bytes
      while rest.count >= Self.longestLine {
        state.append(Array(rest.prefix(Self.longestLine)), isError)
        rest.removeFirst(Self.longestLine)
      }
      state.rest[isError] = rest
      return state.lines.isEmpty ? nil : state.takeReady()
    }
    ready?()
  }

  /// Nothing more comes: lines without an end are lines.
  func end() {
    let ready = state.withLock { state in
      for isError in [false, true] {
        let rest = state.rest[isError] ?? []
        if !rest.isEmpty { state.append(rest, isError) }
      }
      state.rest = [:]
      state.isOver = true
      return state.takeReady()
    }
    ready?()
  }

  /// The lines that wait, up to about 64 KB of them; nil: there are none, and will be none. `whenReady` is called when
  /// there is one or the other, after an empty answer.
  func take(whenReady: @escaping @Sendable () -> Void) -> [Line]? {
    let (lines, room) = state.withLock { state -> ([Line]?, [@Sendable () -> Void]) in
      var (taken, bytes) = (0, 0)
      while taken < state.lines.count, bytes < 64 << 10 {
        bytes += state.lines[taken].bytes.count + 32
        taken += 1
      }
      guard taken > 0 else {
        if state.isOver { return (nil, []) }
        state.whenReady = whenReady
        return ([], [])
      }
      let lines = Array(state.lines.prefix(taken))
      state.lines.removeFirst(taken)
      state.bytes -= bytes
      guard state.bytes < Self.most else { return (lines, []) }
      defer { state.whenRoom = [] }
      return (lines, state.whenRoom)
    }
    for call in room { call() }
    return lines
  }
}

extension ChildStream.State {
  fileprivate mutating func append(_ bytes: [UInt8], _ isError: Bool) {
    lines.append(ChildStream.Line(bytes: bytes, isError: isError))
    self.bytes += bytes.count + 32
  }

  fileprivate mutating func takeReady() -> (@Sendable () -> Void)? {
    defer { whenReady = nil }
    return whenReady
  }
}
