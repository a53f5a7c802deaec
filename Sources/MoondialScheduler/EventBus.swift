internal import Basics
internal import JobModel
internal import Synchronization

/// Hands a scheduler's events to whoever listens, without the scheduler ever waiting for them.
///
/// Threading: `publish` on the scheduler's thread; everything else from any.
final class EventBus: Sendable {
  private struct Listener: Sendable {
    var buffer: EventBuffer
    /// nil for a sequence, whose reader takes for itself.
    var receive: (@Sendable (SchedulerEvent) -> Void)?
    var isDelivering = false
  }
  private struct State: Sendable {
    var listeners: [Int: Listener] = [:]
    var next = 0
    var isOver = false
  }

  private let state = Monitor(State())
  private let isWanted = Atomic(false)
  /// Two threads at most, so that a listener that never returns does not silence the others.
  private let blockingPool = BlockingPool(name: "moondial-ev", threads: 2)

  /// Whether anybody listens.
  var hasListeners: Bool { isWanted.load(ordering: .relaxed) }

  func subscribe(capacity: Int, _ receive: (@Sendable (SchedulerEvent) -> Void)?) -> (number: Int, buffer: EventBuffer)
  {
    let buffer = EventBuffer(capacity: capacity)
    let (number, isOver) = state.withLock { state in
      state.next += 1
      if !state.isOver { state.listeners[state.next] = Listener(buffer: buffer, receive: receive) }
      return (state.next, state.isOver)
    }
    if isOver { buffer.finish() } else { isWanted.store(true, ordering: .relaxed) }
    return (number, buffer)
  }

  func unsubscribe(_ number: Int) {
    state.withLock { $0.listeners.removeValue(forKey: number) }?.buffer.finish()
    state.broadcast()
  }

  func publish(_ events: [Event]) {
    guard hasListeners else { return }
    let listeners = state.withLock { $0.listeners }
    guard !listeners.isEmpty else { return }
    let shown = events.compactMap { SchedulerEvent($0) }
    for (number, listener) in listeners {
      for event in shown { listener.buffer.push(event) }
      if listener.receive != nil { startDelivery(number) }
    }
  }

  private func startDelivery(_ number: Int) {
    let starts = state.withLock { state in
      guard state.listeners[number]?.isDelivering == false else { return false }
      state.listeners[number]?.isDelivering = true
      return true
    }
    if starts { blockingPool.run { [self] in deliver(number) } }
  }

  /// On the pool: tells one listener until it knows everything.
  private func deliver(_ number: Int) {
    while true {
      let listener = state.withLock { state -> Listener? in
        guard let listener = state.listeners[number] else { return nil }
        // Decided under the lock: an event that is pushed after this starts another delivery.
        if listener.buffer.isEmpty {
          state.listeners[number]?.isDelivering = false
          return nil
        }
        return listener
      }
      guard let listener, let receive = listener.receive else { return state.broadcast() }
      for event in listener.buffer.takeAll() { receive(event) }
    }
  }

  /// Waits until every listener knows everything, or until a time of `monotonicNow()`.
  func awaitDelivery(until deadline: Int64) {
    _ = state.wait(until: deadline) { state in
      state.listeners.values.contains { $0.receive != nil && ($0.isDelivering || !$0.buffer.isEmpty) } ? nil : true
    }
  }

  /// The last event was published.
  func finish() {
    let listeners = state.withLock { state in
      state.isOver = true
      return state.listeners
    }
    for listener in listeners.values where listener.receive == nil { listener.buffer.finish() }
  }
}
