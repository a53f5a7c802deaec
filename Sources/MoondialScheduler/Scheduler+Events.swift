internal import Hosting
internal import SchedulerService
internal import Scheduling

/// Listening.
extension Scheduler {
  /// The events from now on, as a sequence that ends after `.stopped`.
  ///
  /// - Parameter capacity: how many wait for a slow reader; beyond it the oldest are dropped, and counted.
  public func events(bufferingNewest capacity: Int = 1_024) -> SchedulerEvents {
    SchedulerEvents(buffer: subscribe(capacity, nil).buffer)
  }

  /// Has `receive` told of every event from now on, one at a time, on a thread of its own; `stop` waits up to a second
  /// until it has heard of all.
  ///
  /// - Parameter capacity: how many wait for a slow listener; beyond it the oldest are dropped, and counted.
  @discardableResult
  public func onEvent(
    bufferingNewest capacity: Int = 1_024, _ receive: @escaping @Sendable (SchedulerEvent) -> Void
  ) -> EventListener {
    let (number, buffer) = subscribe(capacity, receive)
    return EventListener(buffer: buffer) { [bus] in bus.unsubscribe(number) }
  }

  private func subscribe(
    _ capacity: Int, _ receive: (@Sendable (SchedulerEvent) -> Void)?
  ) -> (number: Int, buffer: EventBuffer) {
    let subscription = bus.subscribe(capacity: capacity, receive)
    // A scheduler that nobody listened to spares itself the events of runs.
    (try? assembly())?.engine.post(whenDurable: nil) { core, _, _ in core.configuration.publishesRuns = true }
    return subscription
  }

  /// Waits until every listener knows everything that has happened, for at most a minute.
  package func awaitListeners() async { await away { self.bus.awaitDelivery(until: .max) } }
}
