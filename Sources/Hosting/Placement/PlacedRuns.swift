internal import Basics
internal import Chronology
internal import JobModel
internal import ScriptLoading
internal import Synchronization

/// What this host runs for the leaders of its stores: it begins what it is given if it has the same job, says what
/// becomes of it, and ends it when it is told to, or when the others may believe that this host has gone.
///
/// It goes on for what it has when the host itself comes to lead.
///
/// Threading: any thread.
final class PlacedRuns: RunReportSink {
  private struct Given: Sendable {
    var key: PlacementKey
    var run: RunID
    var store: String
    var executor: String
    /// Why this host ends it by itself.
    var endedFor: String?
  }

  private struct StoreKey: Hashable, Sendable {
    var store: String
    var key: PlacementKey
  }

  private struct State: Sendable {
    /// By name; nil: none were loaded yet.
    var jobs: [String: JobDefinition]?
    var scripts = ""
    var reaches = JobReaches()
    var stations: [(name: String, station: any RunStation)] = []
    var runs: [RunToken: Given] = [:]
    var tokens: [StoreKey: RunToken] = [:]
    var lastToken: UInt32 = 0
    /// Stores that gave this host up, until nothing runs any more of what it had.
    var fenced: Set<String> = []
    /// Stores that may not hear that this host lives: what it begins there it might not end in time.
    var doubtful: Set<String> = []
    var isStopping = false
  }

  private let state = Monitor(State())
  private let executors: [PlacingExecutor]
  private let name: String
  private let log: any HostLog

  init(_ name: String, _ executors: [PlacingExecutor], log: any HostLog) {
    self.name = name
    self.executors = executors
    self.log = log
  }

  /// Runs that it has.
  var count: Int { state.withLock { $0.runs.count } }

  /// The stores of what it runs, by the names that this host has for them.
  var stores: [(name: String, store: any JobStore)] {
    state.withLock { $0.stations.map { ($0.name, $0.station.store) } }
  }

  // MARK: Life

  /// Opens a station in each store that has them. Blocks on their servers.
  func open(_ memberships: [(name: String, membership: any StoreMembership, request: StoreRequest)])
    throws(StoreError)
  {
    for executor in executors { executor.start(membersReportingTo: self) }
    for (name, membership, request) in memberships {
      let callbacks = StationCallbacks(
        given: { [weak self] in self?.take($0, of: name) },
        cancelled: { [weak self] in self?.cancel($0, of: name) },
        changed: { [weak self] in self?.changed($0, of: name) })
      guard let station = try membership.openStation(request, callbacks) else { continue }
      state.withLock { $0.stations.append((name, station)) }
    }
  }

