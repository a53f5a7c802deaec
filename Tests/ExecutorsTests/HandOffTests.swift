import Basics
import JobModel
import Testing
import TestSupport

@testable import Executors

/// Calls that hold a worker's thread without giving way.
@Suite("Places handed over")
struct HandOffTests {
  @Test("jobs that block on every worker do not keep the others from running")
  func blockedWorkers() {
    withPool(workers: 2) { pool, sink, _ in
      let gate = Gate()
      pool.submit((0..<2).map { number in order(number) { _ in gate.wait() } })
      _ = sink.waitFor { reports in reports.count { $0.kind == .started } == 2 }
      pool.submit((2..<50).map { number in order(number) { _ in } })
      #expect(sink.ends(48).allSatisfy { $0.outcome == .succeeded })
      #expect(pool.counts.workers == 4)
      gate.open()
      #expect(sink.ends(50).count == 50)
      // Those that come back find their places taken.
      let isBack = pool.state.wait(until: monotonicNow() + patience) { $0.workers.count == 2 ? true : nil }
      #expect(isBack == true)
      #expect(pool.state.withLock { $0.handedOff.isEmpty && $0.threads.count == 2 })
    }
  }

  @Test("however many block, at most so many threads more are made")
  func bounded() {
    withPool(workers: 1, { $0.stuckThreads = 3 }) { pool, sink, _ in
      let gate = Gate()
      pool.submit((0..<10).map { number in order(number) { _ in gate.wait() } })
      _ = sink.waitFor { reports in reports.count { $0.kind == .started } == 4 }
      #expect(pool.counts.workers == 4)
      gate.open()
      #expect(sink.ends(10).count == 10)
    }
  }

  @Test("a place that was handed over is free again when its run is found to be stuck")
  func stuckAfterHandOff() {
    withPool(workers: 1) { pool, sink, _ in
      let gate = Gate()
      pool.submit([order(0) { _ in gate.wait() }])
      pool.submit([order(1) { _ in }])
      #expect(sink.ends(1).map(\.token) == [token(1)])
      #expect(pool.workerIsStuck(0, running: token(0)))
      #expect(pool.counts == StepPoolCounts(stuck: 1, workers: 1, idle: pool.counts.idle))
      pool.submit([order(2) { _ in }])
      #expect(sink.ends(2).map(\.token) == [token(1), token(2)])
      gate.open()
    }
  }

  @Test("without work that waits nothing is handed over")
  func nobodyWaits() {
    withPool(workers: 1) { pool, sink, _ in
      let gate = Gate()
      pool.submit([order(0) { _ in gate.wait() }])
      _ = sink.waitFor { $0.contains { $0.kind == .started } }
      for _ in 0..<5 { pool.runWatchdog() }
      pool.handOffLongSteps(at: .max / 2)
      #expect(pool.counts.workers == 1)
      gate.open()
      #expect(sink.ends(1).count == 1)
    }
  }
}
