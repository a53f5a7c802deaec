import Foundation
import MoondialScheduler
import Synchronization
import Testing

/// An async program that embeds a scheduler: many tasks on the cooperative pool, which has a thread for each processor
/// and no more.
@Suite("The cooperative pool stays free", .timeLimit(.minutes(1)))
struct CooperativePoolTests {
  private static let processors = ProcessInfo.processInfo.activeProcessorCount

  @Test("while calls of every form wait, each thread of the pool can be had at once")
  func calls() async throws {
    // A custom log is called on the scheduler's own thread: while it does not return, no call is answered.
    let hold = Hold()
    let scheduler = quietScheduler {
      $0.log = .custom(.info) { line in if line.message.hasPrefix("paused") { hold.enter() } }
    }
    try await scheduler.add("job") { _ in }
    try await scheduler.start()
    let pause = Task { try await scheduler.pause("job") }
    await hold.entered.wait()

    let answered = Counter()
    // More than there are cooperative threads, of each form.
    let calls = (0..<Self.processors * 4).map { number in
      Task {
        switch number % 4 {
        case 0: _ = await scheduler.jobs()
        case 1: try await scheduler.add("added \(number)") { _ in }
        case 2: try await scheduler.runNow("job")
        default: _ = try await scheduler.nextFires(of: "job")
        }
        answered.add()
      }
    }
    let met = await Meeting.take(place: Self.processors)
    #expect(met)
    #expect(answered.count == 0)
    hold.leave()
    try await pause.value
    // Some may be skipped: the job has one instance.
    for call in calls { _ = try? await call.value }
    #expect(answered.count >= Self.processors * 3)
    await scheduler.stop()
  }

  @Test("while it drains, with a blocking job that does not want to end, too")
  func drain() async throws {
    let hold = Hold()
    let scheduler = quietScheduler()
    try await scheduler.add("blocks", nil, JobOptions(runAtStart: true)) { _ in hold.enter() }
    try await scheduler.start()
    await hold.entered.wait()
    let drain = Task { await scheduler.stop(grace: .seconds(50)) }
    let ended = Task { await scheduler.stop() }
    let met = await Meeting.take(place: Self.processors)
    #expect(met)
    hold.leave()
    await drain.value
    await ended.value
  }

  @Test("more async jobs than threads of any kind go on together")
  func jobs() async throws {
    let scheduler = quietScheduler { $0.executors["default"] = .threads(1) }
    let (began, gate, ended) = (Signal(), Gate(), Signal())
    try await scheduler.add("waits", nil, JobOptions(maxInstances: 50)) { _ in
      began.fire()
      await gate.wait()
      ended.fire()
    }
    try await scheduler.start()
    for _ in 0..<50 { try await scheduler.runNow("waits") }
    await began.wait(50)
    let met = await Meeting.take(place: Self.processors)
    #expect(met)
    gate.open()
    await ended.wait(50)
    await scheduler.stop()
  }
}

/// Keeps a thread until it is let go; not for ever, so that a pool that is blocked is a failure and not the end of the
/// tests.
private final class Hold: Sendable {
  let entered = Signal()
  private let semaphore = DispatchSemaphore(value: 0)

  func enter() {
    entered.fire()
    _ = semaphore.wait(timeout: .now() + 30)
  }
  func leave() { semaphore.signal() }
}

private final class Counter: Sendable {
  private let value = Atomic(0)
  func add() { value.add(1, ordering: .sequentiallyConsistent) }
  var count: Int { value.load(ordering: .sequentiallyConsistent) }
}

/// Tasks that each hold a thread until all of them are on one: it takes place only when so many threads of the pool are
/// free.
private final class Meeting: Sendable {
  private let condition = NSCondition()
  private let present = Counter()
  private let size: Int

  init(_ size: Int) { self.size = size }

  /// Whether that many threads could be had within ten seconds.
  static func take(place size: Int) async -> Bool {
    let meeting = Meeting(size)
    return await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<size { group.addTask { meeting.attend() } }
      var isComplete = true
      for await wasComplete in group where !wasComplete { isComplete = false }
      return isComplete
    }
  }

  private func attend() -> Bool {
    condition.lock()
    defer { condition.unlock() }
    present.add()
    condition.broadcast()
    let end = Date().addingTimeInterval(10)
    while present.count < size {
      if !condition.wait(until: end) { return false }
    }
    return true
  }
}
