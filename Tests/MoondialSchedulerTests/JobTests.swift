import Foundation
import MoondialScheduler
import MoondialTesting
import Synchronization
import Testing

/// What jobs have noted, in order.
final class Notes: Sendable {
  private let lines = Mutex<[String]>([])
  func add(_ line: String) { lines.withLock { $0.append(line) } }
  var all: [String] { lines.withLock { $0 } }
  var count: Int { lines.withLock { $0.count } }
}

@Suite("Jobs that are closures, on a clock moved by hand", .timeLimit(.minutes(1)))
struct JobTests {
  private let clock = ManualClock()
  private let notes = Notes()

  private func scheduler(_ change: (inout Configuration) -> Void = { _ in }) -> Scheduler {
    var configuration = Configuration()
    configuration.log = .none
    change(&configuration)
    return Scheduler(configuration, clock: clock)
  }

  @Test("an interval fires once for each of its lengths that has passed")
  func interval() async throws {
    let scheduler = scheduler()
    try await scheduler.add("tick", .every(.seconds(90))) { [notes] run in
      notes.add("\(run.scheduledAt.timeIntervalSince1970)")
    }
    try await scheduler.start()
    await clock.advance(by: .seconds(89))
    #expect(notes.count == 0)
    await clock.advance(by: .seconds(1))
    #expect(notes.all == ["1767225690.0"])
    await clock.advance(by: .seconds(3600 - 90))
    #expect(notes.count == 40)
    await scheduler.stop()
  }

  @Test("an async job that waits on the clock ends inside the same advance, when there is time for it")
  func asynchronous() async throws {
    let scheduler = scheduler()
    try await scheduler.add("slow", .every(.seconds(60)), JobOptions(maxInstances: 3)) { [clock, notes] run in
      notes.add("begin")
      try await clock.sleep(for: .seconds(90))
      notes.add("end")
    }
    try await scheduler.start()
    await clock.advance(by: .seconds(60))
    #expect(notes.all == ["begin"])
    #expect(await scheduler.jobs().first?.running == 1)
    await clock.advance(by: .seconds(90))
    #expect(notes.all == ["begin", "begin", "end"])
    await scheduler.stop()
  }

  @Test("a slow job is skipped while max_instances runs are active, and listeners hear of it")
  func overlap() async throws {
    let scheduler = scheduler()
    scheduler.onEvent { [notes] event in
      if case .notRun(let job, .overlap, _, _, let count) = event { notes.add("\(job) \(count)") }
    }
    try await scheduler.add("slow", .every(.seconds(3))) { [clock] _ in try await clock.sleep(for: .seconds(5)) }
    try await scheduler.start()
    await clock.advance(by: .seconds(12))
    #expect(notes.all == ["slow 1", "slow 1"])
    let runs = try await scheduler.history(of: "slow")
    #expect(runs.map(\.outcome) == [nil, .succeeded])
    await scheduler.stop()
  }

  @Test("a timeout ends an async run at once and cancels its task")
  func timeout() async throws {
    let scheduler = scheduler()
    try await scheduler.add("stuck", .every(.seconds(60)), JobOptions(timeout: .seconds(5))) { [clock, notes] run in
      #expect(run.remaining == .seconds(5))
      do { try await clock.sleep(for: .seconds(3600)) } catch { notes.add("\(type(of: error))") }
    }
    try await scheduler.start()
    await clock.advance(by: .seconds(66))
    let runs = try await scheduler.history()
    #expect(runs.map(\.outcome) == [.timedOut])
    #expect(runs.first?.duration == .seconds(5))
    await scheduler.stop()
  }

  @Test("the example of docs/embedding.md holds")
  func documented() async throws {
    let scheduler = Scheduler(clock: clock)
    try scheduler.configure { $0.log = .none }
    try await scheduler.add("poll", .every(.seconds(90)), JobOptions(timeout: .seconds(30))) { [clock] _ in
      try await clock.sleep(for: .seconds(60))
    }
    try await scheduler.start()
    await clock.advance(by: .seconds(300))
    #expect(try await scheduler.history(of: "poll").map(\.outcome) == [.timedOut, .timedOut, .timedOut])
    await scheduler.stop()
  }

  @Test("two schedulers may follow one clock")
  func two() async throws {
    let (first, second) = (scheduler(), scheduler())
    try await first.add("a", .every(.seconds(2))) { [notes] _ in notes.add("a") }
    try await second.add("b", .every(.seconds(3))) { [notes, clock] _ in
      try await clock.sleep(for: .seconds(1))
      notes.add("b")
    }
    try await first.start()
    try await second.start()
    await clock.advance(by: .seconds(4))
    #expect(notes.all.sorted() == ["a", "a", "b"])
    await first.stop()
    await second.stop()
  }

