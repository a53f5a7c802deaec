import Basics
import JobModel
import Testing
import TestSupport

@testable import Executors

@Suite("Long steps give way")
struct PreemptionTests {
  @Test("work that comes when no worker is idle asks the run that has been on its worker longest")
  func longest() {
    withPool(workers: 2) { pool, sink, runner in
      let gate = Gate()
      let workers = Monitor<[Int]>([])
      let hog = SteppedPayload { _, run in
        workers.withLock { $0.append(run.worker.index) }
        workers.broadcast()
        gate.wait()
        return .end()
      }
      for n in 0..<2 {
        pool.submit([order(n, payload: hog)])
        workers.wait { $0.count == n + 1 ? () : nil }
      }
      // Each submission looks; the first one after the hogs' two milliseconds asks.
      var submitted = 2
      while runner.state.withLock({ $0.preempted.isEmpty }) {
        pool.submit([order(submitted) { _ in }])
        submitted += 1
      }
      #expect(runner.state.withLock { $0.preempted.first } == workers.withLock { $0.first })
      gate.open()
      gate.open()
      #expect(sink.ends(submitted).count == submitted)
    }
  }

  @Test("a run that was sliced asks nobody: two that never end do not chase each other")
  func sliced() {
    withPool(workers: 1) { pool, sink, runner in
      let hog = SteppedPayload { number, _ in number < 1_000 ? .slice : .end() }
      pool.submit([order(0, payload: hog)])
      #expect(sink.ends(1).count == 1)
      #expect(runner.state.withLock { $0.preempted.isEmpty })
    }
  }
}
