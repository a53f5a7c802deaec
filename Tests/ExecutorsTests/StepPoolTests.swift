import Basics
import Chronology
import JobModel
import Testing
import TestSupport

@testable import Executors

@Suite("A pool runs orders")
struct StepPoolTests {
  @Test("orders start in the order of their submission", arguments: [1, 3, 64, 1_000])
  func keepsOrder(batch: Int) {
    withPool(workers: 1) { pool, sink, _ in
      let started = Monitor([Int]())
      for first in stride(from: 0, to: 2_000, by: batch) {
        pool.submit(
          (first..<min(first + batch, 2_000)).map { n in order(n) { _ in started.withLock { $0.append(n) } } })
      }
      #expect(sink.ends(2_000).count == 2_000)
      #expect(started.withLock { $0 } == Array(0..<2_000))
    }
  }

  @Test("each order of many batches ends in one report, whatever the number of workers", arguments: [1, 2, 5])
  func eachOnce(workers: Int) {
    withPool(workers: workers) { pool, sink, _ in
      for batch in 0..<100 { pool.submit((0..<70).map { n in order(batch * 70 + n) { _ in } }) }
      let ends = sink.ends(7_000)
      #expect(Set(ends.map(\.token)).count == 7_000)
      #expect(ends.allSatisfy { $0.kind == .ended && $0.outcome == .succeeded && $0.duration >= 0 })
    }
  }

  @Test("what a worker took is run by others while it is in a long step")
  func stealsPastABlockedWorker() {
    withPool { pool, sink, _ in
      let gate = Gate()
      let short = (1...500).map { n in order(n) { _ in } }
      pool.submit(short + [order(0) { _ in gate.wait() }] + (501...1_000).map { n in order(n) { _ in } })
      let before = sink.ends(1_000)
      #expect(!before.contains { $0.token == token(0) })
      gate.open()
      #expect(sink.ends(1_001).last?.token == token(0))
    }
  }

  @Test("orders behind a blocked worker start in their turn although the other worker is never idle")
  func rescuesFromABusyPool() {
    withPool { pool, sink, _ in
      // While the wanted order has not run, every order that runs submits the next: the other worker always has work.
      let gate = Gate()
      let isWantedDone = Monitor(false)
      @Sendable func chain(_ n: Int) {
        guard isWantedDone.withLock({ !$0 }) else { return gate.open() }
        pool.submit((0..<8).map { k in order(100_000 + n * 8 + k) { _ in if k == 7 { chain(n + 1) } } })
      }
      // Fast steps first, so that workers dare to take many at a time.
      pool.submit((1...5_000).map { n in order(n) { _ in } })
      _ = sink.ends(5_000)
      pool.submit(
        [order(10_000) { _ in gate.wait() }]
          + (0..<200).map { n in order(10_001 + n) { _ in isWantedDone.withLock { $0 = n == 199 } } })
      chain(0)
      _ = sink.waitFor { $0.contains { $0.token == token(10_000) } }
    }
  }

  @Test("a long first step is reported as started while it runs")
  func reportsStartOfAHog() {
    withPool { pool, sink, _ in
      let gate = Gate()
      pool.submit([order(0) { _ in gate.wait() }])
      let reports = sink.waitFor { !$0.isEmpty }
      #expect(reports.map(\.kind) == [.started])
      gate.open()
      #expect(sink.ends(1).map(\.token) == [token(0)])
      #expect(sink.all.map(\.kind) == [.started, .ended])
    }
  }

  @Test("ends that a worker has collected are delivered although its next step is long")
  func deliversBeforeALongStep() {
    withPool(workers: 1) { pool, sink, _ in
      let gate = Gate()
      pool.submit((1...500).map { n in order(n) { _ in } } + [order(0) { _ in gate.wait() }])
      #expect(sink.ends(500).count == 500)
      gate.open()
    }
  }

