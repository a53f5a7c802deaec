internal import Basics
internal import Chronology
internal import ScriptRuntime
package import FileWatching
package import JobModel
package import Scheduling
package import ScriptLoading
internal import Synchronization

/// Loads a scripts directory, and follows its edits: every change is a new generation, swapped in as one.
///
///     let follower = ScriptFollower(session, retry: retry) { generation in service.reload(generation.jobs) }
///     try follower.start { generation in try service.start(generation.jobs) }
///     follower.rescanNow()      // SIGHUP: read everything again
///     follower.stop()
///
/// What is wrong with a script goes to the log with its file and line, and the script keeps its last good version. A
/// script that takes long to load does not hold up the others: they are swapped in without it, and it follows.
///
/// Threading: `start` and `stop` once each; `rescanNow` and `cancel` from any thread. `swap` is called on the watcher's
/// thread, or on the one for slow scripts, one at a time.
package final class ScriptFollower: Sendable {
  /// Asks the watcher to look at a half-saved file again: the session exists before its watcher does.
  package final class Retry: Sendable {
    private struct Reference: Sendable { weak var watcher: DirectoryWatcher? }
    private let reference = Mutex(Reference())
    package init() {}
    fileprivate func use(_ watcher: DirectoryWatcher) { reference.withLock { $0.watcher = watcher } }
    /// See `DirectoryWatcher.retryLater`.
    package func ask(_ file: ScriptFile) -> Bool { reference.withLock { $0.watcher }?.retryLater(file) ?? false }
  }

  /// The session and the generation that it loaded last.
  private final class Loading: @unchecked Sendable {
    // `@unchecked`: used under the lock `tick`; `session.loader.cancel` is for any thread.
    let session: ScriptSession
    var generation: LoadedGeneration?
    init(_ session: ScriptSession) { self.session = session }
  }

  private let loading: Loading
  private let log: any HostLog
  private let swap: @Sendable (LoadedGeneration, _ previous: LoadedGeneration) -> SchedulerCore.Reconciliation
  private let slow: SlowLoads
  private let tell: @Sendable ([Event]) -> Void
  /// Held while a generation is made and put in force.
  private let tick = Mutex(())
  private let isCancelled = Atomic(false)
  private let watcher = Mutex<DirectoryWatcher?>(nil)
  /// While the host stands by.
  private let standby = Monitor(Standby())

  private struct Standby: Sendable {
    enum Phase: Sendable { case none, loading, following, over }
    var phase = Phase.none
    /// Takes what would be in force.
    var take: (@Sendable (LoadedGeneration) -> Void)?
  }
  /// Where orphans were declared.
  package let homes: JobHomes
  private let ledger: ScriptLedger
  private let keeper: ScriptKeeper

  /// - Parameters:
  ///   - session: configured; belongs to this object from now on.
  ///   - retry: what the session's loader asks.
  ///   - slow: what the session puts scripts aside for.
  ///   - health: is told when changes are noticed late or not at all.
  ///   - ledger: is told of each generation that is in force.
  ///   - tell: is told which scripts have errors, and which have none any more.
  ///   - swap: puts a generation in force after the one before it, and says what that changed.
  package init(
    _ session: sending ScriptSession, retry: Retry, slow: SlowLoads, health: HostHealth, ledger: ScriptLedger,
    tell: @escaping @Sendable ([Event]) -> Void,
    swap: @escaping @Sendable (LoadedGeneration, _ previous: LoadedGeneration) -> SchedulerCore.Reconciliation
  ) {
    log = session.log
    self.ledger = ledger
    self.slow = slow
    homes = JobHomes(session.archive)
    keeper = ScriptKeeper(session)
    self.swap = swap
    self.tell = tell
    let directory = session.directory
    loading = Loading(session)
    let log = log
    let watcher = DirectoryWatcher(
      directory,
      onNotice: { notice in
        switch notice {
        case .polling, .blind: return health.set(.watching, notice.description, .warn)
        case .watching, .seeing: return health.clear(.watching)
        case .overflow: break
        }
        log.write(notice.isWarning ? .warn : .debug, notice.description)
      },
      onChange: { [weak self] in self?.reload($0) })
    retry.use(watcher)
    self.watcher.withLock { $0 = watcher }
  }

  /// Loads what is there, hands it to `first`, and begins to watch; what was loaded while the host stood by is handed
  /// over as it is. Blocks on the disk, and while scripts are evaluated.
  ///
  /// - Parameter announce: told of what was loaded before the log speaks of what is wrong with it.
  /// - Throws: what `first` throws; then nothing is watched.
  @discardableResult
  package func start(
    announcing announce: (LoadedGeneration) -> Void = { _ in }, _ first: (LoadedGeneration) throws -> Void
  ) throws -> LoadedGeneration {
    let isFollowing = standby.wait { state -> Bool? in
      if state.phase == .loading { return nil }
      defer { state.phase = .over }
      return state.phase == .following
    }
    guard isFollowing != true else {
      return try promote { generation in
        announce(generation)
        try first(generation)
      }
    }
    return try load(announcing: announce) { generation in
      try first(generation)
      ledger.put(generation, nil, at: log.now)
      tell(generation.scriptEvents(since: nil))
    }
  }

  /// Of a host that stands by: loads what is there, hands it to `take`, and each generation that follows; nothing of it
  /// is in force before `start`. Blocks on the disk, and while scripts are evaluated.
  func follow(_ take: @escaping @Sendable (LoadedGeneration) -> Void) throws {
    let isFirst = standby.change { state in
      guard state.phase == .none else { return false }
      state.phase = .loading
      state.take = take
      return true
    }
    guard isFirst else { return }
    do {
      try load(announcing: { _ in }, take)
      standby.change { $0.phase = .following }
    } catch {
      standby.change { $0.phase = .over }
      throw error
    }
  }

  private func promote(_ first: (LoadedGeneration) throws -> Void) throws -> LoadedGeneration {
    try tick.withLock { _ in
      guard let generation = loading.generation else { preconditionFailure("who follows has loaded") }
      standby.change { $0.take = nil }
      try first(generation)
      ledger.put(generation, nil, at: log.now)
      tell(generation.scriptEvents(since: nil))
      return generation
    }
  }

  @discardableResult
  private func load(
    announcing announce: (LoadedGeneration) -> Void, _ first: (LoadedGeneration) throws -> Void
  ) throws -> LoadedGeneration {
    guard let watcher = watcher.withLock({ $0 }) else { preconditionFailure("scripts are followed once") }
    try slow.start { [weak self] in self?.join($0) }
    var loaded: LoadedGeneration?
    // The watcher's thread begins when this closure has ended: from then on the loading is its own.
    try watcher.start { snapshot in
      try tick.withLock { _ in
        let generation = loading.session.load(snapshot)
        if isCancelled.load(ordering: .sequentiallyConsistent) {
          throw HostError("it was stopped while it was loading")
        }
        loading.generation = generation
        loaded = generation
        announce(generation)
        for problem in generation.problems { show(problem) }
        homes.follow(generation, after: nil)
        try first(generation)
        keeper.keepFirst(generation)
        SpareMemory.release()
      }
    }
    guard let loaded else { preconditionFailure("a watcher loads before it has started") }
    return loaded
  }

  /// Reads every file again, and the time zones. Does not block.
  package func rescanNow() { watcher.withLock { $0 }?.rescanNow() }

  /// Ends what is being loaded: no generation is swapped in any more. Does not block.
  package func cancel() {
    isCancelled.store(true, ordering: .sequentiallyConsistent)
    loading.session.loader.cancel()
    slow.cancel()
    keeper.cancel()
  }

  /// When it returns, nothing is reloaded any more. Twice is fine; not from `swap`.
  package func stop() {
    cancel()
    watcher.withLock { $0 }?.stop()
    slow.stop()
    keeper.stop()
  }

  /// On the watcher's thread: a new generation, swapped in as one.
  private func reload(_ change: DirectoryChange) { tick.withLock { _ in load(change) } }

  private func load(_ change: DirectoryChange) {
    let session = loading.session
    guard let previous = loading.generation else { return }
    if change.changes.contains(.configuration) || change.isRequested { reloadConfiguration(change.snapshot) }
    let zones = change.isRequested ? session.zones.reload() : []
    if !zones.isEmpty { log.write(.info, "time zone data changed on disk: \(zones.joined(separator: ", "))") }
    // New zone data reaches the triggers only when they are built anew.
    let generation = session.load(
      change.snapshot, after: previous, changes: change.changes, everything: !zones.isEmpty)
    put(generation, after: previous, isRequested: change.isRequested)
  }

  /// On the thread for slow scripts: one of them joins the others.
  private func join(_ script: SlowScript) {
    tick.withLock { _ in
      guard let previous = loading.generation else { return }
      let generation = loading.session.load(previous.snapshot, after: previous, finished: script)
      put(generation, after: previous, isRequested: false)
    }
  }

  private func put(_ generation: LoadedGeneration, after previous: LoadedGeneration, isRequested: Bool) {
    if isCancelled.load(ordering: .sequentiallyConsistent) { return }
    loading.generation = generation
    for problem in generation.freshProblems(since: previous) { show(problem) }
    let known = Set(previous.scripts.map { ObjectIdentifier($0.evaluation) })
    for script in generation.scripts where !known.contains(ObjectIdentifier(script.evaluation)) {
      // What is from before the host started says so itself.
      guard script.status == .stale, script.restored == nil else { continue }
      log.write(
        .info, "\(script.path.text): it stays as it was until it can be loaded (\(counted(script.jobs.count, "job")))")
    }
    homes.follow(generation, after: previous)
    let result = swap(generation, previous)
    if let take = standby.withLock({ $0.take }) {
      take(generation)
    } else {
      ledger.put(generation, result, at: log.now)
      if isRequested { ledger.rescanned() }
      tell(generation.scriptEvents(since: previous))
    }
    keeper.keep(generation)
    SpareMemory.release()
    let parts = [
      result.added > 0 ? "\(result.added) added" : nil, result.changed > 0 ? "\(result.changed) changed" : nil,
      result.orphaned > 0 ? "\(result.orphaned) removed" : nil,
    ].compactMap { $0 }
    if !parts.isEmpty || isRequested {
      log.write(
        .info,
        "reloaded (generation \(generation.number.number)): \(parts.isEmpty ? "nothing changed" : parts.joined(separator: ", "))"
      )
    }
  }

  private func reloadConfiguration(_ snapshot: DirectorySnapshot) {
    let session = loading.session
    let before = session.configuration
    do throws(HostError) {
      try session.configure(snapshot)
    } catch {
      let failure = "\(error.message); the configuration stays as it was"
      ledger.noteConfiguration(failure)
      return log.write(.error, failure)
    }
    ledger.noteConfiguration(nil)
    let after = session.configuration
    let late = after.settingsNeedingRestart(from: before)
    if !late.isEmpty { log.write(.warn, "moondial.lua: \(late.joined(separator: ", ")): needs restart") }
  }

  private func show(_ problem: ScriptProblem) {
    log.write(problem.severity == .error ? .error : .warn, problem.description)
  }
}
