import Basics
import Chronology
import JobModel
import Testing
import TestSupport

@testable import Executors

@Suite("Cancelling and stopping")
struct CancelTests {
  @Test("a queued order is reported as cancelled and not begun, wherever it waits")
  func queued() {
    withPool(workers: 1) { pool, sink, _ in
      let (gate, isIn) = (Gate(), Gate())
      let begun = Monitor(Set<Int>())
      // Short ones first, so that the worker takes a portion of its own.
      pool.submit((1_000..<1_500).map { n in order(n) { _ in } })
      _ = sink.ends(500)
      pool.submit(
        [
          order(0) { _ in
            isIn.open()
            gate.wait()
          }
        ] + (1...300).map { n in order(n) { _ in begun.withLock { _ = $0.insert(n) } } })
      isIn.wait()
      let victims = [1, 2, 40, 150, 299, 300]
      for n in victims { pool.cancel(token(n)) }
      pool.cancel(token(40))
      pool.cancel(token(7_777))
      let cancelled = sink.waitFor { $0.count { $0.outcome == .cancelled } == victims.count }.filter {
        $0.outcome == .cancelled
      }
      #expect(Set(cancelled.map(\.token)) == Set(victims.map(token)))
      gate.open()
      #expect(Set(sink.ends(801).map(\.token)).count == 801)
      #expect(begun.withLock { $0 } == Set(1...300).subtracting(victims))
    }
  }

  @Test("a run in its first step is interrupted")
  func firstStep() {
    withPool { pool, sink, runner in
      let isIn = Gate()
      pool.submit([
        order(0) { context in
          isIn.open()
          _ = runner.state.wait(until: monotonicNow() + patience) { $0.interrupts.isEmpty ? nil : true }
          if context.isCancelled { throw CancellationError() }
        }
      ])
      isIn.wait()
      pool.cancel(token(0))
      #expect(sink.ends(1).map(\.outcome) == [.cancelled])
      #expect(runner.state.withLock { $0.interrupts } == [.cancelled])
    }
  }

  @Test("a run that is cancelled in its first step and suspends nevertheless is stopped")
  func firstStepThatSuspends() {
    withPool { pool, sink, runner in
      let isIn = Gate()
      pool.submit([
        order(
          0,
          payload: SteppedPayload { _, _ in
            isIn.open()
            _ = runner.state.wait(until: monotonicNow() + patience) { $0.interrupts.isEmpty ? nil : true }
            return .suspend()
          })
      ])
      isIn.wait()
      pool.cancel(token(0))
      #expect(sink.ends(1).map(\.outcome) == [.cancelled])
      #expect(runner.state.withLock { $0.stops } == [token(0): .cancelled])
    }
  }

  @Test("a suspended run ends as cancelled, also an async closure")
  func suspended() {
    withPool { pool, sink, runner in
      pool.submit([
        order(0, payload: SteppedPayload { _, _ in .suspend() }),
        order(
          1,
          payload: ClosurePayload(async: { _ in
            try await Task.sleep(nanoseconds: UInt64(patience))
            return nil
          })),
      ])
      _ = sink.waitFor { $0.count { $0.kind == .started } == 2 }
      pool.cancel(token(0))
      pool.cancel(token(1))
      #expect(sink.ends(2).allSatisfy { $0.outcome == .cancelled })
      #expect(runner.state.withLock { $0.stops } == [token(0): .cancelled])
    }
  }

  @Test("a run in a further step is interrupted, and stopped if it suspends again")
  func furtherStep() {
    withPool { pool, sink, runner in
      let isIn = Gate()
      pool.submit([
        order(
          0,
          payload: SteppedPayload { step, _ in
            if step == 0 { return .slice }
            isIn.open()
            _ = runner.state.wait(until: monotonicNow() + patience) { $0.interrupts.isEmpty ? nil : true }
            return .suspend()
          })
      ])
      isIn.wait()
      pool.cancel(token(0))
      #expect(sink.ends(1).map(\.outcome) == [.cancelled])
    }
  }

