internal import Chronology
internal import Executors
internal import JobModel
internal import Synchronization

/// Runs Swift closures when it is told to work: blocking ones on the thread that says so, async ones as tasks.
///
/// Orders wait until then, so that no job runs inside a tick of the scheduler, and every job may ask the scheduler
/// anything.
final class ManualExecutor: JobExecutor {
  private struct State: Sendable {
    var queue: [RunOrder] = []
    var outstanding: Set<RunToken> = []
    var isStopped = false
  }
  private let inner: InlineExecutor
  private let state = Mutex(State())
  private let proxy = Mutex<Proxy?>(nil)

  private let followers: ClockFollowers

  init(_ clock: SimulatedClock, followers: ClockFollowers) {
    self.followers = followers
    inner = InlineExecutor(ClosureRunner(clock: clock.monotonic), wallClock: clock, monotonicClock: clock.monotonic)
  }

  /// As many as there are orders.
  var workers: Int { 64 }
  /// Begun runs that have not ended.
  var outstanding: Int { state.withLock { $0.outstanding.count } }
  var hasWork: Bool { state.withLock { !$0.queue.isEmpty } }
  /// When a timeout ends next.
  var nextWake: Int64? { inner.nextWake }

  func start(reportingTo sink: any RunReportSink) {
    let proxy = Proxy(sink) { [weak self] token in
      self?.state.withLock { _ = $0.outstanding.remove(token) }
      self?.followers.note()
    }
    self.proxy.withLock { $0 = proxy }
    inner.start(reportingTo: proxy)
  }

  func submit(_ orders: [RunOrder]) {
    let isStopped = state.withLock { state in
      if !state.isStopped { state.queue += orders }
      return state.isStopped
    }
    // The inner one reports them as interrupted.
    if isStopped { inner.submit(orders) }
  }

  /// Begins what was ordered. False when that was nothing.
  func work() -> Bool {
    let orders = state.withLock { state in
      defer { state.queue = [] }
      for order in state.queue { state.outstanding.insert(order.token) }
      return state.queue
    }
    inner.submit(orders)
    return !orders.isEmpty
  }

  /// Ends what is beyond its timeout.
  func advance() { inner.advance() }

  func cancel(_ token: RunToken) {
    let order = state.withLock { state -> RunOrder? in
      guard let index = state.queue.firstIndex(where: { $0.token == token }) else { return nil }
      return state.queue.remove(at: index)
    }
    guard order != nil else { return inner.cancel(token) }
    proxy.withLock { $0 }?.report([RunReport(token: token, kind: .ended, outcome: .cancelled, startedAt: .epoch)])
  }

  func stop() {
    let orders = state.withLock { state in
      state.isStopped = true
      defer { state.queue = [] }
      return state.queue
    }
    inner.stop()
    inner.submit(orders)
  }

  /// Passes reports on, and sees which runs end.
  private final class Proxy: RunReportSink {
    private let sink: any RunReportSink
    private let ended: @Sendable (RunToken) -> Void

    init(_ sink: any RunReportSink, ended: @escaping @Sendable (RunToken) -> Void) {
      self.sink = sink
      self.ended = ended
    }

    func report(_ reports: [RunReport]) {
      // In this order: a run that is not counted any more has been heard of.
      sink.report(reports)
      for report in reports where report.kind == .ended || report.kind == .late { ended(report.token) }
    }
  }
}
