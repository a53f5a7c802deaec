internal import Chronology
internal import Hosting
package import JobModel
internal import Synchronization
internal import TestSupport

/// An executor without threads: every order gets a random delay, duration and outcome, and ends when the simulation's
/// clock says so. It knows nothing of limits, so it can witness that the scheduler keeps them.
package final class SimulatedExecutor: JobExecutor {
  private struct Attempt: Sendable {
    var order: RunOrder
    var startsAt: Int64
    var endsAt: Int64
    var outcome: Outcome
    var isStarted = false
    var isCancelled = false
    /// What its store has of its steps; nil: its job has none.
    var steps: [RunStep]?
    /// A step is with its store.
    var isStoring = false

    /// Each schedule counts its own instances.
    func isOfSameSchedule(as other: RunOrder) -> Bool {
      order.job.definition.name == other.job.definition.name && order.context?.schedule == other.context?.schedule
    }
  }
  private struct State: Sendable {
    var random: SeededGenerator
    var attempts: [Attempt] = []
    var sink: (any RunReportSink)?
    var violations: [String] = []
    var started = 0
    var submitted = 0
    var store: any JobStore
    var keeper: (any RunKeeper)?
    var isLeftBehind = false
  }

  private let state: Mutex<State>
  private let clock: SimulatedClock
  private let groups: [String: GroupLimit]
  private let rates: RateWitness
  let witness: StepWitness
  private let starts: StartWitness?
  /// What is true of runs, whatever this host can still read.
  private let truth: any JobStore
  package let workers: Int

  /// - Parameter rates: what earlier lives of the host have started.
  init(
    clock: SimulatedClock, seed: UInt64, store: any JobStore, groups: [String: GroupLimit] = [:],
    rates: RateWitness = RateWitness(), witness: StepWitness = StepWitness(), starts: StartWitness? = nil,
    workers: Int = 4
  ) {
    self.workers = workers
    self.starts = starts
    truth = store
    self.witness = witness
    self.clock = clock
    self.groups = groups
    self.rates = rates
    state = Mutex(State(random: SeededGenerator(seed), store: store))
  }

  package func start(reportingTo sink: any RunReportSink) { state.withLock { $0.sink = sink } }

  /// Keeps what runs with steps keep, as a host does.
  func use(_ keeper: any RunKeeper) { state.withLock { $0.keeper = keeper } }
  /// From now on the runs' steps are in another store, or behind another link to it.
  func use(store: any JobStore, _ keeper: any RunKeeper) {
    state.withLock { state in
      state.store = store
      state.keeper = keeper
    }
  }
  var store: any JobStore { state.withLock { $0.store } }

  package func submit(_ orders: [RunOrder]) {
    let now = clock.monotonic.now.nanoseconds
    let found = orders.map { order -> (known: [RunStep], violation: String?)? in
      guard (order.job.definition.payload as? SimulatedPayload)?.hasSteps == true else { return nil }
      let found = steps(of: order)
      // A host that has just woken up may hand over what another run goes on with by now.
      return (found.known, isGivenUp(order) ? nil : found.violation)
    }
    // Of a host that has just woken up these are about to end.
    let gone = Set(state.withLock { $0.attempts.map(\.order) }.filter(isGivenUp).map(\.token))
    state.withLock { state in
      state.submitted += orders.count
      for (order, found) in zip(orders, found) {
        if let violation = found?.violation { state.violations.append(violation) }
        if let violation = starts?.submitted(order, hasSteps: found != nil) { state.violations.append(violation) }
        if state.attempts.contains(where: { $0.order.token == order.token }) {
          state.violations.append("run \(order.id) was dispatched while its attempt goes on")
        }
        let delay = state.random.oneIn(4) ? state.random.number(0...5_000_000_000) : 0
        let length =
          state.random.oneIn(5) ? state.random.number(0...90_000_000_000) : state.random.number(0...900_000_000)
        let outcome: Outcome =
          state.random.oneIn(4) ? state.random.pick([.failed, .timedOut, .outOfMemory]) : .succeeded
        state.attempts.append(
          Attempt(
            order: order, startsAt: now + delay, endsAt: now + delay + length, outcome: outcome, steps: found?.known))
        let active = state.attempts.count { $0.isOfSameSchedule(as: order) && !gone.contains($0.order.token) }
        // A reload may have lowered the limit while runs of the old one go on; the simulation never does.
        if active > order.job.definition.maxInstances {
          state.violations.append("job \(order.job.definition.name) has \(active) instances, more than its limit")
        }
        if let group = order.job.definition.group, let limit = groups[group]?.max {
          let members = state.attempts.count {
            $0.order.job.definition.group == group && !gone.contains($0.order.token)
          }
          if members > limit { state.violations.append("group \(group) has \(members) runs, more than its limit") }
        }
      }
    }
  }

  /// Orders so far.
  var submitted: Int { state.withLock { $0.submitted } }

  package func cancel(_ token: RunToken) {
    let now = clock.monotonic.now.nanoseconds
    state.withLock { state in
      guard let index = state.attempts.firstIndex(where: { $0.order.token == token }) else { return }
      state.attempts[index].isCancelled = true
      state.attempts[index].endsAt = min(state.attempts[index].endsAt, now + 1_000_000)
      state.attempts[index].outcome = .cancelled
    }
  }

  /// Lets go of the scheduler too: each keeps the other, and a life of a host would stay in memory after its end.
  package func stop() {
    state.withLock { state in
      state.attempts.removeAll()
      state.sink = nil
      state.keeper = nil
    }
  }

  // MARK: The simulation's side

  /// When something happens here next, on the monotonic clock.
  package var nextEvent: Int64? {
    state.withLock {
      $0.attempts.filter { !$0.isStoring || $0.isCancelled }
        .map { $0.isStarted || $0.isCancelled ? $0.endsAt : $0.startsAt }.min()
    }
  }

  /// Reports what has started and ended by now.
  package func work() {
    let now = clock.monotonic.now.nanoseconds
    let wall = clock.now
    let (reports, steps, sink, started) = state.withLock { state in
      let span = state.random.number(0...900_000_000_000)
      var reports: [RunReport] = []
      var started: [RunOrder] = []
      var steps: [(order: RunOrder, step: RunStep)] = []
      // A host that was stopped begins later than it was to.
      for index in state.attempts.indices where !state.attempts[index].isStarted && state.attempts[index].startsAt < now
      {
        state.attempts[index].startsAt = now
        state.attempts[index].endsAt = max(state.attempts[index].endsAt, now)
      }
      state.attempts.removeAll { attempt in
        // One that is cancelled ends without what its store will say.
        if attempt.isStoring, !attempt.isCancelled { return false }
        if !attempt.isStarted, attempt.startsAt <= now, !attempt.isCancelled {
          if let limit = attempt.order.startBefore, wall > limit {
            reports.append(RunReport(token: attempt.order.token, kind: .late, startedAt: wall))
            return true
          }
          reports.append(RunReport(token: attempt.order.token, kind: .started, startedAt: wall))
          started.append(attempt.order)
        }
        guard attempt.endsAt <= now else { return false }
        if let known = attempt.steps, attempt.outcome == .succeeded, !attempt.isCancelled,
          let step = Self.nextStep(of: attempt.order, after: known, at: wall, waiting: span)
        {
          if step.kind == .step || step.kind == .transaction {
            steps.append((attempt.order, step))
            return false
          }
          reports.append(
            RunReport(
              token: attempt.order.token, kind: .ended, outcome: .cancelled, startedAt: wall, duration: 1,
              details: AttemptDetails(park: step)))
          return true
        }
        let length = attempt.isStarted || attempt.startsAt <= now ? max(1, attempt.endsAt - attempt.startsAt) : 0
        let hasOutbox = attempt.steps != nil && attempt.outcome == .succeeded && SimulatedLedger.has(attempt.order.job)
        reports.append(
          RunReport(
            token: attempt.order.token, kind: .ended, outcome: attempt.outcome, startedAt: wall,
            duration: attempt.isCancelled && !attempt.isStarted ? 0 : length,
            details: hasOutbox ? AttemptDetails(outbox: SimulatedLedger.outbox(of: attempt.order)) : nil))
        return true
      }
      for (order, _) in steps {
        if let index = state.attempts.firstIndex(where: { $0.order.token == order.token }) {
          state.attempts[index].isStoring = true
        }
      }
      for index in state.attempts.indices where state.attempts[index].startsAt <= now {
        state.attempts[index].isStarted = true
      }
      state.started += reports.count { $0.kind == .started }
      return (reports, steps, state.sink, started)
    }
    for order in started where !isGivenUp(order) {
      let broken = rates.started(order.job.definition, at: now, groups)
      state.withLock { $0.violations += broken }
    }
    for (order, step) in steps { keep(step, of: order) }
    if !reports.isEmpty { sink?.report(reports) }
  }

  /// While this host was frozen another one has begun to lead: all that this one's scheduler has claimed is given up.
  func leaveBehind() { state.withLock { $0.isLeftBehind = true } }

  /// Whether another host has taken the run for lost. One that was frozen may begin it all the same, in the moment in
  /// which it wakes up (docs/clustering.md): that is no start to anybody else.
  private func isGivenUp(_ order: RunOrder) -> Bool {
    guard starts != nil else { return false }
    if state.withLock({ $0.isLeftBehind }), order.token.slot < SteppedPlacement.memberSlot { return true }
    return (try? truth.runs(RunQuery(id: order.id, limit: 1)).first)?.outcome != nil
  }

  /// The run goes on when its step is durable, and fails when it is not.
  private func keep(_ step: RunStep, of order: RunOrder) {
    guard let keeper = state.withLock({ $0.keeper }) else { return }
    let done: @Sendable (Bool) -> Void = { [self] isDurable in
      if isDurable { witness.isDurable(step.position, of: order.id) }
      let now = clock.monotonic.now.nanoseconds
      state.withLock { state in
        guard let index = state.attempts.firstIndex(where: { $0.order.token == order.token }) else { return }
        state.attempts[index].isStoring = false
        state.attempts[index].endsAt = now + 1_000_000
        state.attempts[index].steps?.append(step)
        if !isDurable, !state.attempts[index].isCancelled { state.attempts[index].outcome = .failed }
      }
    }
    guard step.kind == .transaction else {
      return keeper.keep(step, of: order.job.definition.name) { done($0 == nil) }
    }
    let root = witness.root(of: order.id)
    do throws(StoreError) {
      let transaction = try SimulatedLedger.transaction(step, of: order, for: root, in: store, at: clock.now)
      keeper.commit(transaction, asking: [SimulatedLedger.operation(.transaction, root)]) { [self] answer in
        switch answer {
        case .committed: done(true)
        case .conflict, .failed: done(false)
        case .refused(let refusal):
          state.withLock { $0.violations.append("a transaction was refused: \(refusal.message)") }
          done(false)
        }
      }
    } catch { done(false) }
  }

  /// Invariants that the scheduler broke.
  package var violations: [String] { state.withLock { $0.violations } }
  /// Runs that are under way.
  package var running: Int { state.withLock { $0.attempts.count } }
  package var started: Int { state.withLock { $0.started } }
  /// What is under way: the job and the run of each attempt.
  var attempts: [(job: String, run: RunID)] {
    state.withLock { $0.attempts.map { ($0.order.job.definition.name, $0.order.id) } }
  }
}
