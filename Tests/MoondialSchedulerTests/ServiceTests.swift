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

  @Test("what is wrong with the scheduler ends the group with its error")
  func fails() async {
    let scheduler = quietScheduler { $0.timezone = "Mars" }
    let group = ServiceGroup(services: [SchedulerRunner(scheduler)], logger: logger)
    await #expect(throws: SchedulerError.self) { try await group.run() }
  }
}
