import Foundation
import MoondialScheduler
import Synchronization
import Testing

/// Something that happens once and is waited for.
final class Signal: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation
  init() { (stream, continuation) = AsyncStream.makeStream() }
  func fire() { continuation.yield() }
  /// Waits for `count` fires.
  func wait(_ count: Int = 1) async {
    var left = count
    for await _ in stream {
      left -= 1
      if left <= 0 { return }
    }
  }
}

/// A scheduler that says nothing.
func quietScheduler(_ change: (inout Configuration) -> Void = { _ in }) -> Scheduler {
  var configuration = Configuration()
  configuration.log = .none
  change(&configuration)
  return Scheduler(configuration)
}

@Suite("A scheduler with the machine's clock", .timeLimit(.minutes(1)))
struct LifeTests {
  @Test("it runs in the background until it is stopped, and tells the whole story")
  func background() async throws {
    let scheduler = quietScheduler()
    let events = scheduler.events()
    let ran = Signal()
    try await scheduler.add("tick", .every(.milliseconds(5))) { _ in ran.fire() }
    try await scheduler.start()
    await ran.wait(3)
    await scheduler.stop()
    var names: [String] = []
    for await event in events { names.append("\(event)".split(separator: " ").first.map(String.init) ?? "") }
    #expect(names.first == "started" && names.last == "stopped", "\(names)")
    #expect(events.dropped == 0)
  }