  @Test("cancel ends a run as cancelled")
  func cancel() async throws {
    let scheduler = scheduler()
    try await scheduler.add("endless") { [clock] _ in try await clock.sleep(for: .seconds(1_000_000)) }
    try await scheduler.start()
    let run = try await scheduler.runNow("endless")
    await clock.advance(by: .seconds(1))
    try await scheduler.cancel(run)
    await clock.advance(by: .zero)
    #expect(try await scheduler.history().map(\.outcome) == [.cancelled])
    await scheduler.stop()
  }

  @Test("an error fails the run with its text; RetryLater asks for another attempt")
  func errors() async throws {
    struct Broken: Error, CustomStringConvertible { var description: String { "the disk is full" } }
    let scheduler = scheduler()
    try await scheduler.add("broken") { _ in throw Broken() }
    try await scheduler.add("busy") { [notes] run in
      notes.add("attempt \(run.attempt)")
      if run.attempt < 3 { throw RetryLater("busy", after: .seconds(10)) }
    }
    try await scheduler.start()
    try await scheduler.runNow("broken")
    try await scheduler.runNow("busy")
    await clock.advance(by: .seconds(10))
    #expect(notes.all == ["attempt 1", "attempt 2"])
    await clock.advance(by: .seconds(10))
    let broken = try #require(try await scheduler.history(of: "broken").first)
    #expect(broken.outcome == .failed && broken.error == "the disk is full")
    let busy = try #require(try await scheduler.history(of: "busy").first)
    #expect(busy.outcome == .succeeded && busy.attempts == 3)
    await scheduler.stop()
  }

  @Test("params go in and results come out as JSON")
  func values() async throws {
    struct Order: Codable { var id: Int, region: String }
    let scheduler = scheduler()
    try await scheduler.add("order", nil, JobOptions(params: #"{"id": 1, "region": "eu"}"#)) { run in
      let order = try #require(try run.params?.decode(Order.self))
      run.setResult(try JSON(encoding: order))
    }
    try await scheduler.start()
    try await scheduler.runNow("order")
    await clock.advance(by: .zero)
    try await scheduler.runNow("order", params: JSON(encoding: Order(id: 7, region: "us")))
    await clock.advance(by: .zero)
    let results = try await scheduler.history().map(\.result)
    #expect(results == [#"{"id":7,"region":"us"}"#, #"{"id":1,"region":"eu"}"#])
    await scheduler.stop()
  }

  @Test("paused, what falls due is skipped; resumed, it goes on")
  func pause() async throws {
    let scheduler = scheduler()
    try await scheduler.add("tick", .every(.seconds(60))) { [notes] _ in notes.add("tick") }
    try await scheduler.start()
    try await scheduler.pause("tick")
    await clock.advance(by: .seconds(300))
    #expect(notes.count == 0)
    #expect(await scheduler.jobs().first?.isPaused == true)
    try await scheduler.resume("tick")
    await clock.advance(by: .seconds(60))
    #expect(notes.count == 1)
    await scheduler.stop()
  }

  @Test("jobs come, change and go while it runs")
  func changes() async throws {
    let scheduler = scheduler()
    try await scheduler.start()
    try await scheduler.add("late", .every(.seconds(60))) { [notes] _ in notes.add("60") }
    await clock.advance(by: .seconds(60))
    try await scheduler.reschedule("late", .every(.seconds(10)))
    await clock.advance(by: .seconds(30))
    #expect(notes.all == ["60", "60", "60", "60"])
    #expect(
      try await scheduler.nextFires(of: "late", count: 3).map { $0.timeIntervalSince(clock.date) } == [10, 20, 30])
    try await scheduler.remove("late")
    await clock.advance(by: .seconds(300))
    #expect(notes.count == 4)
    #expect(await scheduler.jobs().isEmpty)
    try await scheduler.add("late", .every(.seconds(60))) { [notes] _ in notes.add("again") }
    await clock.advance(by: .seconds(60))
    #expect(notes.all.last == "again")
    await scheduler.stop()
  }

