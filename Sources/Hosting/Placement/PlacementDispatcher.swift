internal import Basics
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import ScriptLoading
internal import Synchronization

/// Has runs of shared stores executed by other members of theirs, as ``Placement`` decides: a placer for each store.
///
/// While no store has another member that takes runs, and no job asks for labels, nothing comes here. What is known to
/// be short stays (``LocalLoads/keeps(_:on:)``).
///
/// Threading: any thread.
final class PlacementDispatcher: Sendable {
  private struct State: Sendable {
    var placers: [String: StorePlacer] = [:]
    /// By number.
    var executors: [WeakExecutor] = []
    var isEnding = false
    var isStopped = false
  }
  private struct WeakExecutor: Sendable { weak let executor: PlacingExecutor? }

  private let state = Mutex(State())
  /// Whether a placer may place runs elsewhere, or has.
  private let isActive = Atomic(false)
  let name: String
  let labels: [String]
  let loads = LocalLoads()
  let lines = PlacedLines()

  init(name: String, labels: [String]) {
    self.name = name
    self.labels = labels
  }

  func use(_ executors: [PlacingExecutor]) {
    state.withLock { $0.executors = executors.map { WeakExecutor(executor: $0) } }
    loads.use(executors.map(\.workers))
  }

  func executor(_ number: Int) -> PlacingExecutor? {
    state.withLock { number < $0.executors.count ? $0.executors[number].executor : nil }
  }

  /// Numbers of executors by name.
  var executorNumbers: [String: Int] {
    let all = state.withLock { $0.executors.compactMap(\.executor) }
    return Dictionary(all.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Opens a placer for each store that places runs, and takes over what former leaders have placed. Blocks on the
  /// servers; for as long as other hosts need to end what nobody may adopt, or until ``hostEnds()``.
  func open(
    _ stores: [(name: String, store: any JobStore)], _ engine: any SchedulerEngine, clock: any WallClock,
    scripts: @escaping @Sendable () -> String, declared: @escaping @Sendable (String) -> JobDefinition?,
    log: any HostLog
  ) throws(HostError) {
    for (name, store) in stores {
      guard let store = store as? any PlacingStore else { continue }
      let placer = place(
        name, PlacementSource(store), engine, clock: clock, scripts: scripts, declared: declared, log: log)
      let isTaken: Bool
      do throws(StoreError) { isTaken = try placer.takeOver() } catch { throw HostError("\(error)") }
      guard isTaken else { throw HostError(.ended, "the host was told to end while it took over store \"\(name)\"") }
    }
  }

  /// A placer for one store, which has not begun.
  func place(
    _ name: String, _ source: PlacementSource, _ inbox: any SchedulerInbox, clock: any WallClock,
    monotonic: @escaping @Sendable () -> Int64 = { monotonicNow() }, scripts: @escaping @Sendable () -> String,
    declared: @escaping @Sendable (String) -> JobDefinition?, log: any HostLog
  ) -> StorePlacer {
    let placer = StorePlacer(
      name, source, self, inbox, clock: clock, monotonic: monotonic, scripts: scripts, declared: declared, log: log,
      activate: { [weak self] in self?.isActive.store(true, ordering: .sequentiallyConsistent) })
    let isEnding = state.withLock { state in
      state.placers[name] = placer
      return state.isEnding
    }
    if isEnding { placer.hostEnds() }
    return placer
  }

  private var placers: [StorePlacer] { state.withLock { Array($0.placers.values) } }
  private func placer(_ store: String) -> StorePlacer? { state.withLock { $0.placers[store] } }

  /// All jobs have been declared: what was placed of others ends.
  func startIsComplete() {
    for placer in placers { placer.post(.startIsComplete) }
    loads.startIsComplete()
  }

  func heard(_ members: [StoreMember], of store: String) { placer(store)?.post(.members(members)) }

  // MARK: What the executors ask

  func mustLook(at orders: [RunOrder]) -> Bool {
    isActive.load(ordering: .relaxed) || orders.contains { !$0.job.definition.onNodes.isEmpty }
  }

  /// - Returns: orders that are the host's own to run.
  func take(_ orders: [RunOrder], of executor: Int) -> [RunOrder] {
    let placers = state.withLock { $0.placers }
    var own: [RunOrder] = []
    var placed: [String: [RunOrder]] = [:]
    for order in orders {
      let store = order.context?.store ?? order.job.definition.store
      if placers[store] == nil || loads.keeps(order, on: executor) {
        own.append(order)
      } else {
        placed[store, default: []].append(order)
      }
    }
    for (store, orders) in placed { placers[store]?.post(.orders(orders, executor: executor)) }
    return own
  }

  func cancel(_ token: RunToken, of executor: Int) {
    // Nobody has placed or held anything.
    for placer in placers where placer.hasRuns { placer.post(.cancel(token, executor: executor)) }
  }

  /// What this host's executors say of its own runs.
  func heard(_ reports: [RunReport]) {
    guard loads.heard(reports) else { return }
    for placer in placers where placer.holdsRuns { placer.post(.look) }
  }

  /// The host is to end: it waits no longer for what others must end before it may begin. Does not block.
  func hostEnds() {
    let placers = state.withLock { state in
      state.isEnding = true
      return Array(state.placers.values)
    }
    for placer in placers { placer.hostEnds() }
  }

  /// What waits for a host that is not there waits no longer: this one ends.
  func windDown() { for placer in placers where placer.hasRuns { placer.post(.windDown) } }

  /// Asks the others to end what is still placed. Blocks for a moment; twice is fine.
  func stop() {
    let placers = state.withLock { state -> [StorePlacer] in
      defer { state.isStopped = true }
      return state.isStopped ? [] : Array(state.placers.values)
    }
    lines.stop()
    for placer in placers { placer.stop() }
  }

  /// Who reads `journal` is told, too, what runs on other hosts write. After `open`.
  func follow(_ stores: [(name: String, store: any JobStore)], _ journal: LineJournal, log: any HostLog) {
    let sources = stores.compactMap { name, store -> PlacedLines.Source? in
      guard let placer = placer(name), let store = store as? any PlacingStore else { return nil }
      return PlacedLines.Source(placer: placer, store: store)
    }
    lines.start(sources, journal, log: log)
  }

  /// Runs that other hosts have.
  var elsewhere: Int { placers.reduce(0) { $0 + $1.runsElsewhere } }

  /// Where a claimed run is, or why it is nowhere. nil: on this host.
  func whereabouts(of run: RunID) -> StorePlacerState.Whereabouts? {
    for placer in placers { if let found = placer.whereabouts(of: run) { return found } }
    return nil
  }
}
