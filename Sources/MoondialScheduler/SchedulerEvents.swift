internal import DequeModule
internal import Synchronization

/// The events of a scheduler from the moment on at which it was asked for, one after the other; it ends after
/// `.stopped`.
///
///     for await event in scheduler.events() { print(event) }
///
/// The scheduler never waits for its reader: when the buffer is full, the oldest event is dropped and counted.
///
/// One task reads one sequence; ask again for another reader.
public struct SchedulerEvents: AsyncSequence, Sendable {
  /// One fact each.
  public typealias Element = SchedulerEvent
  /// It does not fail.
  public typealias Failure = Never

  let buffer: EventBuffer

  /// How many events the reader has lost so far because it was too slow.
  public var dropped: Int { buffer.dropped }

  /// Reads on where the last iterator stopped.
  public func makeAsyncIterator() -> Iterator { Iterator(buffer: buffer) }

  /// Reads from the buffer; ends when the task is cancelled.
  public struct Iterator: AsyncIteratorProtocol {
    let buffer: EventBuffer
    /// The next event; waits for it without a thread. nil after `.stopped`, or when the task is cancelled.
    public mutating func next() async -> SchedulerEvent? { await buffer.next() }
    /// The next event, on the caller's actor.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> SchedulerEvent? { await buffer.next() }
  }
}

/// A closure that hears of a scheduler's events, until it is cancelled.
///
/// Events come one at a time and in order, on a thread that is neither the scheduler's nor one that runs jobs.
public struct EventListener: Sendable {
  let buffer: EventBuffer
  let remove: @Sendable () -> Void

  /// How many events it has lost so far because it was too slow.
  public var dropped: Int { buffer.dropped }

  /// It hears of nothing more, but for an event that it is being told just now. Twice is fine.
  public func cancel() { remove() }
}

/// The newest events that one listener has not taken yet.
final class EventBuffer: Sendable {
  private struct State: Sendable {
    var events = Deque<SchedulerEvent>()
    var dropped = 0
    var isOver = false
    var waiter: CheckedContinuation<SchedulerEvent?, Never>?
  }

  private let state = Mutex(State())
  private let capacity: Int

  init(capacity: Int) {
    precondition(capacity > 0, "a buffer of events has room for one")
    self.capacity = capacity
  }

  var dropped: Int { state.withLock { $0.dropped } }
  var isEmpty: Bool { state.withLock { $0.events.isEmpty } }

  /// Never blocks. O(1).
  func push(_ event: SchedulerEvent) {
    let waiter = state.withLock { state -> CheckedContinuation<SchedulerEvent?, Never>? in
      guard !state.isOver else { return nil }
      if let waiter = state.waiter.take() { return waiter }
      if state.events.count == capacity {
        state.events.removeFirst()
        state.dropped += 1
      }
      state.events.append(event)
      return nil
    }
    waiter?.resume(returning: event)
  }

  /// Nothing comes any more; what is there can still be taken.
  func finish() {
    let waiter = state.withLock { state in
      state.isOver = true
      return state.waiter.take()
    }
    waiter?.resume(returning: nil)
  }

  /// All that is there, oldest first.
  func takeAll() -> [SchedulerEvent] {
    state.withLock { state in
      defer { state.events.removeAll(keepingCapacity: true) }
      return Array(state.events)
    }
  }

  func next() async -> SchedulerEvent? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> SchedulerEvent?? in
          if let event = state.events.popFirst() { return .some(event) }
          if state.isOver || Task.isCancelled { return .some(nil) }
          precondition(state.waiter == nil, "one task at a time reads a sequence of events; ask for another sequence")
          state.waiter = continuation
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      state.withLock { $0.waiter.take() }?.resume(returning: nil)
    }
  }
}