  @Test("events and successes of others run jobs")
  func causes() async throws {
    let scheduler = scheduler()
    try await scheduler.add("listener", nil, JobOptions(on: ["order.placed"])) { [notes] run in
      notes.add(run.event?.text ?? "")
    }
    try await scheduler.add("next", nil, JobOptions(after: ["listener"])) { [notes] _ in notes.add("after") }
    try await scheduler.start()
    try await scheduler.emit("order.placed", #"{"id":7}"#)
    await clock.advance(by: .zero)
    #expect(notes.all == [#"{"name":"order.placed","data":{"id":7}}"#, "after"])
    await scheduler.stop()
  }

  @Test("jobs that would run after each other for ever are refused, before the start and after it, with the circle")
  func circle() async throws {
    let scheduler = scheduler()
    func add(_ name: String, after others: JobOptions.After?, replacing: Bool = false) async throws {
      try await scheduler.add(name, nil, JobOptions(after: others), replacing: replacing) { _ in }
    }
    func refusal(_ body: () async throws -> Void) async -> String {
      do { try await body() } catch { return "\(error)" }
      return "taken"
    }
    let ring = #""a" after "c" after "b" after "a"; remove one of them"#
    #expect(
      await refusal { try await add("self", after: .all(["self"])) }.hasSuffix(
        #"job "self" would wait for itself: "self" after "self"; remove one of them"#))
    try await add("a", after: "c")
    try await add("b", after: .job("a", outcome: .failed))
    #expect(await refusal { try await add("c", after: .all(["x", "b"])) }.hasSuffix("itself: " + ring))
    try await add("c", after: nil)
    try await scheduler.start()
    #expect(await refusal { try await add("c", after: "b", replacing: true) }.hasSuffix("itself: " + ring))
    try await add("d", after: ["a", "b", "c"])
    try await scheduler.runNow("c")
    await clock.advance(by: .zero)
    #expect(await scheduler.jobs().count == 4)
    await scheduler.stop()
  }

  @Test("a job may ask its scheduler for anything, also to stop")
  func insideOut() async throws {
    let scheduler = scheduler()
    try await scheduler.add("other") { [notes] _ in notes.add("other") }
    try await scheduler.add("asks") { [notes, scheduler] _ in
      try await scheduler.runNow("other")
      notes.add("\(await scheduler.jobs().count)")
    }
    try await scheduler.start()
    try await scheduler.runNow("asks")
    await clock.advance(by: .zero)
    #expect(Set(notes.all) == ["2", "other"])
    await scheduler.stop()
  }

  @Test("late fire times follow coalesce and misfire_grace_time, as in scripts")
  func late() async throws {
    let scheduler = scheduler()
    scheduler.onEvent { [notes] in if case .notRun(_, let why, _, _, let count) = $0 { notes.add("\(why) \(count)") } }
    try await scheduler.add("latest", .every(.seconds(60))) { [notes] run in notes.add("run, \(run.missed) missed") }
    try await scheduler.start()
    clock.set(to: clock.date.addingTimeInterval(600))
    await clock.advance(by: .zero)
    #expect(Set(notes.all) == ["coalesced 9", "run, 9 missed"])
    await scheduler.stop()
  }

  @Test(
    "what is wrong with a job is said when it is added",
    arguments: [
      ("", JobOptions(), #"job "": it has no name; write job "name" { … }"#),
      ("x", JobOptions(executor: "slow"), #"job "x": there is no executor "slow"; moondial.lua has "default""#),
      (
        "x", JobOptions(timezone: "Mars"),
        #"job "x": timezone: no time zone "Mars": write an IANA name like "Europe/Berlin", "America/New_York" or "UTC""#
      ),
      ("x", JobOptions(params: "[1]"), #"job "x": params must be a JSON object like {"region": "eu"}, not [1]"#),
    ])
  func mistakes(_ name: String, _ options: JobOptions, _ message: String) async {
    let scheduler = scheduler()
    let error = await #expect(throws: SchedulerError.self) { try await scheduler.add(name, nil, options) { _ in } }
    #expect(error?.message == message)
  }

  @Test("a name is taken once, unless it is replaced")
  func names() async throws {
    let scheduler = scheduler()
    try await scheduler.add("job") { _ in }
    let before = await #expect(throws: SchedulerError.self) { try await scheduler.add("job") { _ in } }
    #expect(before?.code == .duplicate)
    try await scheduler.add("job", .every(.seconds(60)), replacing: true) { _ in }
    try await scheduler.start()
    let after = await #expect(throws: SchedulerError.self) { try await scheduler.add("job") { _ in } }
    #expect(after?.code == .duplicate)
    try await scheduler.add("job", .every(.seconds(10)), replacing: true) { [notes] _ in notes.add("new") }
    await clock.advance(by: .seconds(20))
    #expect(notes.all == ["new", "new"])
    await scheduler.stop()
  }

  @Test("unknown names and wrong times of asking are refused in a sentence")
  func refusals() async throws {
    let scheduler = scheduler()
    let early = await #expect(throws: SchedulerError.self) { try await scheduler.runNow("job") }
    #expect(early?.message == "the scheduler is not running: call start() first")
    try await scheduler.start()
    let unknown = await #expect(throws: SchedulerError.self) { try await scheduler.runNow("job") }
    #expect(unknown?.code == .unknown && unknown?.message == #"no job is named "job""#)
    await #expect(throws: SchedulerError.self) { try await scheduler.remove("job") }
    await #expect(throws: SchedulerError.self) { try await scheduler.start() }
    await scheduler.stop()
    await scheduler.stop()
    let late = await #expect(throws: SchedulerError.self) { try await scheduler.pause("job") }
    #expect(late?.message == "the scheduler has stopped: make another one")
  }

  @Test("a scheduler with a manual clock refuses scripts")
  func scripts() async {
    let scheduler = scheduler { $0.scripts = Configuration.Scripts("scripts") }
    let error = await #expect(throws: SchedulerError.self) { try await scheduler.start() }
    #expect(error?.message == "a scheduler with a manual clock runs Swift jobs only: leave configuration.scripts out")
  }
}
