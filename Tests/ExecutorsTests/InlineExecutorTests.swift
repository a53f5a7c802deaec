import Basics
import Chronology
import JobModel
import Testing

@testable import Executors

@Suite("The inline executor")
struct InlineExecutorTests {
  /// Both clocks, moved by the test.
  struct HandClock: MonotonicClock {
    let nanoseconds = Monitor(Int64(0))
    var now: MonotonicInstant { MonotonicInstant(nanoseconds: nanoseconds.withLock { $0 }) }
    func advance(to value: Int64) { nanoseconds.withLock { $0 = value } }
    var wall: Wall { Wall(clock: self) }
    struct Wall: WallClock {
      let clock: HandClock
      var now: Instant { Instant(nanoseconds: clock.now.nanoseconds) }
    }
  }

  let clock = HandClock()
  let runner = SteppingRunner()
  let sink = CollectingSink()
  let executor: InlineExecutor

  init() {
    executor = InlineExecutor(runner, wallClock: clock.wall, monotonicClock: clock)
    executor.start(reportingTo: sink)
  }

  @Test("an order has ended when submit returns")
  func atOnce() {
    clock.advance(to: 5)
    executor.submit([order(0) { _ in }, order(1) { _ in throw RunError(message: "no") }])
    #expect(sink.all.map(\.outcome) == [.succeeded, .failed])
    #expect(sink.all.map(\.startedAt) == [Instant(nanoseconds: 5), Instant(nanoseconds: 5)])
  }

  @Test("what a step submits runs after that step")
  func notNested() {
    let trace = Monitor([Int]())
    executor.submit([
      order(0) { [executor] _ in
        executor.submit([order(1) { _ in trace.withLock { $0.append(1) } }])
        trace.withLock { $0.append(0) }
      }
    ])
    #expect(trace.withLock { $0 } == [0, 1])
  }

  @Test("sleepers wake when the clock has come to their time, and time out at their deadline")
  func sleepers() {
    executor.submit([
      order(0, payload: SteppedPayload { step, _ in step == 0 ? .suspend(until: 100) : .end() }),
      order(1, payload: SteppedPayload { _, _ in .suspend() }, timeout: 50),
      order(2, payload: SteppedPayload { step, _ in step < 2 ? .slice : .end() }),
    ])
    #expect(sink.ends(1).map(\.token) == [token(2)])
    #expect(executor.nextWake == 50)
    clock.advance(to: 50)
    executor.advance()
    #expect(sink.ends(2).last?.outcome == .timedOut)
    #expect(executor.nextWake == 100)
    clock.advance(to: 99)
    executor.advance()
    #expect(sink.ends(2).count == 2)
    clock.advance(to: 100)
    executor.advance()
    #expect(sink.ends(3).last?.duration == 100)
    #expect(executor.nextWake == nil)
  }

  @Test("a run that another thread resumes while the executor stops ends once")
  func resumedDuringStop() async {
    for _ in 0..<2_000 {
      let (sink, isOver) = (CollectingSink(), Monitor(false))
      let executor = InlineExecutor(ClosureRunner())
      executor.start(reportingTo: sink)
      let payload = ClosurePayload(async: { _ in
        while !isOver.withLock({ $0 }) { await Task.yield() }
        return nil
      })
      executor.submit([order(0, payload: payload)])
      isOver.withLock { $0 = true }
      executor.stop()
      #expect(sink.ends(1).map(\.token) == [token(0)])
    }
  }

  @Test("a late order is not begun")
  func late() {
    clock.advance(to: 10)
    executor.submit([order(0, payload: ClosurePayload { _ in nil }, startBefore: Instant(nanoseconds: 9))])
    #expect(sink.all.map(\.kind) == [.late])
  }

  @Test("cancel ends a suspended run, and one that has not begun")
  func cancel() {
    executor.submit([order(0, payload: SteppedPayload { _, _ in .suspend() })])
    executor.cancel(token(0))
    executor.submit([order(1) { [executor] _ in executor.cancel(token(2)) }, order(2) { _ in }])
    let ends = sink.ends(3)
    #expect(ends.first { $0.token == token(0) }?.outcome == .cancelled)
    #expect(ends.first { $0.token == token(1) }?.outcome == .succeeded)
    #expect(ends.first { $0.token == token(2) }?.outcome == .cancelled)
  }

  @Test("stop reports what has not ended as interrupted")
  func stop() {
    executor.submit([
      order(0, payload: SteppedPayload { _, _ in .suspend() }),
      order(1) { [executor] context in
        executor.stop()
        if context.isCancelled { throw CancellationError() }
      },
      order(2) { _ in },
    ])
    executor.submit([order(3) { _ in }])
    let ends = sink.ends(4)
    #expect(Set(ends.map(\.token)).count == 4 && ends.allSatisfy { $0.outcome == .interrupted })
  }
}
