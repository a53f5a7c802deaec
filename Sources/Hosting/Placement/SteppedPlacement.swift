package import Chronology
package import JobModel
package import SchedulerService

/// Runs on other hosts, and for them, of one store and one executor, without a thread: a simulation says when it goes
/// on. It is wired of the same parts as a host's.
///
/// Threading: one thread.
package final class SteppedPlacement {
  private let dispatcher: PlacementDispatcher
  private let placing: PlacingExecutor
  private let runs: PlacedRuns
  private let monotonic: @Sendable () -> Int64
  private let clock: any WallClock
  private let log: any HostLog
  private var placer: StorePlacer?
  private var state: StorePlacerState?
  private var takeover: PlacementTakeover?
  private static let store = "default"
  /// Slots of runs that a host has for others are not below it.
  package static let memberSlot = PlacingExecutor.memberSlot

  /// - Parameters:
  ///   - node: the host's name.
  ///   - monotonic: nanoseconds.
  package init(
    node: String, labels: [String], executor: any JobExecutor, clock: any WallClock,
    monotonic: @escaping @Sendable () -> Int64, log: any HostLog
  ) {
    dispatcher = PlacementDispatcher(name: node, labels: labels)
    placing = PlacingExecutor("default", executor, number: 0, dispatcher)
    dispatcher.use([placing])
    runs = PlacedRuns(node, [placing], log: log)
    self.clock = clock
    self.monotonic = monotonic
    self.log = log
  }

  /// What the scheduler of this host is given.
  package var executor: any JobExecutor { placing }

  // MARK: As a member

  package func open(_ membership: any StoreMembership) throws(StoreError) {
    try runs.open([(Self.store, membership, StoreRequest(.scheduler))])
  }

  package func use(_ jobs: [JobDefinition], scripts: String) { runs.use(jobs, scripts: scripts) }

  /// Runs that it has for others.
  package var given: Int { runs.count }

  // MARK: As the leader

  /// Begins to take over what leaders before it have placed.
  ///
  /// - Parameter declared: the version of a job that this host declares at the moment.
  package func lead(
    _ source: PlacementSource, _ inbox: any SchedulerInbox, scripts: @escaping @Sendable () -> String,
    declared: @escaping @Sendable (String) -> JobDefinition?
  ) throws(StoreError) {
    runs.takeNothingMore()
    let placer = dispatcher.place(
      Self.store, source, inbox, clock: clock, monotonic: monotonic, scripts: scripts,
      declared: declared, log: log)
    self.placer = placer
    guard var state = placer.takeState() else { return }
    takeover = try placer.begin(&state)
    self.state = state
  }

  /// - Returns: whether what it has taken over lets it begin.
  package func takeOver() throws(StoreError) -> Bool {
    guard let placer, var takeover, var state else { return true }
    defer { (self.takeover, self.state) = (takeover, state) }
    guard try placer.look(&takeover, &state) else { return false }
    return true
  }

  package func startIsComplete() { dispatcher.startIsComplete() }
  package func heard(_ members: [StoreMember]) { dispatcher.heard(members, of: Self.store) }
  package func windDown() { dispatcher.windDown() }

  /// Does what there is to do now.
  package func step() {
    guard var state else { return }
    self.state = nil
    placer?.step(&state)
    self.state = state
  }

  /// When there is something to do without a message. Monotonic nanoseconds.
  package var nextEvent: Int64? {
    guard let state, let placer else { return nil }
    if placer.hasMessages { return monotonic() }
    return state.dueAt == .max ? nil : state.dueAt
  }

  /// Runs that wait for a host, and that others have.
  package var counts: (held: Int, away: Int) { (state?.held.count ?? 0, state?.away.count ?? 0) }

  /// What it still remembers of runs; empty when there are none.
  package var memories: String {
    guard let state else { return "" }
    let counts: [(name: String, count: Int)] = [
      ("held", state.held.count), ("away", state.away.count), ("keys", state.keys.count),
      ("adopted", state.adopted.count),
      ("abandoned", state.abandoned.count), ("leaving", state.leaving.count),
      ("awaiting durable", state.awaitingDurable.count),
      ("to place", state.toPlace.count),
      ("to cancel", state.toCancel.count), ("to settle", state.toSettle.count), ("unsettled", state.unsettled.count),
      ("here", dispatcher.loads.count), ("given", runs.count),
    ]
    let found = counts.filter { $0.count > 0 }
    return found.map { "\($0.count) \($0.name)" }.joined(separator: ", ")
  }

  /// It leads no more in good order: the others end what they have of it.
  package func close() {
    state?.close()
    (state, placer) = (nil, nil)
  }
}