  @Test("what was cancelled or ended is not interrupted when its token comes again")
  func unknown() {
    withPool { pool, sink, runner in
      pool.submit([order(0) { _ in }])
      _ = sink.ends(1)
      pool.cancel(token(0))
      pool.cancel(token(1))
      pool.submit([order(1) { _ in }])
      #expect(sink.ends(2).allSatisfy { $0.outcome == .succeeded })
      #expect(runner.state.withLock { $0.interrupts }.isEmpty)
    }
  }

  @Test("stop ends everything as interrupted, each run once, and every thread")
  func stop() {
    let runner = SteppingRunner()
    let pool = StepPool(runner)
    let sink = CollectingSink()
    pool.start(reportingTo: sink)
    let isIn = Gate()
    pool.submit((0..<100).map { n in order(n, payload: SteppedPayload { _, _ in .suspend() }) })
    _ = sink.waitFor { $0.count { $0.kind == .started } == 100 }
    pool.submit(
      (100..<104).map { n in
        order(n) { context in
          isIn.open()
          _ = runner.state.wait(until: monotonicNow() + patience) { $0.interrupts.isEmpty ? nil : true }
          if context.isCancelled { throw CancellationError() }
        }
      })
    pool.submit(
      (104..<200).map { n in order(n, payload: SteppedPayload { _, _ in .suspend(until: monotonicNow() + patience) }) })
    isIn.wait()
    pool.stop()
    let ends = sink.all.filter { $0.kind.isEnd }
    #expect(ends.count == 200 && Set(ends.map(\.token)).count == 200)
    #expect(ends.allSatisfy { $0.outcome == .interrupted || $0.token.slot >= 100 && $0.token.slot < 104 })
    #expect(runner.state.withLock { $0.threadsEnded } == pool.workers)
    pool.stop()
    pool.submit([order(300) { _ in }])
    #expect(sink.all.last?.token == token(300) && sink.all.last?.outcome == .interrupted)
  }

  @Test("stop before start is fine")
  func stopUnstarted() {
    StepPool(SteppingRunner()).stop()
    InlineExecutor(SteppingRunner()).stop()
  }

  @Test("stop leaves a thread that does not return behind, and reports its run once")
  func leavesBehind() {
    var configuration = StepPool.Configuration()
    configuration.workers = 1
    configuration.stopPatience = 1_000_000
    let events = Monitor([StepPoolEvent]())
    let (isIn, gate) = (Gate(), Gate())
    let runner = SteppingRunner()
    let pool = StepPool(
      runner, configuration: configuration, onEvent: { event in events.withLock { $0.append(event) } })
    let sink = CollectingSink()
    pool.start(reportingTo: sink)
    pool.submit([
      order(0) { _ in
        isIn.open()
        gate.wait()
      }
    ])
    isIn.wait()
    pool.stop()
    #expect(sink.ends(1).map(\.outcome) == [.interrupted])
    #expect(events.withLock { $0 } == [.threadsLeftBehind(1)])
    gate.open()
    _ = runner.state.wait(until: monotonicNow() + patience) { $0.threadsEnded == pool.workers ? true : nil }
    #expect(sink.ends(1).count == 1)
  }

  @Test("a run in a further step and a stuck run that are left behind are reported once as well")
  func leavesFurtherSteps() {
    var configuration = StepPool.Configuration()
    configuration.stopPatience = 1_000_000
    let gate = Gate()
    let isIn = [Gate(), Gate()]
    let runner = SteppingRunner()
    let pool = StepPool(runner, configuration: configuration)
    let sink = CheckingSink()
    pool.start(reportingTo: sink)
    pool.submit(
      (0..<2).map { n in
        order(
          n,
          payload: SteppedPayload { step, body in
            if step == 0 { return .slice }
            if n == 1, step == 1 { return .slice }
            isIn[n].open()
            if n == 1 { _ = pool.workerIsStuck(body.worker.index, running: token(1)) }
            gate.wait()
            return n == 0 ? .slice : .end()
          })
      })
    for gate in isIn { gate.wait() }
    pool.stop()
    gate.open()
    // Two workers, one replacement for the stuck one.
    _ = runner.state.wait(until: monotonicNow() + patience) { $0.threadsEnded >= 2 ? true : nil }
    let state = sink.waitForEnds(2)
    #expect(state.ended.count == 2 && state.offences == [])
  }

