import Basics
import Chronology
import JobModel
import Testing
import TestSupport

@testable import Executors

/// Everything at once, at random: each order must still end in exactly one report, and none may be reported out of
/// order.
@Suite("Stress")
struct StressTests {
  /// Random numbers of a seed and a stream.
  struct Dice: Sendable {
    private var numbers: SeededGenerator
    init(_ seed: UInt64, _ stream: Int = 0) {
      numbers = SeededGenerator(seed &* 0x2545_f491_4f6c_dd1d &+ UInt64(stream) << 20)
    }

    mutating func roll(_ sides: UInt64) -> UInt64 { numbers.next() % sides }
  }

  @Test(
    "random verdicts, resumers, sleepers, cancels and stuck workers",
    arguments: [1, 2, 3, UInt64.random(in: 1_000...(1 << 40))])
  func random(seed: UInt64) {
    let count = 3_000
    let stuck = Monitor([Gate]())
    let runner = SteppingRunner()
    let pool = StepPool(runner)
    let sink = CheckingSink()
    let blockingPool = BlockingPool(threads: 2)
    pool.start(reportingTo: sink)

    @Sendable func payload(_ n: Int) -> any JobPayload {
      SteppedPayload { step, body in
        var dice = Dice(seed, n * 64 + step)
        if step > 12 { return .end() }
        switch dice.roll(40) {
        case 0..<14: return .end(dice.roll(10) == 0 ? .failed : .succeeded)
        case 14..<20: return .slice
        case 20..<26:
          body.run.resume()
          return .suspend()
        case 26..<32:
          let run = body.run
          blockingPool.run { run.resume() }
          return .suspend()
        case 32..<36: return .suspend(until: monotonicNow() + Int64(dice.roll(2_000_000)))
        case 36:
          let victim = token(Int(dice.roll(UInt64(count))))
          blockingPool.run { pool.cancel(victim) }
          return .slice
        case 37 where stuck.withLock({ $0.count }) < 5:
          let gate = Gate()
          stuck.withLock { $0.append(gate) }
          let (index, token) = (body.worker.index, token(n))
          blockingPool.run {
            _ = pool.workerIsStuck(index, running: token)
            gate.open()
          }
          gate.wait()
          return .slice
        default:
          // Somebody will cancel it.
          blockingPool.run { pool.cancel(token(n)) }
          return .suspend()
        }
      }
    }
    var dice = Dice(seed)
    var next = 0
    while next < count {
      let batch = min(count - next, 1 + Int(dice.roll(200)))
      pool.submit(
        (next..<next + batch).map { n in order(n, payload: payload(n), timeout: n % 7 == 0 ? 3_000_000 : nil) })
      next += batch
    }
    let state = sink.waitForEnds(count)
    #expect(state.ended.count == count, "seed \(seed)")
    #expect(state.offences == [], "seed \(seed)")
    blockingPool.stop()
    pool.stop()
    #expect(sink.state.withLock { $0.ended.count } == count, "seed \(seed)")
    #expect(sink.state.withLock { $0.offences } == [], "seed \(seed)")
  }

  @Test("a pool that is stopped in the middle of all that reports each order once", arguments: 0..<20)
  func stoppedAnywhere(round: Int) {
    let count = 400
    let runner = SteppingRunner()
    let pool = StepPool(runner)
    let sink = CheckingSink()
    pool.start(reportingTo: sink)
    for first in stride(from: 0, to: count, by: 50) {
      pool.submit(
        (first..<first + 50).map { n in
          order(
            n,
            payload: SteppedPayload { step, body in
              switch (n + step) % 4 {
              case 0: return step > 20 ? .end() : .slice
              case 1:
                body.run.resume()
                return .suspend()
              case 2: return .suspend(until: monotonicNow() + 50_000)
              default: return n % 2 == 0 ? .suspend() : .end()
              }
            })
        })
    }
    // Stop after some number of ends, another one each round.
    _ = sink.waitForEnds(round * 5)
    pool.stop()
    let state = sink.state.withLock { $0 }
    #expect(state.ended.count == count)
    #expect(state.offences == [])
    #expect(runner.state.withLock { $0.threadsEnded } == pool.workers)
  }
}
