internal import Basics
internal import Chronology
internal import JobModel
internal import StoreSupport

/// The one thread that writes to a store. Whatever waits when it is free becomes one commit; so the busier the host,
/// the more share the way to the server and its disk. Everyone gets exactly one completion, on this thread, after the
/// commit.
final class WriterLoop: Sendable {
  private struct State {
    var queue = WriterQueue()
    var retention: Retention?
    var isClosing = false
  }

  private let state = Monitor(State())
  private let thread: StoreThread
  private let storeName: String

  /// Starts the thread. `writer` and `pruner` are its own from here on.
  ///
  /// - Parameter pruner: nil in a process alongside a host.
  /// - Throws: when the system has no thread to give.
  init(
    _ writer: StoreWriter, pruner: Pruner?, options: MongoStore.Options, storeName: String
  ) throws(StoreError) {
    self.storeName = storeName
    let box = Box(writer: writer, pruner: pruner, log: LogWriter(writer.server, options.retention))
    thread = try StoreThread(name: "mongo-writer") { [state] in Self.run(state, box, options.clock) }
  }

  /// Hands something over. Never waits for the server.
  func submit(_ operation: WriterQueue.Operation) {
    let isAccepted = state.change { state in
      if !state.isClosing { state.queue.append(operation) }
      return !state.isClosing
    }
    if !isAccepted { operation.complete(.failure(.closed(storeName))) }
  }

  func submit(_ lines: [RunLogLine]) {
    state.change { state in
      if !state.isClosing { state.queue.append(lines) }
    }
  }

  func set(_ retention: Retention) { state.change { $0.retention = retention } }

  /// Writes what was handed over, then ends the thread.
  func close() {
    state.change { $0.isClosing = true }
    thread.join()
  }

  // MARK: The thread

  /// What the thread owns.
  private final class Box: @unchecked Sendable {
    // @unchecked: made before the thread starts, and touched by that thread only from then on.
    let writer: StoreWriter
    var pruner: Pruner?
    var log: LogWriter
    init(writer: StoreWriter, pruner: Pruner?, log: LogWriter) {
      self.writer = writer
      self.pruner = pruner
      self.log = log
    }
  }

  private static func run(_ state: Monitor<State>, _ box: Box, _ clock: any WallClock) {
    var realTime = RealTimeThread(.decide)
    while true {
      realTime.review(at: monotonicNow())
      // Background work waits for a success: it is not urgent, and would only fail again and again.
      let isPruning = box.writer.isHealthy && box.pruner?.isDue(clock.now) == true
      let next = state.wait(until: isPruning ? monotonicNow() : nextLook(box)) { state in
        if state.queue.isEmpty, state.retention == nil, !state.isClosing { return nil as Work? }
        let taken = state.queue.take()
        return Work(
          operations: taken.operations, lines: taken.lines, retention: state.retention.take(), ends: state.isClosing)
      }
      if let retention = next?.retention {
        box.pruner?.set(retention)
        box.log.set(retention)
      }
      if let next, next.ends, next.operations.isEmpty, next.lines.isEmpty { return box.writer.close() }
      let operations = next?.operations ?? []
      let answers = operations.isEmpty ? [] : box.writer.commit(operations)
      if box.writer.isHealthy {
        if let lines = next?.lines, !lines.isEmpty { box.log.write(lines) }
        box.pruner?.heard(box.writer.takeNews())
      }
      for (operation, answer) in zip(operations, answers) { operation.complete(answer) }
      if box.writer.isHealthy { box.pruner?.work(box.writer, clock.now) }
    }
  }

  private struct Work {
    var operations: [WriterQueue.Operation]
    var lines: [RunLogLine]
    var retention: Retention?
    var ends: Bool
  }

  /// A host looks for what is too old now and then, also when nothing happens.
  private static func nextLook(_ box: Box) -> Int64 {
    box.pruner == nil ? .max : monotonicNow() + Pruner.agePeriod
  }
}