  @Test("run blocks until a job stops it")
  func blocking() async throws {
    let scheduler = quietScheduler()
    try await scheduler.add("end", .every(.milliseconds(5))) { [weak scheduler] _ in scheduler?.stop(waiting: false) }
    let outcome = await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: Result { try Self.block(scheduler) }) }
    }
    try outcome.get()
  }

  /// In a synchronous function, the blocking form is meant.
  private static func block(_ scheduler: Scheduler) throws { try scheduler.run() }

  @Test("run, awaited, ends when its task is cancelled")
  func cancelled() async throws {
    let scheduler = quietScheduler()
    let running = Signal()
    try await scheduler.add("endless", nil, JobOptions(runAtStart: true)) { _ in
      running.fire()
      try await Task.sleep(for: .seconds(1_000))
    }
    let task = Task { try await scheduler.run() }
    await running.wait()
    task.cancel()
    try await task.value
  }

  @Test("stopped before it runs, it does not run")
  func calledOff() async throws {
    let scheduler = quietScheduler()
    await scheduler.stop()
    try await scheduler.run()
    await #expect(throws: SchedulerError.self) { try await scheduler.start() }
  }

  @Test("a program without async has every call too")
  func blockingForms() async throws {
    let scheduler = quietScheduler()
    let answers = await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: Result { try Self.everything(scheduler) }) }
    }
    #expect(try answers.get() == ["job", "ran", "paused", "1 fires", "schedule", "removed"])
  }

  private static func everything(_ scheduler: Scheduler) throws -> [String] {
    var answers: [String] = []
    let finished = DispatchSemaphore(value: 0)
    scheduler.onEvent { event in if case .runFinished = event { finished.signal() } }
    try scheduler.start()
    try scheduler.add("job", .every(.seconds(3600)), JobOptions(on: ["go"])) { _ in }
    answers += scheduler.jobs().map(\.name)
    let run = try scheduler.runNow("job")
    finished.wait()
    answers += try scheduler.history(limit: 1).map { $0.id == run ? "ran" : "?" }
    try scheduler.emit("go")
    finished.wait()
    try scheduler.pause("job")
    answers.append(scheduler.jobs().first?.isPaused == true ? "paused" : "?")
    try scheduler.resume("job")
    try scheduler.reschedule("job", .every(.seconds(60)))
    answers.append("\(try scheduler.nextFires(of: "job").count) fires")
    let id = try scheduler.schedule("job", .every(.seconds(3600)))
    answers.append(scheduler.schedules(of: "job").map(\.id) == [id] ? "schedule" : "?")
    try scheduler.unschedule(id)
    try scheduler.remove("job")
    answers.append(scheduler.jobs().isEmpty ? "removed" : "?")
    scheduler.stop()
    return answers
  }

  @Test("stop lets what runs end within its grace, and cancels it after")
  func grace() async throws {
    let scheduler = quietScheduler()
    let (began, cancelled) = (Signal(), Signal())
    try await scheduler.add("endless") { run in
      began.fire()
      defer { cancelled.fire() }
      while true {
        try run.checkCancellation()
        Thread.sleep(forTimeInterval: 0.001)
      }
    }
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString).db")
    try scheduler.configure { $0.stores["default"] = .sqlite(file.path) }
    defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file.path + end) } }
    try await scheduler.start()
    try await scheduler.runNow("endless")
    await began.wait()
    await scheduler.stop(grace: .milliseconds(20))
    await cancelled.wait()
    // The next life finds its outcome.
    let next = quietScheduler { $0.stores["default"] = .sqlite(file.path) }
    try await next.start()
    #expect(try await next.history().map(\.outcome) == [.cancelled])
    await next.stop()
  }

  @Test("a hundred async jobs wait at once on one thread")
  func withoutThreads() async throws {
    let scheduler = quietScheduler { $0.executors["default"] = .threads(1) }
    let began = Signal()
    let gate = Gate()
    try await scheduler.add("waits", nil, JobOptions(maxInstances: 100)) { _ in
      began.fire()
      await gate.wait()
    }
    try await scheduler.start()
    for _ in 0..<100 { try await scheduler.runNow("waits") }
    await began.wait(100)
    gate.open()
    await scheduler.stop()
  }

  @Test("stopped at any moment of its start, it ends", arguments: [false, true])
  func stoppedDuringStart(withScripts: Bool) async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try "job 'a' { every = '1h', run = function() end }".write(
      to: directory.appendingPathComponent("a.lua"), atomically: true, encoding: .utf8)
    for round in 0..<150 {
      let scheduler = quietScheduler { if withScripts { $0.scripts = .init(directory.path) } }
      try await scheduler.add("tick", .every(.milliseconds(1))) { _ in }
      async let started: Void = Self.start(scheduler)
      // The later the round, the later the stop.
      for _ in 0..<round { await Task.yield() }
      await scheduler.stop(grace: round % 3 == 0 ? .zero : .seconds(5))
      await started
      #expect(await scheduler.jobs().isEmpty, "round \(round)")
      // Once more is fine, and so is another kind of start.
      await scheduler.stop()
      if round % 2 == 0 { try await scheduler.run() } else { try await Self.block(on: scheduler) }
    }
  }

  /// Starts it, or hears that it was stopped.
  private static func start(_ scheduler: Scheduler) async {
    do { try await scheduler.start() } catch { #expect(error.code == .state, "\(error)") }
  }

  private static func block(on scheduler: Scheduler) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      Thread.detachNewThread { continuation.resume(with: Result { try block(scheduler) }) }
    }
  }

  @Test("an async job that was cancelled is over when its task is, and no other instance begins before")
  func cancelledTasks() async throws {
    let scheduler = quietScheduler { $0.executors["default"] = .threads(1) }
    let (began, gate) = (Signal(), Gate())
    let alive = Mutex((now: 0, most: 0))
    try await scheduler.add("slow", nil, JobOptions(maxInstances: 1, timeout: .milliseconds(20))) { _ in
      alive.withLock { alive in
        alive.now += 1
        alive.most = max(alive.most, alive.now)
      }
      began.fire()
      await gate.wait()  // deaf to its cancellation
      alive.withLock { $0.now -= 1 }
    }
    try await scheduler.start()
    let run = try await scheduler.runNow("slow")
    await began.wait()
    try await scheduler.cancel(run)
    await #expect(throws: SchedulerError.self) { try await scheduler.runNow("slow") }
    #expect(alive.withLock { $0.most } == 1)
    gate.open()
    await scheduler.stop()
    #expect(alive.withLock { $0.now } == 0)
  }

  @Test("blocking jobs on every thread do not keep the others from running")
  func blockedThreads() async throws {
    let scheduler = quietScheduler { $0.executors["default"] = .threads(2) }
    let (began, ran) = (Signal(), Signal())
    let gate = DispatchSemaphore(value: 0)
    try await scheduler.add("blocks", nil, JobOptions(maxInstances: 2)) { _ in
      began.fire()
      gate.wait()
    }
    try await scheduler.add("tick", .every(.milliseconds(5))) { _ in ran.fire() }
    try await scheduler.start()
    for _ in 0..<2 { try await scheduler.runNow("blocks") }
    await began.wait(2)
    await ran.wait(3)
    for _ in 0..<2 { gate.signal() }
    await scheduler.stop()
  }

  @Test("a scheduler that is released ends, and so do its events")
  func released() async throws {
    let ticks = Signal()
    let events: SchedulerEvents
    let silent: SchedulerEvents
    do {
      let scheduler = quietScheduler()
      events = scheduler.events()
      try await scheduler.add("tick", .every(.milliseconds(5))) { _ in ticks.fire() }
      try await scheduler.start()
      await ticks.wait()
      silent = quietScheduler().events()
    }
    var last = ""
    for await event in events { last = "\(event)" }
    #expect(last == "stopped")
    for await _ in silent { Issue.record("a scheduler that never started has no events") }
  }

  /// Descriptors that this process has open, without those that come and go with reading this.
  private static func descriptors() -> Int {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []).count
  }

  @Test("a scheduler leaves no descriptor behind", arguments: [false, true])
  func descriptors(withScripts: Bool) async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try "job 'a' { every = '1h', run = function() end }".write(
      to: directory.appendingPathComponent("a.lua"), atomically: true, encoding: .utf8)
    func live() async throws {
      let scheduler = quietScheduler { if withScripts { $0.scripts = .init(directory.path) } }
      try await scheduler.start()
      await scheduler.stop()
    }
    for _ in 0..<2 { try await live() }
    let before = Self.descriptors()
    for _ in 0..<5 { try await live() }
    // Threads that end meanwhile may close one or two more.
    #expect(Self.descriptors() <= before + 2)
  }

  @Test("a schedule in a file goes on where it stood")
  func durable() async throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString).db")
    defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file.path + end) } }
    var fires: [Date?] = []
    for _ in 0..<2 {
      let scheduler = quietScheduler { $0.stores["default"] = .sqlite(file.path) }
      try await scheduler.add("hourly", .every(.seconds(3600))) { _ in }
      try await scheduler.start()
      fires.append(await scheduler.jobs().first?.nextFire)
      await scheduler.stop()
    }
    #expect(fires[0] != nil && fires[0] == fires[1])
  }

  @Test("two schedulers do not share a file")
  func locked() async throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString).db")
    defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file.path + end) } }
    let first = quietScheduler { $0.stores["default"] = .sqlite(file.path) }
    try await first.start()
    let second = quietScheduler { $0.stores["default"] = .sqlite(file.path) }
    let error = await #expect(throws: SchedulerError.self) { try await second.start() }
    #expect(error?.code == .failed)
    await first.stop()
  }
}

/// Lets tasks through once it is open.
final class Gate: Sendable {
  private struct State: Sendable {
    var isOpen = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }
  private let state = Mutex(State())

  func wait() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        if !state.isOpen { state.waiting.append(continuation) }
        return state.isOpen
      }
      if isOpen { continuation.resume() }
    }
  }

  func open() {
    let waiting = state.withLock { state in
      state.isOpen = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }
}
