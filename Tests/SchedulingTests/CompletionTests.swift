import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("Retries, events, cancelling, stores that fail")
struct CompletionTests {
  @Test("a failed run is retried max times with growing delays, counts its attempts, and then has failed")
  func retries() {
    var f = Fixture([
      definition("a", every: 1_000 * second) {
        $0.retry = RetryPolicy(max: 2, backoff: .exponential, base: second, jitter: false)
      }
    ])
    f.advance(to: 1_000)
    f.endRun(0, .failed)
    #expect(f.orders.isEmpty)
    f.advance(to: 1_001)
    #expect(f.orders.map(\.attempt) == [2])
    f.endRun(0, .timedOut)
    f.advance(to: 1_002.9)
    #expect(f.orders.isEmpty)
    f.advance(to: 1_003)
    f.endRun(0, .failed, details: AttemptDetails(error: RunError(message: "no")))
    #expect(f.outcomes("a") == [.failed])
    #expect(f.rows.values.map(\.attempts) == [3])
    #expect(f.rows.values.map { $0.error?.message } == ["no"])
  }

  @Test("a run keeps its first start; its row says when the next attempt is due, and when the last one began")
  func starts() {
    var f = Fixture([
      definition("a", every: 1_000 * second) {
        $0.retry = RetryPolicy(max: 1, backoff: .fixed, base: 30 * second, jitter: false)
      }
    ])
    f.advance(to: 1_000)
    f.endRun(0, .failed)
    let waiting = f.rows.values.first
    #expect(waiting?.startedAt == t(1_000) && waiting?.resumesAt == t(1_030) && waiting?.attempts == 1)
    #expect(waiting?.claimedAt != nil && waiting?.outcome == nil)
    f.advance(to: 1_030)
    f.endRun()
    let ended = f.rows.values.first
    #expect(ended?.startedAt == t(1_000) && ended?.retriedAt == t(1_030) && ended?.resumesAt == nil)
    #expect(ended?.outcome == .succeeded && ended?.attempts == 2)
  }

  @Test("what a run took that the host ended under is what had passed; of one that never began nobody knows")
  func interruptedDuration() {
    var f = Fixture([definition("a", every: 10 * second), definition("b", every: 10 * second)])
    f.advance(to: 10)
    f.startRun(0)
    f.now.wall = t(17)
    f.core.interruptAll(at: f.now, into: &f.actions)
    f.absorb()
    let runs = f.rows.values.sorted { $0.startedAt != nil && $1.startedAt == nil }
    #expect(runs.map(\.outcome) == [.interrupted, .interrupted])
    #expect(runs.map(\.knownDuration) == [7 * second, nil])
  }

  @Test("a retry that waits counts as an instance")
  func retryOverlaps() {
    var f = Fixture([
      definition("a") { $0.retry = RetryPolicy(max: 1, backoff: .fixed, base: 15 * second, jitter: false) }
    ])
    f.advance(to: 10)
    f.endRun(0, .failed)
    f.advance(to: 20)
    #expect(f.orders.isEmpty)
    #expect(f.decided("a") == ["skipped(overlap) 20.0...20.0 ×1"])
  }

  @Test("ctx:retry without a policy retries three times")
  func asksForRetry() {
    var f = Fixture([definition("a", every: 10_000 * second)])
    f.advance(to: 10_000)
    let asked = AttemptDetails(retry: RetryRequest(delay: second))
    for k in 1...3 {
      f.endRun(0, .failed, details: asked)
      f.advance(to: 10_000 + Double(k))
      #expect(f.orders.count == 1)
    }
    f.endRun(0, .failed, details: asked)
    f.advance(to: 10_010)
    #expect(f.outcomes("a") == [.failed])
    #expect(f.rows.values.map(\.attempts) == [4])
  }

  @Test("a cancelled run is not retried")
  func cancelled() throws {
    var f = Fixture([definition("a") { $0.retry = RetryPolicy(max: 5) }])
    f.advance(to: 10)
    f.startRun()
    try f.core.cancel(f.orders[0].id, at: f.now, into: &f.actions)
    f.absorb()
    #expect(f.cancellations == [f.orders[0].token])
    f.endRun(0, .cancelled)
    #expect(f.outcomes("a") == [.cancelled])
  }

