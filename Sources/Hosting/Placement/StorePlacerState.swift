internal import Basics
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import ScriptLoading

/// What a placer knows and does: where each run is, and what members have said. Owned by one thread, which it blocks on
/// the store.
struct StorePlacerState: Sendable {
  typealias Post = @Sendable (StorePlacer.Message) -> Void

  /// A run that waits for a host.
  struct Held: Sendable {
    var order: RunOrder
    var executor: Int
    /// nil: nobody has looked for one yet.
    var why: Wait?
  }

  /// For what a run waits.
  enum Wait: Sendable, Equatable {
    /// Hosts that may run it have no room for it.
    case room
    /// No host that is up may run it: for each its name with why.
    case nobody([String])

    /// A clause.
    var words: String {
      switch self {
      case .room: "it waits for a free worker of a host that may run it"
      case .nobody(let why): "it waits, for no host may run it: \(why.joined(separator: "; "))"
      }
    }
  }

  /// A run that a member has, or is being given.
  struct Away: Sendable {
    var order: RunOrder
    var executor: Int
    var executorName: String
    var node: String
    /// Whether the store knows.
    var isPlaced = false
    var hasBegun = false
    /// The scheduler has asked for its end. It asks once.
    var mustEnd = false
  }

  struct Refusal: Sendable {
    var life: String
    var scripts: String
    var digest: String
    var why: String
    /// Monotonic nanoseconds.
    var until: Int64
    /// It holds until the member has other files.
    var isOfFiles: Bool { until == .max }
  }
  struct RefusalKey: Hashable, Sendable {
    var node: String
    var job: String
  }

  let name: String
  let source: PlacementSource
  let dispatcher: PlacementDispatcher
  let engine: any SchedulerInbox
  let clock: any WallClock
  /// Nanoseconds.
  let monotonic: @Sendable () -> Int64
  /// Names the files of this host's scripts.
  let scripts: @Sendable () -> String
  /// A job as this host declares it now.
  let declared: @Sendable (String) -> JobDefinition?
  let activate: @Sendable () -> Void
  var mailbox: (any RunMailbox)?
  var members: [StoreMember] = []
  var reaches = JobReaches()
  var held: [Held] = []
  var away: [PlacementKey: Away] = [:]
  var keys: [RunToken: PlacementKey] = [:]
  /// Of leaders before this one, until the scheduler hands over their orders.
  var adopted: [RunID: PlacementReport] = [:]
  /// What other leaders have placed and no job of this host asks for: told to end, and listened for until it has.
  var abandoned: [RunID: PlacementReport] = [:]
  /// Those of them that are over, until the scheduler has recorded that: it may ask for one while it has not.
  var leaving: [RunID: PlacementReport] = [:]
  /// Those whose end the scheduler was told, until it is durable: they may be heard of again meanwhile.
  var awaitingDurable: Set<PlacementKey> = []
  var refusals: [RefusalKey: Refusal] = [:]
  var loads: [String: [String: Placement.Room]] = [:]
  var toPlace: [PlacementKey] = []
  var toCancel: Set<PlacementKey> = []
  var toSettle: [PlacementKey] = []
  /// Whose end was not durable when it was asked last, and when it is asked again.
  var unsettled: [PlacementKey] = []
  var settleAt = Int64.max
  var lastNumber: Int64 = 0
  var retryAt = Int64.max
  /// From when on runs may be asked for anew under newer versions of their jobs.
  var renewAt = Int64.min
  var isLost = false
  /// The host ends.
  var isWindingDown = false
  /// What people are told of runs, as far as it has changed; nil: nothing any more.
  var newWords: [RunID: Whereabouts?] = [:]

  /// Runs that have begun on other hosts since it was asked, each with a number below those of the lines that it has
  /// written since then; nil: it may have written some before.
  var fresh: [RunID: Int64?] = [:]

  /// Where a run is that is not on this host.
  struct Whereabouts: Sendable, Equatable {
    /// A clause.
    var words: String
    /// The host that has it; nil: it waits for one.
    var node: String?
  }

  init(
    _ name: String, _ source: PlacementSource, _ dispatcher: PlacementDispatcher, _ engine: any SchedulerInbox,
    clock: any WallClock, monotonic: @escaping @Sendable () -> Int64 = { monotonicNow() },
    scripts: @escaping @Sendable () -> String, declared: @escaping @Sendable (String) -> JobDefinition?,
    activate: @escaping @Sendable () -> Void
  ) {
    self.declared = declared
    self.name = name
    self.source = source
    self.monotonic = monotonic
    self.dispatcher = dispatcher
    self.engine = engine
    self.clock = clock
    self.scripts = scripts
    self.activate = activate
  }

  var holds: Bool { !held.isEmpty }
  var runsElsewhere: Int { away.count }

  /// When there is something to do without a message. Monotonic nanoseconds.
  var dueAt: Int64 { held.isEmpty ? retryAt : min(retryAt, monotonic() + Self.pace) }

  /// Nanoseconds between two looks at what waits: it may be too late by now, and refusals pass.
  static let pace: Int64 = 1_000_000_000
  static let retryPause: Int64 = 250_000_000

  // MARK: Messages

