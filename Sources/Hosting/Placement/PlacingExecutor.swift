internal import JobModel
internal import Synchronization

/// An executor of a host that shares a store with others: what it is given it runs itself, or has placed on another
/// host.
///
/// It serves two masters, the scheduler of this host and the one that leads a store of which this host is a member;
/// their runs are told apart by their tokens. Alone it hands everything on.
///
/// Threading: as `JobExecutor`.
final class PlacingExecutor: JobExecutor {
  /// Tokens of runs that this host has as a member have slots from here on: a scheduler never has so many runs.
  static let memberSlot = 1 << 30

  let name: String
  let inner: any JobExecutor
  private let number: Int
  private let dispatcher: PlacementDispatcher
  private let relay: ReportRelay

  init(_ name: String, _ inner: any JobExecutor, number: Int, _ dispatcher: PlacementDispatcher) {
    self.name = name
    self.inner = inner
    self.number = number
    self.dispatcher = dispatcher
    relay = ReportRelay(dispatcher, executor: number)
  }

  var workers: Int { inner.workers }

  /// For the scheduler of this host.
  func start(reportingTo sink: any RunReportSink) {
    relay.use(engine: sink)
    begin()
  }

  /// For what this host runs as a member; before or after the other one.
  func start(membersReportingTo sink: any RunReportSink) {
    relay.use(member: sink)
    begin()
  }

  private func begin() { if relay.isFirstStart() { inner.start(reportingTo: relay) } }

  func submit(_ orders: [RunOrder]) {
    guard dispatcher.mustLook(at: orders) else { return inner.submit(orders) }
    let own = dispatcher.take(orders, of: number)
    if !own.isEmpty { inner.submit(own) }
  }

  func cancel(_ token: RunToken) {
    inner.cancel(token)
    if token.slot < Self.memberSlot { dispatcher.cancel(token, of: number) }
  }

  func windDown() {
    dispatcher.windDown()
    inner.windDown()
  }

  /// Reports that others have made of the scheduler's runs.
  func tell(_ reports: [RunReport]) { relay.report(reports) }

  func stop() {
    dispatcher.stop()
    inner.stop()
  }
}

/// Hands the reports of one executor to those whose runs they are about.
final class ReportRelay: RunReportSink {
  private struct State {
    var engine: (any RunReportSink)?
    var member = WeakSink()
    var hasStarted = false
  }
  private struct WeakSink: Sendable { weak var sink: (any RunReportSink)? }

  private let state = Mutex(State())
  /// Whether there is anybody but the scheduler who wants to know.
  private let isShared = Atomic(false)
  private weak let dispatcher: PlacementDispatcher?
  private let executor: Int

  init(_ dispatcher: PlacementDispatcher, executor: Int) {
    self.dispatcher = dispatcher
    self.executor = executor
  }

  func use(engine sink: any RunReportSink) { state.withLock { $0.engine = sink } }
  func use(member sink: any RunReportSink) {
    state.withLock { $0.member.sink = sink }
    isShared.store(true, ordering: .sequentiallyConsistent)
  }

  func isFirstStart() -> Bool {
    state.withLock { state in
      defer { state.hasStarted = true }
      return !state.hasStarted
    }
  }

  func report(_ reports: [RunReport]) {
    let (engine, member) = state.withLock { ($0.engine, $0.member.sink) }
    var own = reports
    if isShared.load(ordering: .relaxed) {
      own = reports.filter { $0.token.slot < PlacingExecutor.memberSlot }
      if own.count < reports.count {
        member?.report(reports.filter { $0.token.slot >= PlacingExecutor.memberSlot })
      }
    }
    guard !own.isEmpty else { return }
    engine?.report(own)
    dispatcher?.heard(own)
  }
}
