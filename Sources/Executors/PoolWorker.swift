internal import Basics
internal import Chronology
internal import JobModel
internal import Synchronization

/// A worker as its pool sees it: the thread's own queue, what it runs now, and the reports that it has not delivered.
///
/// Everything that others may look at is in `local`, whose lock the worker takes once per step. Work comes into the
/// queue only while the pool's lock is held as well (order of locks: the pool's, then a worker's; two workers' never at
/// once). So a thread that holds the pool's lock sees each order in exactly one place.
final class PoolWorker: Sendable {
  /// The step that is on the worker.
  struct Current: Sendable {
    let token: RunToken
    let startedAt: Instant
    let began: Int64
    /// It is the first step, and nobody has reported the start yet.
    var needsStarted: Bool
  }

  enum ThreadState: Sendable {
    case works
    /// Its run could not be stopped: when it returns after all, that run ends as stuck, and the thread with it.
    case stuck
    /// The pool was stopped, and everything was reported: when it returns, nobody hears of it.
    case leftBehind
  }

  struct Local: Sendable {
    var queue = LocalQueue()
    var current: Current?
    var reports: [RunReport] = []
    /// When the first of `reports` was added.
    var oldestReport: Int64 = 0
    /// Another thread is handing over reports of this worker; whoever wants to hand over the next ones waits, because
    /// those of one run must arrive in order.
    var isDelivering = false
    var threadState = ThreadState.works

    mutating func report(_ report: RunReport, at now: Int64) {
      if reports.isEmpty { oldestReport = now }
      reports.append(report)
    }

    /// Adds that the run of a first step has started, unless that is known.
    mutating func reportStarted(at now: Int64) {
      guard let run = current, run.needsStarted else { return }
      report(RunReport(token: run.token, kind: .started, startedAt: run.startedAt), at: now)
      current?.needsStarted = false
    }

    /// Takes the reports out, leaving the (empty) array that was given for the next ones: no allocation per delivery.
    mutating func takeReports(into taken: inout [RunReport]) { swap(&reports, &taken) }
  }

  let face: StepWorker
  let local = Monitor(Local())
  /// `local.queue.count`, for those who look for work without the lock.
  let queued = Atomic<Int>(0)

  var index: Int { face.index }

  init(face: StepWorker) { self.face = face }

  /// Changes the queue and publishes its length.
  func withQueue<R>(_ body: (inout LocalQueue) -> R) -> R {
    local.withLock { state in
      let result = body(&state.queue)
      queued.store(state.queue.count, ordering: .relaxed)
      return result
    }
  }

  /// Hands over, from another thread, what `take` left in the reports. Nothing if `take` returns false.
  func deliver(to sink: any RunReportSink, _ take: (inout Local) -> Bool) {
    var reports: [RunReport] = []
    let isWanted = local.wait { state -> Bool? in
      guard !state.isDelivering else { return nil }
      guard take(&state), !state.reports.isEmpty else { return false }
      state.takeReports(into: &reports)
      state.isDelivering = true
      return true
    }
    guard isWanted == true else { return }
    sink.report(reports)
    local.withLock { $0.isDelivering = false }
    local.broadcast()
  }
}
