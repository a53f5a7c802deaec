internal import Basics
internal import FileWatching
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading
internal import Synchronization

/// That a host is a member of each of its stores that several may name: from before it waits for one of them until it
/// ends.
///
/// Threading: any thread; what the stores tell comes on threads of theirs.
package final class HostMemberships: Sendable {
  /// What is known of one shared store.
  struct SharedStoreNews: Sendable {
    /// As the configuration calls the store.
    var store: String
    /// The members as they were at this host's last beat.
    var members: [StoreMember] = []
    var clockAhead: Int64 = 0
  }

  private struct State: Sendable {
    var stores: [String: SharedStoreNews] = [:]
    /// Stores in which this host is drained.
    var draining: Set<String> = []
    var memberships: [Membership] = []
    /// Told of the members of a store.
    var listener: (@Sendable ([StoreMember], String) -> Void)?
    /// What tells how many runs the host has; nil: it does not run yet.
    var engine: Engine?
    /// At the last beat.
    var runs = 0
    /// Runs of its scheduler that others have, and runs that it has for others.
    var placed: (@Sendable () -> (elsewhere: Int, here: Int))?
    var ledger: ScriptLedger?
    /// The files as they were at the last beat before any were loaded.
    var snapshot = DirectorySnapshot.empty
  }

  /// With the name of its store, and how that is opened.
  typealias Membership = (name: String, membership: any StoreMembership, request: StoreRequest)

  /// The scheduler, whose end is not for this to wait for.
  private struct Engine: Sendable { weak let engine: (any SchedulerEngine)? }

  private let state = Mutex(State())
  /// As the others know it.
  package let name: String
  let labels: [String]
  private let directory: ScriptDirectory?
  private let health: HostHealth
  private let log: any HostLog
  /// Told when this host is drained, or is not any more.
  private let onDrain: @Sendable (Bool) -> Void

  /// Of a host that is not a member of anything yet.
  init(
    _ configuration: HostConfiguration, directory: ScriptDirectory?, health: HostHealth, log: any HostLog,
    onDrain: @escaping @Sendable (Bool) -> Void
  ) {
    name = Self.name(in: configuration)
    labels = configuration.node.labels
    self.directory = directory
    self.health = health
    self.log = log
    self.onDrain = onDrain
  }

  /// Asked at each beat; must be quick.
  func count(placed: @escaping @Sendable () -> (elsewhere: Int, here: Int)) {
    state.withLock { $0.placed = placed }
  }

  static func name(in configuration: HostConfiguration) -> String {
    configuration.node.name ?? ProcessPlace.machine
  }

  /// Becomes a member of every store that several hosts may name. Blocks on their servers.
  ///
  /// - Throws: one sentence; then it is a member of none.
  func join(
    _ configuration: HostConfiguration, _ kinds: StoreKinds, life: HostIdentity,
    executors: [(name: String, executor: any JobExecutor)]
  ) throws(HostError) {
    let identity = MemberIdentity(
      name: name, life: life.text, version: MoondialVersion.text, labels: labels,
      executors: executors.map { MemberIdentity.Executor(name: $0.name, workers: $0.executor.workers) })
    for store in defaultFirst(configuration.stores.keys) {
      let settings = configuration.stores[store]!
      guard let driver = kinds.driver(of: settings.address) as? any SharedStoreDriver else { continue }
      var request = StoreRequest(.scheduler)
      request.lease = settings.lease
      request.durability = settings.synchronous
      state.withLock { $0.stores[store] = SharedStoreNews(store: store) }
      let callbacks = MembershipCallbacks(
        report: { [weak self] in self?.report() ?? MemberReport() },
        heard: { [weak self] in self?.heard($0, store) })
      do throws(StoreError) {
        let membership = try driver.join(settings.address, request, as: identity, callbacks)
        state.withLock { $0.memberships.append((store, membership, request)) }
      } catch {
        leave()
        throw HostError("\(error)")
      }
    }
  }

  /// From now on it runs jobs.
  func use(_ engine: any SchedulerEngine, _ ledger: ScriptLedger) {
    state.withLock {
      $0.engine = Engine(engine: engine)
      $0.ledger = ledger
    }
  }

  /// What it reports has changed: the others are to hear of it now.
  func beat() { for (_, membership, _) in stations { membership.beat() } }

  var stations: [Membership] { state.withLock { $0.memberships } }

  /// From now on `listener` is told of the members of each store, at each beat and once at once.
  func tell(_ listener: @escaping @Sendable ([StoreMember], String) -> Void) {
    let stores = state.withLock { state in
      state.listener = listener
      return state.stores.values
    }
    for news in stores { listener(news.members, news.store) }
    beat()
  }

  /// It is a member of nothing any more. Blocks for a moment; twice is fine.
  func leave() {
    let memberships = state.withLock { state in
      defer { state.memberships = [] }
      state.listener = nil
      state.engine = nil
      return state.memberships
    }
    for (_, membership, _) in memberships { membership.leave() }
  }

  // MARK: What it reports

  private func report() -> MemberReport {
    let (engine, ledger, runs, placed) = state.withLock { ($0.engine?.engine, $0.ledger, $0.runs, $0.placed?()) }
    // The scheduler's thread answers when it comes to it: by the next beat.
    engine?.post(whenDurable: nil) { [weak self] core, _, _ in
      let totals = core.runTotals
      self?.state.withLock { $0.runs = totals.claimed + totals.running + totals.stuck }
    }
    var report = MemberReport()
    report.runs = max(0, runs - (placed?.elsewhere ?? 0)) + (placed?.here ?? 0)
    if let generation = ledger?.current {
      report.generation = generation.number.number
      report.scripts = generation.snapshot.fingerprint
    } else if let directory {
      let snapshot = directory.scan(after: state.withLock { $0.snapshot }).snapshot
      state.withLock { $0.snapshot = snapshot }
      report.scripts = snapshot.fingerprint
    }
    return report
  }

  // MARK: What it hears

  private func heard(_ news: MembershipNews, _ store: String) {
    switch news {
    case .members(let members):
      let listener = state.withLock { state in
        state.stores[store]?.members = members
        return state.listener
      }
      listener?(members, store)
      compareScripts(members, store)
    case .draining(let isDraining, let caller):
      drain(isDraining, by: caller, store)
    case .clockAhead(let nanoseconds):
      state.withLock { $0.stores[store]?.clockAhead = nanoseconds }
      guard nanoseconds != 0 else { return health.clear(.clock(store: store)) }
      health.set(.clock(store: store), Self.clockSentence(nanoseconds, store), .warn)
    case .unheard(let why):
      health.set(
        .membership(store: store), "the other hosts of store \"\(store)\" do not hear of this one: \(why)", .warn)
    case .nameTaken(let why):
      health.set(.membership(store: store), "this host is no member of store \"\(store)\" any more: \(why)")
    case .heardAgain: health.clear(.membership(store: store))
    }
  }

  static func clockSentence(_ ahead: Int64, _ store: String) -> String {
    "this machine's clock is \((abs(ahead) + 500_000_000) / 1_000_000_000) s \(ahead > 0 ? "ahead of" : "behind") the one of store "
      + "\"\(store)\": fire times are by this machine's, leases by the server's; set both by NTP"
  }

  private func drain(_ isDraining: Bool, by caller: String, _ store: String) {
    let (isNews, all) = state.withLock { state -> (Bool, Bool) in
      let before = !state.draining.isEmpty
      if isDraining { state.draining.insert(store) } else { state.draining.remove(store) }
      return (before == state.draining.isEmpty, !state.draining.isEmpty)
    }
    guard isNews else { return }
    log.write(
      .info,
      all
        ? "this host, \(name), is drained\(caller.isEmpty ? "" : " by \(caller)"): it gives up what it leads, and "
          + "leads nothing until `moondial nodes resume \(name)`, or until it is started again"
        : "this host, \(name), is not drained any more")
    onDrain(all)
  }

  /// Says which live hosts have other scripts than this one.
  private func compareScripts(_ members: [StoreMember], _ store: String) {
    guard let own = members.first(where: { $0.name == name }), !own.report.scripts.isEmpty else { return }
    let others = members.filter {
      $0.isAlive && $0.name != name && !$0.report.scripts.isEmpty && $0.report.scripts != own.report.scripts
    }
    guard !others.isEmpty else { return health.clear(.otherScripts(store: store)) }
    let names = others.prefix(5).map(\.name).joined(separator: ", ") + (others.count > 5 ? ", …" : "")
    health.set(
      .otherScripts(store: store),
      "\(others.count == 1 ? "host \(names) of store \"\(store)\" has" : "hosts \(names) of store \"\(store)\" have") "
        + "other scripts than this one (\(name)): bring the same files to all of them", .warn)
  }

  // MARK: Questions

  /// What is known of each shared store, by its name; no question to any.
  var stores: [SharedStoreNews] { state.withLock { $0.stores.values.sorted { $0.store < $1.store } } }
}

extension DirectorySnapshot {
  /// Names what scripts, modules and calendars there are, and what is in them: 16 hexadecimal digits, the same on every
  /// machine with the same files. The configuration does not count, which names the host itself. Empty: there are no
  /// files.
  var fingerprint: String {
    var text: [UInt8] = []
    for file in files {
      switch file.kind {
      case .configuration, .test: continue
      case .script, .module, .calendar: break
      }
      text += file.path.text.utf8
      text.append(0)
      if case .success(let content) = file.content { text += content.hash.bytes }
      text.append(0)
    }
    return text.isEmpty ? "" : String(ContentHash(of: text).description.prefix(16))
  }
}