  /// The jobs that this host has from now on; with the first it takes runs.
  func use(_ jobs: [JobDefinition], scripts: String) {
    let stations = state.withLock { state -> [any RunStation] in
      state.jobs = Dictionary(jobs.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
      state.scripts = scripts
      return state.isStopping ? [] : state.stations.map(\.station)
    }
    for station in stations { station.take(true) }
  }

  /// It is given nothing more: the host leads now, or ends.
  func takeNothingMore() {
    let stations = state.withLock { state in
      state.isStopping = true
      return state.stations.map(\.station)
    }
    for station in stations { station.take(false) }
  }

  /// Waits up to `grace` nanoseconds for what runs, ends the rest as lost to this host, and says so. Blocks until then;
  /// twice is fine.
  func stop(grace: Int64) {
    takeNothingMore()
    let (deadline, overflow) = monotonicNow().addingReportingOverflow(max(0, grace))
    _ = state.wait(until: overflow ? .max : deadline) { $0.runs.isEmpty ? true : nil }
    end("it was stopped") { _ in true }
    _ = state.wait(until: monotonicNow() + 1_000_000_000) { $0.runs.isEmpty ? true : nil }
    let stations = state.withLock { state -> [any RunStation] in
      defer { state.stations = [] }
      return state.stations.map(\.station)
    }
    for station in stations { station.close() }
  }

  // MARK: What it is given

  private func take(_ placements: [RunPlacement], of store: String) {
    for placement in placements {
      switch judge(placement, of: store) {
      case .success(let (executor, order)?):
        executor.inner.submit([order])
        // Whoever wanted its end meanwhile has asked an executor that did not know it yet.
        if isEnding(order.token) { executor.inner.cancel(order.token) }
      case .success(nil): break
      case .failure(let refusal):
        report(
          [
            PlacementReport(
              key: placement.key, run: placement.run, node: name, state: .declined,
              message: refusal.message.bytes)
          ], to: store)
      }
    }
  }

  private func isEnding(_ token: RunToken) -> Bool { state.withLock { $0.runs[token]?.endedFor != nil } }

  private struct Refused: Error { var message: PlacedRefusal }

  /// - Returns: nil when it has it already.
  private func judge(
    _ placement: RunPlacement, of store: String
  ) -> Result<(PlacingExecutor, RunOrder)?, Refused> {
    state.withLock { state -> Result<(PlacingExecutor, RunOrder)?, Refused> in
      func refused(_ why: String) -> Result<(PlacingExecutor, RunOrder)?, Refused> {
        .failure(Refused(message: PlacedRefusal(why: why, scripts: state.scripts)))
      }
      let known = StoreKey(store: store, key: placement.key)
      if state.tokens[known] != nil { return .success(nil) }
      if state.isStopping {
        return .failure(Refused(message: PlacedRefusal(why: "is being stopped, or leads itself")))
      }
      if state.doubtful.contains(store) {
        return .failure(Refused(message: PlacedRefusal(why: "cannot say that it lives")))
      }
      guard let jobs = state.jobs else {
        return .failure(Refused(message: PlacedRefusal(why: "is still loading its scripts")))
      }
      let instructions: RunInstructions
      do { instructions = try RunInstructions(placement.instructions) } catch {
        return refused("cannot read what it is told: \(error)")
      }
      guard let definition = jobs[placement.job] else {
        return refused("does not declare the job")
      }
      guard state.reaches.reach(of: definition).digest == instructions.digest else {
        return refused("has another version of the job")
      }
      if !instructions.scripts.isEmpty, instructions.scripts != state.scripts {
        return refused("has other files, and the job asks for modules while it runs")
      }
      guard let executor = executors.first(where: { $0.name == instructions.executor }) else {
        return refused("has no executor \"\(instructions.executor)\"")
      }
      state.lastToken &+= 1
      let token = RunToken(slot: PlacingExecutor.memberSlot, use: state.lastToken)
      state.runs[token] = Given(key: placement.key, run: placement.run, store: store, executor: executor.name)
      state.tokens[known] = token
      return .success((executor, instructions.order(token, placement, definition)))
    }
  }

  private func cancel(_ keys: [PlacementKey], of store: String) {
    let found = state.withLock { state in
      keys.compactMap { key -> (RunToken, String)? in
        guard let token = state.tokens[StoreKey(store: store, key: key)] else { return nil }
        return (token, state.runs[token]?.executor ?? "")
      }
    }
    for (token, executor) in found { executors.first { $0.name == executor }?.inner.cancel(token) }
  }

  // MARK: What becomes of it

  func report(_ reports: [RunReport]) {
    let told = state.withLock { state in
      var told: [String: [PlacementReport]] = [:]
      for report in reports where report.kind != .stuck && report.kind != .lost {
        guard let given = state.runs[report.token] else { continue }
        told[given.store, default: []].append(message(report, given))
      }
      return told
    }
    // First: who waits for the last run closes the stations.
    for (store, reports) in told { self.report(reports, to: store) }
    let renewed = state.change { state -> [any RunStation] in
      for report in reports where report.kind == .ended || report.kind == .late {
        guard let given = state.runs.removeValue(forKey: report.token) else { continue }
        state.tokens[StoreKey(store: given.store, key: given.key)] = nil
      }
      // What was given up has ended: it may have runs again.
      return state.fenced.filter { store in !state.runs.values.contains { $0.store == store } }.compactMap { store in
        state.fenced.remove(store)
        return state.stations.first { $0.name == store }?.station
      }
    }
    for station in renewed { station.renew() }
  }

  private func message(_ report: RunReport, _ given: Given) -> PlacementReport {
    var message = PlacementReport(key: given.key, run: given.run, node: name, state: .started)
    message.startedAt = report.kind == .late ? nil : report.startedAt
    guard report.kind != .started else { return message }
    if let why = given.endedFor, report.outcome == .cancelled || report.outcome == .interrupted {
      message.state = .lost
      message.message = PlacedRefusal(why: why).bytes
    } else {
      message.state = .ended
      message.message = PlacedEnding.bytes(report)
    }
    return message
  }

  private func report(_ reports: [PlacementReport], to store: String) {
    state.withLock { $0.stations.first { $0.name == store }?.station }?.report(reports)
  }

  // MARK: Its membership

  private func changed(_ change: StationChange, of store: String) {
    switch change {
    case .doubtful(let why):
      // First: what it is given from now on is not among those that are ended.
      state.withLock { _ = $0.doubtful.insert(store) }
      let count = end("it could not say that it lives, and its lease was about to end") { $0.store == store }
      if count > 0 {
        log.write(.error, "store \(why): \(counted(count, "run")) that this host had for the one that leads")
      }
    case .regained: state.withLock { _ = $0.doubtful.remove(store) }
    case .fenced(let why):
      let isIdle = state.withLock { state in
        let isIdle = !state.runs.values.contains { $0.store == store }
        if !isIdle { state.fenced.insert(store) }
        return isIdle
      }
      let count = end("it was given up for lost") { $0.store == store }
      log.write(.error, "store \(why)\(count > 0 ? "; \(counted(count, "run")) of it that went on here ended" : "")")
      if isIdle { state.withLock { $0.stations.first { $0.name == store }?.station }?.renew() }
    }
  }

  /// - Returns: how many were told to end.
  @discardableResult
  private func end(_ why: String, _ isMeant: (Given) -> Bool) -> Int {
    let found = state.withLock { state -> [(RunToken, String)] in
      var found: [(RunToken, String)] = []
      for (token, given) in state.runs where isMeant(given) {
        state.runs[token]?.endedFor = given.endedFor ?? why
        found.append((token, given.executor))
      }
      return found
    }
    for (token, executor) in found { executors.first { $0.name == executor }?.inner.cancel(token) }
    return found.count
  }
}