  @Test("a run may stop its own pool")
  func stopFromInside() {
    var configuration = StepPool.Configuration()
    configuration.stopPatience = patience
    let pool = StepPool(SteppingRunner(), configuration: configuration)
    let sink = CollectingSink()
    pool.start(reportingTo: sink)
    pool.submit([order(0) { _ in pool.stop() }])
    #expect(sink.ends(1).map(\.outcome) == [.interrupted])
  }
}

@Suite("Stuck workers")
struct StuckTests {
  @Test("a stuck run is reported, its worker replaced, and its queue given back; when it returns it ends as stuck")
  func replacement() {
    let events = Monitor([StepPoolEvent]())
    withPool(
      workers: 1,
      onEvent: { event in
        events.withLock { $0.append(event) }
        events.broadcast()
      }
    ) { pool, sink, _ in
      let (isIn, gate) = (Gate(), Gate())
      pool.submit((1_000..<1_500).map { n in order(n) { _ in } })
      _ = sink.ends(500)
      pool.submit(
        [
          order(0) { _ in
            isIn.open()
            gate.wait()
          }
        ] + (1...100).map { n in order(n) { _ in } })
      isIn.wait()
      #expect(!pool.workerIsStuck(0, running: token(5)), "another run is on that worker")
      #expect(!pool.workerIsStuck(7, running: token(0)), "there is no such worker")
      #expect(pool.workerIsStuck(0, running: token(0)))
      #expect(!pool.workerIsStuck(0, running: token(0)), "it is known")
      #expect(sink.ends(600).count == 600)
      #expect(sink.all.filter { $0.token == token(0) }.map(\.kind) == [.started, .stuck])
      #expect(pool.counts.stuck == 1 && pool.counts.workers == 1)
      gate.open()
      let end = sink.ends(601).last
      #expect(end?.token == token(0) && end?.outcome == .stuck)
      let seen = events.wait(until: monotonicNow() + patience) { $0.count == 2 ? $0 : nil }
      #expect(seen == [.workerReplaced(index: 0, by: 1, run: token(0)), .stuckWorkerReturned(index: 0)])
    }
  }

  @Test("a stuck run that returns suspended is closed by its runner and ends as stuck")
  func returnsSuspended() {
    withPool(workers: 1) { pool, sink, runner in
      let (isIn, gate) = (Gate(), Gate())
      pool.submit([
        order(
          0,
          payload: SteppedPayload { step, _ in
            if step == 0 { return .slice }
            isIn.open()
            gate.wait()
            return .suspend()
          })
      ])
      isIn.wait()
      #expect(pool.workerIsStuck(0, running: token(0)))
      gate.open()
      #expect(sink.ends(1).map(\.outcome) == [.stuck])
      #expect(runner.state.withLock { $0.stops } == [token(0): .interrupted])
    }
  }

  @Test("replacements are bounded; when a stuck thread returns, the pool is whole again")
  func bounded() {
    let events = Monitor([StepPoolEvent]())
    withPool(workers: 1, { $0.stuckThreads = 2 }, onEvent: { event in events.withLock { $0.append(event) } }) {
      pool, sink, _ in
      let gates = (0..<3).map { _ in Gate() }
      for n in 0..<3 {
        let isIn = Gate()
        pool.submit([
          order(n) { _ in
            isIn.open()
            gates[n].wait()
          }
        ])
        isIn.wait()
        #expect(pool.workerIsStuck(n, running: token(n)))
      }
      #expect(events.withLock { $0.last } == .replacementRefused(index: 2, run: token(2), stuck: 3))
      #expect(pool.counts.workers == 0)
      pool.submit([order(9) { _ in }])
      gates[0].open()
      #expect(Set(sink.ends(2).map(\.token)) == [token(0), token(9)])
      for gate in gates { gate.open() }
      #expect(sink.ends(4).count == 4)
    }
  }
}
