import Basics
import Chronology
import Executors
import Glibc
import JobModel
import MemoryStore
import SchedulerService
import Scheduling
import Synchronization
import Testing
import Triggers

/// Counts what happened, and lets a test wait for it.
final class Tally: Sendable {
  private let counts = Monitor<[String: Int]>([:])
  func note(_ name: String) {
    counts.withLock { $0[name, default: 0] += 1 }
    counts.broadcast()
  }
  func wait(for name: String, times: Int) -> Bool {
    counts.wait(until: monotonicNow() + 30_000_000_000) { ($0[name] ?? 0) >= times ? true : nil } ?? false
  }
  subscript(name: String) -> Int { counts.withLock { $0[name] ?? 0 } }
}

func job(
  _ name: String, every milliseconds: Int64? = nil, _ body: @escaping @Sendable (ClosureContext) throws -> JSONText?,
  _ change: (inout JobDefinition) -> Void = { _ in }
) -> JobDefinition {
  var definition = JobDefinition(
    name: name, source: SourceLocation(file: "test.swift", line: 1), payload: ClosurePayload(body))
  definition.trigger = milliseconds.map { .every(nanoseconds: $0 * 1_000_000) }
  change(&definition)
  return definition
}

func service(
  store: any JobStore = MemoryStore(), onEvents: @escaping @Sendable ([Event]) -> Void = { _ in }
) -> SchedulerService {
  var configuration = ServiceConfiguration(
    stores: [("default", store)], executors: [("default", StepPool(ClosureRunner()))])
  configuration.onEvents = onEvents
  return SchedulerService(configuration)
}

/// Notes that it was started.
private final class IdleExecutor: JobExecutor {
  let tally: Tally
  let workers = 1
  init(_ tally: Tally) { self.tally = tally }
  func start(reportingTo sink: any RunReportSink) { tally.note("started") }
  func submit(_ orders: [RunOrder]) { tally.note("submitted") }
  func cancel(_ token: RunToken) {}
  func stop() { tally.note("stopped") }
}

@Suite("The running service")
struct ServiceTests {
  @Test("without a thread nothing is started, and it is of no more use")
  func noThread() {
    let tally = Tally()
    var configuration = ServiceConfiguration(
      stores: [("default", MemoryStore())], executors: [("default", IdleExecutor(tally))])
    // More than there are addresses.
    configuration.stackSize = 1 << 52
    let service = SchedulerService(configuration)
    #expect(throws: ThreadError.self) { try service.start([job("a", every: 5) { _ in nil }]) }
    #expect(service.phase == .stopped)
    service.drain(grace: 0)
    #expect(service.jobs().isEmpty)
    #expect(tally["started"] == 0 && tally["submitted"] == 0)
  }

  @Test("jobs run in the background, again and again, until it is drained")
  func runs() throws {
    let tally = Tally()
    let store = MemoryStore()
    let service = service(store: store)
    try service.start([
      job("a", every: 5) { _ in
        tally.note("a")
        return nil
      }
    ])
    #expect(tally.wait(for: "a", times: 5))
    service.drain(grace: 1_000_000_000)
    #expect(service.phase == .stopped)
    let count = tally["a"]
    let runs = try store.runs(RunQuery(job: "a", limit: 1_000))
    #expect(runs.count == min(count, 100))
    #expect(runs.allSatisfy { $0.outcome == .succeeded })
  }

  @Test("run now returns the run's id, and its result is kept")
  func runNow() throws {
    let tally = Tally()
    let store = MemoryStore()
    let service = service(store: store) { events in
      for event in events { if case .runFinished(let run) = event { tally.note("finished \(run.id)") } }
    }
    try service.start([job("a") { _ in JSONText("42") }])
    let id = try service.runNow("a")
    #expect(tally.wait(for: "finished \(id)", times: 1))
    service.drain(grace: 1_000_000_000)
    #expect(try store.runs(RunQuery(id: id)).map(\.result) == [JSONText("42")])
    #expect(throws: SchedulerCore.Refusal.unknownJob("b")) { try service.runNow("b") }
  }

  @Test("draining waits for what runs, and what runs longer than the grace is cancelled")
  func drains() throws {
    let tally = Tally()
    let store = MemoryStore()
    let service = service(store: store)
    try service.start([
      job("slow") { context in
        tally.note("began")
        while !context.isCancelled { yieldThread() }
        throw CancellationError()
      }
    ])
    try service.runNow("slow")
    #expect(tally.wait(for: "began", times: 1))
    service.drain(grace: 10_000_000)
    #expect(try store.runs(RunQuery(job: "slow")).map(\.outcome) == [.cancelled])
  }

  @Test("a run in progress finishes on the code it started with; the next one uses the new")
  func reloads() throws {
    let tally = Tally()
    let gate = Monitor(false)
    let service = service()
    try service.start([
      job("a") { _ in
        tally.note("old")
        _ = gate.wait { $0 ? true : nil }
        tally.note("old ended")
        return nil
      }
    ])
    try service.runNow("a")
    #expect(tally.wait(for: "old", times: 1))
    let result = service.reload([
      job("a") { _ in
        tally.note("new")
        return nil
      }
    ])
    #expect(result.changed == 1)
    gate.withLock { $0 = true }
    gate.broadcast()
    #expect(tally.wait(for: "old ended", times: 1))
    // The old run's instance is free as soon as its report is in.
    while (try? service.runNow("a")) == nil { yieldThread() }
    #expect(tally.wait(for: "new", times: 1))
    service.drain(grace: 1_000_000_000)
    #expect(tally["old"] == 1)
  }

  @Test("stopping twice, or without a start, is fine")
  func stopsTwice() throws {
    let never = service()
    never.endNow()
    let service = service()
    try service.start([])
    service.drain(grace: 0)
    service.drain(grace: 0)
    service.endNow()
    #expect(service.phase == .stopped)
    #expect(service.jobs().isEmpty)
  }

  @Test("pausing a job from outside holds its runs, and `run now` runs it all the same")
  func pauses() throws {
    let tally = Tally()
    let service = service()
    try service.start([
      job("a", every: 2) { _ in
        tally.note("a")
        return nil
      }
    ])
    #expect(tally.wait(for: "a", times: 1))
    try service.pause("a")
    #expect(service.jobs().map(\.isPaused) == [true])
    while (try? service.runNow("a")) == nil { yieldThread() }
    try service.resume("a")
    let count = tally["a"]
    #expect(tally.wait(for: "a", times: count + 2))
    service.drain(grace: 1_000_000_000)
  }
}

/// Gives the processor away.
func yieldThread() { sched_yield() }
