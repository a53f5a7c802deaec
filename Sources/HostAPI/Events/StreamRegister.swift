internal import NIOCore
internal import NIOHTTPTypes
internal import Synchronization

/// The connections that read events: how many there may be, and their signs of life.
///
/// One timer serves them all, and there is none while there is no reader. A sign of life is a comment that clients
/// ignore; it tells the kernel to find out whether they are still there.
final class StreamRegister: Sendable {
  private struct State {
    var channels: [ObjectIdentifier: any Channel] = [:]
    var timer: RepeatedTask?
  }
  private let state = Mutex(State())
  private let most: Int
  private let period: Int64
  private static let comment = ByteBuffer(string: ":\n\n")

  init(_ limits: ServerLimits) {
    most = limits.streams
    period = limits.heartbeat
  }

  var count: Int { state.withLock { $0.channels.count } }

  /// Counts one more; false: there is no room. On the channel's event loop.
  func enter(_ channel: any Channel) -> Bool {
    state.withLock { state in
      guard state.channels.count < most else { return false }
      state.channels[ObjectIdentifier(channel)] = channel
      if state.timer == nil {
        state.timer = channel.eventLoop.scheduleRepeatedTask(
          initialDelay: TimeAmount(period), delay: TimeAmount(period)
        ) { [weak self] _ in self?.beat() }
      }
      return true
    }
  }

  /// Counts one less. Twice is fine.
  func leave(_ channel: any Channel) {
    let timer = state.withLock { state -> RepeatedTask? in
      state.channels[ObjectIdentifier(channel)] = nil
      guard state.channels.isEmpty else { return nil }
      defer { state.timer = nil }
      return state.timer
    }
    timer?.cancel()
  }

  /// Closes all of them.
  func closeAll() {
    for channel in state.withLock({ Array($0.channels.values) }) { channel.close(promise: nil) }
  }

  private func beat() {
    for channel in state.withLock({ Array($0.channels.values) }) where channel.isWritable {
      // Frames are written whole, one part each: a comment cannot come into the middle of one.
      channel.writeAndFlush(HTTPResponsePart.body(Self.comment), promise: nil)
    }
  }
}
