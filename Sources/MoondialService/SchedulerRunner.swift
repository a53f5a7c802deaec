public import MoondialScheduler
public import ServiceLifecycle

/// A scheduler as a service of swift-service-lifecycle.
///
///     let group = ServiceGroup(
///       services: [server, SchedulerRunner(scheduler)], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
///     try await group.run()
///
/// It starts the scheduler, and returns when that has stopped. A graceful shutdown drains: nothing more is claimed,
/// what runs has `grace` to end, everything is written. A cancellation, before or meanwhile, ends what runs at once.
public struct SchedulerRunner: Service {
  private let scheduler: Scheduler
  private let grace: Duration

  /// - Parameters:
  ///   - scheduler: not started.
  ///   - grace: how long running jobs may take to end once a graceful shutdown has begun.
  public init(_ scheduler: Scheduler, grace: Duration = .seconds(30)) {
    self.scheduler = scheduler
    self.grace = grace
  }

  /// Runs until the scheduler has stopped. Throws what `Scheduler.start` throws.
  public func run() async throws {
    scheduler.holdEvents()
    defer { endEventsLater() }
    try await withGracefulShutdownHandler {
      try await scheduler.run(grace: .zero)
    } onGracefulShutdown: {
      scheduler.stop(grace: grace, waiting: false)
    }
  }

  /// A service that reads the events ends when they do. Were that before the group has noticed the end of this service,
  /// the group would take it for a failure of the reader, and nothing tells when it has noticed.
  private func endEventsLater() {
    // Nobody awaits it: it holds the scheduler for that long, and ends by itself.
    Task.detached { [scheduler] in
      try? await Task.sleep(for: .milliseconds(250))  // a cancelled sleep ends them sooner
      scheduler.endEvents()
    }
  }
}
