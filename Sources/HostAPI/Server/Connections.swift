internal import Basics
internal import NIOCore

/// The connections of one server, and the tasks that answer on them.
///
/// Threading: any thread; `enter` on an event loop.
final class Connections: Sendable {
  private struct Entry: Sendable {
    var channel: any Channel
    var isSocket: Bool
    var task: Task<Void, Never>?
  }
  private struct State: Sendable {
    var entries: [ObjectIdentifier: Entry] = [:]
    var isClosed = false
  }
  private let state = Monitor(State())
  private let most: Int

  init(_ limits: ServerLimits) { most = limits.connections }

  var count: Int { state.withLock { $0.entries.count } }

  /// Counts one more; false: there is no room at this door, or the server ends.
  func enter(_ channel: any Channel, isSocket: Bool) -> Bool {
    state.withLock { state in
      guard !state.isClosed, state.entries.values.count(where: { $0.isSocket == isSocket }) < most else { return false }
      state.entries[ObjectIdentifier(channel)] = Entry(channel: channel, isSocket: isSocket)
      return true
    }
  }

  /// The task that answers on it: cancelled when the connection closes.
  func serve(_ channel: any Channel, by task: Task<Void, Never>) {
    state.withLock { $0.entries[ObjectIdentifier(channel)]?.task = task }
    channel.closeFuture.whenComplete { _ in task.cancel() }
  }

  /// The task has ended, or there never was one.
  func leave(_ channel: any Channel) {
    state.withLock { _ = $0.entries.removeValue(forKey: ObjectIdentifier(channel)) }
    state.broadcast()
  }

  /// No further connection; those that do nothing close, the others after their answer. Blocks up to `patience`
  /// nanoseconds, then closes them, and waits once more as long.
  ///
  /// - Returns: whether all have gone.
  func close(patience: Int64) -> Bool {
    let open = state.withLock { state in
      state.isClosed = true
      return state.entries.values.map(\.channel)
    }
    for channel in open { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    if awaitEmpty(patience) { return true }
    for entry in state.withLock({ Array($0.entries.values) }) {
      entry.task?.cancel()
      entry.channel.close(promise: nil)
    }
    return awaitEmpty(patience)
  }

  private func awaitEmpty(_ patience: Int64) -> Bool {
    state.wait(until: monotonicNow() + patience) { $0.entries.isEmpty ? true : nil } ?? false
  }
}