  mutating func adopt(_ found: [PlacementReport]) {
    for report in found {
      // The latest of a run counts: the one before it was over before it was made.
      if report.state == .declined {
        toSettle.append(report.key)
      } else if let former = adopted.updateValue(report, forKey: report.run) {
        toSettle.append(former.key)
      }
    }
    if !adopted.isEmpty { activate() }
  }

  mutating func openMailbox(_ heard: @escaping @Sendable ([PlacementReport]) -> Void) throws(StoreError)
    -> any RunMailbox
  {
    if let mailbox { return mailbox }
    let made = try source.open(heard)
    mailbox = made
    return made
  }

  mutating func take(_ message: StorePlacer.Message, _ post: @escaping Post) {
    switch message {
    case .orders(let orders, let executor):
      for order in orders where !bind(order, executor, post) { held.append(Held(order: order, executor: executor)) }
    case .cancel(let token, let executor): cancel(token, executor)
    case .members(let found): heard(found)
    case .heard(let reports): heard(reports, post)
    case .durable(let keys, let error):
      if error == nil {
        awaitingDurable.subtract(keys)
        toSettle += keys
      } else {
        unsettled += keys
        settleAt = monotonic() + Self.retryPause
      }
    case .left(let report, let error):
      // The job was declared meanwhile: it is a run of this host's again, and ends as one.
      guard leaving[report.run]?.key == report.key else { return }
      leaving[report.run] = nil
      take(.durable([report.key], error), post)
    case .startIsComplete:
      // Their jobs are not declared here. Their rows wait for their ends: until then they may keep steps.
      let found = adopted.values.sorted { $0.run < $1.run }
      adopted = [:]
      for report in found where !report.state.isOver {
        abandoned[report.run] = report
        toCancel.insert(report.key)
      }
      for report in found where report.state.isOver { leave(report, post) }
    case .windDown: isWindingDown = true
    case .look: break
    }
  }

  /// A run that a leader before this one has placed goes on where it is.
  private mutating func bind(_ order: RunOrder, _ executor: Int, _ post: @escaping Post) -> Bool {
    let left = abandoned.removeValue(forKey: order.id) ?? leaving.removeValue(forKey: order.id)
    guard let report = adopted.removeValue(forKey: order.id) ?? left else { return false }
    put(
      Away(
        order: order, executor: executor, executorName: order.job.definition.executor, node: report.node,
        isPlaced: true, mustEnd: left != nil), at: report.key)
    heard([report], post)
    if fresh[order.id] != nil { fresh.updateValue(nil, forKey: order.id) }
    return true
  }

  mutating func put(_ run: Away, at key: PlacementKey) {
    away[key] = run
    keys[run.order.token] = key
    change(run) { $0.waiting += 1 }
    newWords[run.order.id] = .some(Whereabouts(words: "on host \(run.node)", node: run.node))
  }

  @discardableResult
  mutating func remove(_ key: PlacementKey) -> Away? {
    guard let run = away.removeValue(forKey: key) else { return nil }
    keys[run.order.token] = nil
    change(run) { if run.hasBegun { $0.running -= 1 } else { $0.waiting -= 1 } }
    newWords.updateValue(nil, forKey: run.order.id)
    return run
  }

  mutating func change(_ run: Away, _ body: (inout Placement.Room) -> Void) {
    body(&loads[run.node, default: [:]][run.executorName, default: Placement.Room(workers: 1)])
  }

  private mutating func cancel(_ token: RunToken, _ executor: Int) {
    if let index = held.firstIndex(where: { $0.order.token == token }) {
      report(held.remove(at: index), .cancelled)
    } else if let key = keys[token] {
      away[key]?.mustEnd = true
      if away[key]?.isPlaced == true { toCancel.insert(key) }
    } else {
      // It was this host's own in the meantime.
      dispatcher.executor(executor)?.inner.cancel(token)
    }
  }

  mutating func report(
    _ held: Held, _ outcome: Outcome, kind: RunReport.Kind = .ended, saying why: String? = nil
  ) {
    newWords.updateValue(nil, forKey: held.order.id)
    dispatcher.executor(held.executor)?.tell(
      [
        RunReport(
          token: held.order.token, kind: kind, outcome: outcome, startedAt: clock.now,
          details: why.map { AttemptDetails(error: RunError(message: $0)) })
      ])
  }

  private mutating func heard(_ found: [StoreMember]) {
    members = found
    if !others.isEmpty { activate() }
    let byName = Dictionary(found.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let now = monotonic()
    for (key, refusal) in refusals {
      let member = byName[key.node]
      if member?.identity.life != refusal.life || member?.report.scripts != refusal.scripts || refusal.until <= now {
        refusals[key] = nil
      }
    }
    // Of hosts that nobody knows any more, and that have nothing, nothing is kept.
    loads = loads.filter { node, rooms in byName[node] != nil || rooms.values.contains { $0.waiting + $0.running > 0 } }
  }

  var others: [StoreMember] { members.filter { $0.name != dispatcher.name && $0.isAlive && $0.takesRuns } }

  // MARK: For people

  /// Who reads the lines of runs on other hosts hears of those that have begun.
  mutating func takeFresh() -> [RunID: Int64?] {
    defer { fresh = [:] }
    return fresh
  }

  /// Where runs are that are not on this host, or why they are nowhere, as far as it has changed since it was asked.
  mutating func takeNewWords() -> [RunID: Whereabouts?] {
    defer { newWords = [:] }
    return newWords
  }
}
