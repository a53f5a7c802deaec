import Logging
import MoondialScheduler
import MoondialService
import ServiceLifecycle
import Testing

@Suite("A scheduler as a service", .timeLimit(.minutes(1)))
struct ServiceTests {
  private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  @Test("a graceful shutdown drains: what runs goes on to its end")
  func drains() async throws {
    let scheduler = quietScheduler()
    let notes = Notes()
    let (began, gate) = (Signal(), Gate())
    try await scheduler.add("job", nil, JobOptions(runAtStart: true)) { _ in
      began.fire()
      await gate.wait()
      notes.add("ended")
    }
    let events = scheduler.events()
    let group = ServiceGroup(services: [SchedulerRunner(scheduler)], logger: logger)
    let task = Task { try await group.run() }
    await began.wait()
    await group.triggerGracefulShutdown()
    for await event in events {
      if case .stopping(let running) = event { notes.add("stopping \(running)"); gate.open() }
    }
    try await task.value
    #expect(notes.all == ["stopping 1", "ended"])
  }

  /// Reads the events to their end, as a service alongside the scheduler.
  private struct Reader: Service {
    let events: SchedulerEvents
    let notes: Notes
    func run() async throws {
      for await event in events { if case .stopped = event { notes.add("stopped") } }
    }
  }

  @Test("a service that reads the events ends after the scheduler's, and the shutdown is graceful")
  func readers() async throws {
    for order in 0..<2 {
      let scheduler = quietScheduler()
      let (notes, began) = (Notes(), Signal())
      try await scheduler.add("job", nil, JobOptions(runAtStart: true)) { _ in began.fire() }
      let reader = Reader(events: scheduler.events(), notes: notes)
      let runner = SchedulerRunner(scheduler)
      let group = ServiceGroup(
        services: order == 0 ? [reader as any Service, runner] : [runner, reader], gracefulShutdownSignals: [],
        logger: logger)
      let task = Task { try await group.run() }
      await began.wait()
      if order == 0 {
        await group.triggerGracefulShutdown()
        try await task.value
        #expect(notes.all == ["stopped"])
      } else {
        // The reader comes first in the order of shutdown; it ends with its task.
        task.cancel()
        try? await task.value
      }
    }
  }

  @Test("what is wrong with the scheduler ends the group with its error")
  func fails() async {
    let scheduler = quietScheduler { $0.timezone = "Mars" }
    let group = ServiceGroup(services: [SchedulerRunner(scheduler)], logger: logger)
    await #expect(throws: SchedulerError.self) { try await group.run() }
  }
}