  @Test("a run that waits for a retry is cancelled at once")
  func cancelRetrying() throws {
    var f = Fixture([
      definition("a", every: 100 * second) { $0.retry = RetryPolicy(max: 5, backoff: .fixed, base: 10 * second) }
    ])
    f.advance(to: 100)
    let id = f.endRun(0, .failed).id
    try f.core.cancel(id, at: f.now, into: &f.actions)
    f.settle()
    #expect(f.outcomes("a") == [.cancelled])
    f.advance(to: 130)
    #expect(f.orders.isEmpty)
  }

  @Test("after: a successful run starts its downstream jobs, a failed one does not")
  func after() {
    var f = Fixture([definition("up"), definition("down", every: nil) { $0.after = ["up"] }])
    f.advance(to: 10)
    f.endRun(0, .failed)
    #expect(f.orders.isEmpty)
    f.advance(to: 20)
    f.endRun()
    #expect(f.orders.map { $0.job.definition.name } == ["down"])
    #expect(
      f.orders[0].context?.event?.text
        == #"{"name":"after","job":"up","run":2,"outcome":"succeeded","data":{"job":"up","run":2}}"#)
  }

  @Test("debounce: events within the span become one run with the newest, after the span")
  func debounce() {
    var f = Fixture([
      definition("a", every: nil) {
        $0.events = ["file"]
        $0.debounce = 5 * second
      }
    ])
    for k in 0..<3 {
      f.advance(to: Double(k) * 2)
      f.core.emit("file", data: JSONText("\(k)"), at: f.now, into: &f.actions)
      f.settle()
    }
    f.advance(to: 8.9)
    #expect(f.orders.isEmpty)
    f.advance(to: 9)
    #expect(f.orders.map { $0.context?.event?.text } == ["{\"name\":\"file\",\"data\":2}"])
    #expect(f.orders.count == 1)
  }

  @Test("a claim is on disk before its run starts")
  func claimFirst() {
    var f = Fixture([definition("a")])
    f.commits = false
    f.advance(to: 10)
    #expect(f.orders.isEmpty)
    #expect(f.rows.values.map { $0.claimedAt != nil } == [true])
    f.commitAll()
    #expect(f.orders.count == 1)
  }

  @Test("when the store cannot write a claim the run stays due, and starts once the store has recovered")
  func storeFails() {
    var f = Fixture([definition("a")])
    f.commits = false
    f.advance(to: 10)
    f.rows = [:]
    f.failAll()
    #expect(f.core.failedStores == [true])
    // Its schedule moved past the instant in the failed batch, so the next one holds its row.
    #expect(f.rows.values.map(\.claimedAt) == [nil])
    f.advance(to: 15)
    #expect(f.orders.isEmpty)
    f.commits = true
    f.core.storeRecovered(0, into: &f.actions)
    f.settle()
    #expect(f.orders.map(\.scheduledAt) == [t(10)])
  }

  @Test("a next attempt whose row the store refuses while the host ends is interrupted, and not waited for")
  func drainOfRefusedRetry() {
    let policy = RetryPolicy(max: 3, backoff: .fixed, base: second, jitter: false)
    var f = Fixture([definition("a") { $0.retry = policy }])
    f.advance(to: 10)
    f.startRun()
    f.endRun(0, .failed)
    f.commits = false
    f.advance(to: 11)
    f.core.drain(at: f.now, into: &f.actions)
    f.settle()
    f.failAll()
    #expect(f.core.claimedRuns == 0)
    f.commits = true
    f.core.storeRecovered(0, into: &f.actions)
    f.settle()
    #expect(f.outcomes("a") == [.interrupted] && f.orders.isEmpty)
  }

  @Test("draining claims nothing more and retries nothing")
  func drain() {
    var f = Fixture([definition("a") { $0.retry = RetryPolicy(max: 3) }])
    f.advance(to: 10)
    f.startRun()
    f.core.drain(at: f.now, into: &f.actions)
    #expect(f.core.claimedRuns == 1)
    f.endRun(0, .failed)
    #expect(f.core.claimedRuns == 0)
    f.advance(to: 50)
    #expect(f.orders.isEmpty)
    #expect(f.schedules["a"]?.nextFire == t(20))
  }
}