  @Test("an order whose time to start has passed is reported as late and not begun")
  func late() {
    withPool { pool, sink, _ in
      let isRun = Monitor(false)
      let payload = ClosurePayload { _ in
        isRun.withLock { $0 = true }
        return nil
      }
      pool.submit([
        order(0, payload: payload, startBefore: Instant(seconds: 1)),
        order(1, payload: ClosurePayload { _ in nil }, startBefore: .distantFuture),
      ])
      let ends = sink.ends(2)
      #expect(ends.first { $0.token == token(0) }?.kind == .late)
      #expect(ends.first { $0.token == token(1) }?.kind == .ended)
      #expect(!isRun.withLock { $0 })
    }
  }

  @Test("a sliced run goes behind what waits, and everything ends")
  func sliced() {
    withPool(workers: 1) { pool, sink, _ in
      let gate = Gate()
      let trace = Monitor([String]())
      pool.submit([order(9) { _ in gate.wait() }])
      pool.submit([
        order(
          0,
          payload: SteppedPayload { n, _ in
            trace.withLock { $0.append("hog \(n)") }
            return n < 2 ? .slice : .end()
          })
      ])
      pool.submit((1...3).map { n in order(n) { _ in trace.withLock { $0.append("job \(n)") } } })
      gate.open()
      _ = sink.ends(5)
      #expect(trace.withLock { $0 } == ["hog 0", "job 1", "job 2", "job 3", "hog 1", "hog 2"])
      #expect(sink.all.filter { $0.token == token(0) }.map(\.kind) == [.started, .ended])
    }
  }

  @Test("a step is told when others wait, and when they do not")
  func othersWaiting() {
    withPool(workers: 1) { pool, sink, _ in
      let (isIn, mayLook, answers) = (Gate(), Gate(), Monitor([Bool]()))
      pool.submit([
        order(
          0,
          payload: SteppedPayload { n, body in
            if n == 0 {
              answers.withLock { $0.append(body.worker.othersWaiting) }
              isIn.open()
              mayLook.wait()
              answers.withLock { $0.append(body.worker.othersWaiting) }
              return .slice
            }
            answers.withLock { $0.append(body.worker.othersWaiting) }
            return .end()
          })
      ])
      isIn.wait()
      pool.submit([order(1) { _ in }])
      mayLook.open()
      _ = sink.ends(2)
      #expect(answers.withLock { $0 } == [false, true, false])
    }
  }

  @Test(
    "errors of closures become outcomes with a message",
    arguments: [
      ("run", Outcome.failed, "no space"), ("other", .failed, "Other()"), ("cancel", .cancelled, nil),
    ] as [(String, Outcome, String?)])
  func closureErrors(kind: String, outcome: Outcome, message: String?) {
    struct Other: Error {}
    withPool { pool, sink, _ in
      pool.submit([
        order(0) { _ in
          switch kind {
          case "run": throw RunError(message: "no space")
          case "other": throw Other()
          default: throw CancellationError()
          }
        }
      ])
      let end = sink.ends(1)[0]
      #expect(end.outcome == outcome)
      #expect(end.details?.error?.message == message)
    }
  }

  @Test("an async closure holds no worker, and its result is reported")
  func asyncClosure() async throws {
    try await onThread {
      withPool(workers: 1) { pool, sink, _ in
        let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
        pool.submit([
          order(
            0,
            payload: ClosurePayload(async: { _ in
              var sum = 0
              for await value in stream { sum += value }
              return JSONText("\(sum)")
            }))
        ])
        pool.submit([
          order(1) { _ in
            continuation.yield(40)
            continuation.yield(2)
            continuation.finish()
          }
        ])
        let end = sink.ends(2).first { $0.token == token(0) }
        #expect(end?.outcome == .succeeded)
        #expect(end?.details?.result == JSONText("42"))
      }
    }
  }

  @Test("threads bear the pool's name")
  func threadNames() throws {
    try withPool { pool, sink, _ in
      let name = Monitor("")
      pool.submit([order(0) { _ in name.withLock { $0 = nameOfThisThread() } }])
      _ = sink.ends(1)
      try #require(name.withLock { $0 }.hasPrefix("moondial-w"))
    }
  }
}
