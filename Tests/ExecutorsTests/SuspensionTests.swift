import Basics
import Chronology
import JobModel
import Testing
import TestSupport

@testable import Executors

@Suite("Runs suspend and are resumed")
struct SuspensionTests {
  @Test("a resume is not lost whether it comes before or after the worker has left the run")
  func resumeRace() {
    withPool { pool, sink, _ in
      // Another thread resumes while the worker returns: 20,000 times, at whatever moment it happens to come.
      let blockingPool = BlockingPool(threads: 2)
      defer { blockingPool.stop() }
      let rounds = 100
      pool.submit(
        (0..<200).map { n in
          order(
            n,
            payload: SteppedPayload { step, body in
              if step == rounds { return .end() }
              let run = body.run
              if step % 3 == 0 { run.resume() } else { blockingPool.run { run.resume() } }
              return .suspend()
            })
        })
      let ends = sink.ends(200)
      #expect(ends.count == 200 && ends.allSatisfy { $0.outcome == .succeeded })
    }
  }

  @Test("one of several resumers of a suspension wins, and what it delivers is seen by the next step")
  func oneDeliverer() {
    withPool { pool, sink, _ in
      let blockingPool = BlockingPool(threads: 4)
      defer { blockingPool.stop() }
      let wins = Monitor(0)
      let wrong = Monitor(0)
      let (runs, rounds) = (50, 60)
      pool.submit(
        (0..<runs).map { n in
          let box = Monitor(-1)
          return order(
            n,
            payload: SteppedPayload { step, body in
              if step > 0, box.withLock({ $0 }) != step - 1 { wrong.withLock { $0 += 1 } }
              if step == rounds { return .end() }
              let run = body.run
              let suspension = run.suspension
              for _ in 0..<3 {
                blockingPool.run {
                  let isMine = run.resume(suspension: suspension) { box.withLock { $0 = step } }
                  if isMine { wins.withLock { $0 += 1 } }
                }
              }
              return .suspend()
            })
        })
      #expect(sink.ends(runs).allSatisfy { $0.outcome == .succeeded })
      blockingPool.stop()
      #expect(wins.withLock { $0 } == runs * rounds)
      #expect(wrong.withLock { $0 } == 0)
    }
  }

  @Test("a late resume of an earlier suspension does nothing")
  func staleResume() {
    withPool { pool, sink, _ in
      let parked = Gate()
      let late = Monitor<(PoolRun, UInt32)?>(nil)
      pool.submit([
        order(
          0,
          payload: SteppedPayload { step, body in
            switch step {
            case 0:
              late.withLock { $0 = (body.run, body.run.suspension) }
              body.run.resume()
              return .suspend()
            case 1:
              parked.open()
              return .suspend()
            default: return .end()
            }
          })
      ])
      parked.wait()
      let (run, suspension) = late.withLock { $0 }!
      #expect(!run.resume(suspension: suspension))
      #expect(!sink.all.contains { $0.kind == .ended })
      run.resume()
      _ = sink.ends(1)
      #expect(!run.resume(suspension: run.suspension), "the run has ended")
    }
  }

  @Test("a run is known as started before it can be stepped again, and ends once")
  func startedBeforeEnded() {
    let runner = SteppingRunner()
    let pool = StepPool(runner)
    let sink = CheckingSink()
    pool.start(reportingTo: sink)
    defer { pool.stop() }
    pool.submit(
      (0..<2_000).map { n in
        order(
          n,
          payload: SteppedPayload { step, body in
            if step == 3 { return .end() }
            if step % 2 == 0 { return .slice }
            body.run.resume()
            return .suspend()
          })
      })
    let state = sink.waitForEnds(2_000)
    #expect(state.offences == [])
    #expect(state.started.count == 2_000)
  }

  @Test("10,000 runs sleep on two threads, and each wakes not before its time")
  func sleepers() {
    withPool { pool, sink, _ in
      let early = Monitor(0)
      let start = monotonicNow()
      pool.submit(
        (0..<10_000).map { n in
          // Spread over 100 ms, in no order.
          let wake = start + Int64(n * 7_919 % 10_000) * 10_000
          return order(
            n,
            payload: SteppedPayload { step, _ in
              if step == 0 { return .suspend(until: wake) }
              if monotonicNow() < wake { early.withLock { $0 += 1 } }
              return .end()
            })
        })
      #expect(sink.ends(10_000).count == 10_000)
      #expect(early.withLock { $0 } == 0)
      #expect(pool.counts.continuing == 0)
    }
  }

  @Test("a suspended run beyond its deadline is ended by its runner as timed out")
  func deadlineWhileSuspended() {
    withPool { pool, sink, runner in
      pool.submit([
        order(0, payload: SteppedPayload { _, _ in .suspend() }, timeout: 1_000_000),
        order(1, payload: SteppedPayload { _, _ in .suspend(until: monotonicNow() + patience) }, timeout: 2_000_000),
        order(
          2,
          payload: ClosurePayload(async: { context in
            try await Task.sleep(nanoseconds: UInt64(patience))
            return nil
          }), timeout: 3_000_000),
      ])
      let ends = sink.ends(3)
      #expect(ends.allSatisfy { $0.outcome == .timedOut && $0.duration >= 1_000_000 })
      #expect(runner.state.withLock { $0.stops } == [token(0): .timedOut, token(1): .timedOut])
    }
  }

  @Test("resumed runs and new orders take turns, so neither waits for all of the other")
  func turns() {
    var queue = SharedQueue()
    let worker = StepWorker(index: 0, host: NoHost())
    let orders = (0..<4).map { n in order(n) { _ in } }
    queue.append(orders)
    for n in 10..<13 {
      queue.append(
        resumed: PoolRun(
          continuing: order(n) { _ in }, begunAt: StepTime(wall: .epoch, monotonic: 0, deadline: .max), on: worker,
          body: NoHost()))
    }
    var taken: [Int32] = []
    while !queue.isEmpty {
      var local = LocalQueue()
      queue.take(into: &local, limit: 1, workers: 1)
      while let item = local.popFirst() {
        switch item {
        case .order(let order): taken.append(order.token.slot)
        case .run(let run): taken.append(run.token.slot)
        }
      }
    }
    #expect(taken == [0, 10, 1, 11, 2, 12, 3])
  }
}

final class NoHost: RunHost {
  func enqueueResumed(_ run: PoolRun) {}
  var othersWaiting: Bool { false }
}
