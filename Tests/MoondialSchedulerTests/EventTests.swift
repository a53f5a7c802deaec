import Foundation
import MoondialScheduler
import MoondialTesting
import Testing

@Suite("Listeners", .timeLimit(.minutes(1)))
struct EventTests {
  @Test("a slow reader loses the oldest events, and knows how many; the scheduler does not wait")
  func drops() async throws {
    var configuration = Configuration()
    configuration.log = .none
    let clock = ManualClock()
    let scheduler = Scheduler(configuration, clock: clock)
    let events = scheduler.events(bufferingNewest: 10)
    try await scheduler.add("tick", .every(.seconds(1))) { _ in }
    try await scheduler.start()
    await clock.advance(by: .seconds(100))
    await scheduler.stop()
    var seen: [SchedulerEvent] = []
    for await event in events { seen.append(event) }
    // Each run is claimed, and finished; the start, the beginning of the end and the end are events too.
    #expect(seen.count == 10)
    #expect(events.dropped >= 190)
    guard case .stopped? = seen.last else {
      Issue.record("the last event is \(String(describing: seen.last))")
      return
    }
  }

  @Test("a callback that does not return holds up neither the scheduler nor its end")
  func blockedCallback() async throws {
    let scheduler = quietScheduler()
    let (blocked, ran) = (Signal(), Signal())
    let free = DispatchSemaphore(value: 0)
    let listener = scheduler.onEvent(bufferingNewest: 4) { _ in
      blocked.fire()
      free.wait()
    }
    try await scheduler.add("tick", .every(.milliseconds(2))) { _ in ran.fire() }
    try await scheduler.start()
    await blocked.wait()
    await ran.wait(20)
    await scheduler.stop()
    #expect(listener.dropped > 0)
    for _ in 0..<10 { free.signal() }
  }

  @Test("a listener that was cancelled hears nothing more")
  func cancelled() async throws {
    var configuration = Configuration()
    configuration.log = .none
    let clock = ManualClock()
    let notes = Notes()
    let scheduler = Scheduler(configuration, clock: clock)
    let listener = scheduler.onEvent { notes.add("\($0)") }
    try await scheduler.start()
    await clock.advance(by: .zero)
    #expect(notes.all == ["started with 0 jobs"])
    listener.cancel()
    await scheduler.stop()
    #expect(notes.count == 1)
  }

  @Test("a schedule that has ended is told, and a claim that its store cannot write")
  func endedAndRefused() async throws {
    let place = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: place) }
    let store = place.appendingPathComponent("moondial.db")
    let scheduler = quietScheduler { $0.stores = ["default": .sqlite(store.path)] }
    let events = scheduler.events()
    try await scheduler.add("once", .every(.milliseconds(10)), JobOptions(limit: 1)) { _ in }
    try await scheduler.add("asked") { _ in }
    try await scheduler.start()
    var seen: [String] = []
    for await event in events {
      switch event {
      case .scheduleEnded(let job): seen.append("\(job) has ended")
      case .runFinished(let run) where run.job == "once":
        // From now on nothing can be written.
        try FileManager.default.removeItem(at: store)
        _ = try? await scheduler.runNow("asked")
      case .claimFailed(let job, let error):
        seen.append("\(job) is not claimed")
        #expect(!error.isEmpty)
        await scheduler.stop(grace: .zero)
      default: continue
      }
    }
    #expect(seen == ["once has ended", "asked is not claimed"])
  }

  @Test("a closure that looks sees that its scheduler stops, and ends by itself within the grace")
  func looking() async throws {
    let scheduler = quietScheduler()
    let began = Signal()
    let notes = Notes()
    try await scheduler.add("look", nil, JobOptions(runAtStart: true)) { run in
      began.fire()
      while !run.isCancelled { sched_yield() }
      notes.add("saw it")
    }
    try await scheduler.start()
    await began.wait()
    await scheduler.stop(grace: .seconds(600))
    #expect(notes.all == ["saw it"])
  }
}
