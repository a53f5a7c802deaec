import Basics
import Glibc
import JobModel
import Synchronization
import Testing
import TestSupport

@testable import Executors

/// A system that gives threads, or none, as a test wants.
private final class Threads: Sendable {
  private struct State {
    var isRefusing = false
    var refusals = 0
  }
  private let state = Monitor(State())

  var make: ThreadMaker {
    { [self] name, stackSize, signals, body throws(ThreadError) in
      let isRefused = state.withLock { state in
        if state.isRefusing { state.refusals += 1 }
        return state.isRefusing
      }
      state.broadcast()
      if isRefused { throw ThreadError(name: name, code: EAGAIN) }
      return try NamedThread(name, stackSize: stackSize, signals: signals, body)
    }
  }

  func refuse(_ isRefusing: Bool) { state.withLock { $0.isRefusing = isRefusing } }

  /// Returns when so many were refused; false when the hang guard ended the wait.
  func waitForRefusals(_ count: Int) -> Bool {
    state.wait(until: monotonicNow() + patience) { $0.refusals >= count ? true : nil } ?? false
  }
}

/// What a pool tells, and a wait for it.
private final class Events: Sendable {
  private let seen = Monitor([StepPoolEvent]())
  var note: @Sendable (StepPoolEvent) -> Void {
    { [self] event in
      seen.withLock { $0.append(event) }
      seen.broadcast()
    }
  }
  var all: [StepPoolEvent] { seen.withLock { $0 } }
  func wait(for event: StepPoolEvent) -> Bool {
    seen.wait(until: monotonicNow() + patience) { $0.contains(event) ? true : nil } ?? false
  }
}

@Suite("Threads that the system refuses later")
struct RefusedThreadTests {
  private let limitText =
    "the limit of threads is reached (see ulimit -u and the cgroup's pids.max)"

  @Test("it is told once however often it is asked for again, the pool goes on, and its being whole again is told")
  func handOff() {
    let (threads, events) = (Threads(), Events())
    withPool(
      workers: 1,
      {
        $0.makeThread = threads.make
        $0.threadRetry = 1_000_000
      }, onEvent: events.note
    ) { pool, sink, _ in
      let gate = Gate()
      pool.submit([order(0) { _ in gate.wait() }])
      _ = sink.waitFor { $0.contains { $0.kind == .started } }
      threads.refuse(true)
      pool.submit([order(1) { _ in }])
      #expect(threads.waitForRefusals(5))
      #expect(events.all == [.threadFailed("thread \"moondial-w1\" could not be started: \(limitText)")])
      threads.refuse(false)
      // The first is still held: the second runs on the thread that came at last.
      #expect(sink.ends(1).map(\.token) == [token(1)])
      #expect(events.wait(for: .workersRestored))
      gate.open()
      #expect(sink.ends(2).count == 2)
      #expect(events.all.count == 2)
    }
  }

  @Test("a refused worker is asked for again without any work, and a pool without one takes work meanwhile")
  func idle() {
    let (threads, events) = (Threads(), Events())
    threads.refuse(true)
    withPool(
      workers: 2,
      {
        $0.makeThread = { name, stackSize, signals, body throws(ThreadError) in
          // The thread of the timers comes.
          guard name.hasSuffix("-timer") else { return try threads.make(name, stackSize, signals, body) }
          return try NamedThread(name, stackSize: stackSize, signals: signals, body)
        }
        $0.threadRetry = 1_000_000
      }, onEvent: events.note
    ) { pool, sink, _ in
      #expect(threads.waitForRefusals(5))
      pool.submit([order(0) { _ in }])
      threads.refuse(false)
      #expect(sink.ends(1).map(\.outcome) == [.succeeded])
      #expect(events.wait(for: .workersRestored))
      #expect(pool.counts.workers == 2)
      #expect(events.all.count == 2)
    }
  }

  @Test("without the thread of the timers jobs run, and it is asked for again when there is work")
  func timers() {
    let (threads, events) = (Threads(), Events())
    threads.refuse(true)
    withPool(
      workers: 1,
      {
        $0.makeThread = { name, stackSize, signals, body throws(ThreadError) in
          guard name.hasSuffix("-timer") else {
            return try NamedThread(name, stackSize: stackSize, signals: signals, body)
          }
          return try threads.make(name, stackSize, signals, body)
        }
      }, onEvent: events.note
    ) { pool, sink, _ in
      pool.submit([order(0) { _ in }])
      #expect(sink.ends(1).map(\.outcome) == [.succeeded])
      #expect(events.all.count == 1)
      threads.refuse(false)
      // It sleeps, so it needs the timers.
      let wakeAt = monotonicNow() + 1_000_000
      pool.submit([order(1, payload: SteppedPayload { step, _ in step == 0 ? .suspend(until: wakeAt) : .end() })])
      #expect(sink.ends(2).map(\.outcome) == [.succeeded, .succeeded])
      #expect(events.wait(for: .workersRestored))
    }
  }

  @Test("a pool with too many stuck threads is whole again when enough have returned")
  func stuck() {
    let events = Events()
    withPool(workers: 1, { $0.stuckThreads = 0 }, onEvent: events.note) { pool, sink, _ in
      let gate = Gate()
      pool.submit([order(0) { _ in gate.wait() }])
      _ = sink.waitFor { $0.contains { $0.kind == .started } }
      #expect(pool.workerIsStuck(0, running: token(0)))
      #expect(events.all == [.replacementRefused(index: 0, run: token(0), stuck: 1)])
      gate.open()
      #expect(events.wait(for: .workersRestored))
      pool.submit([order(1) { _ in }])
      #expect(sink.ends(2).count == 2)
    }
  }
}
