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
    /// Why there is none.
    var why: [String] = []
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
    var mustEnd = false
  }

  struct Refusal: Sendable {
    var life: String
    var scripts: String
    var digest: String
    var why: String
    /// Monotonic nanoseconds.
    var until: Int64
  }
  struct RefusalKey: Hashable, Sendable {
    var node: String
    var job: String
  }

  let name: String
  let store: any PlacingStore
  let dispatcher: PlacementDispatcher
  let engine: any SchedulerEngine
  let clock: any WallClock
  /// Names the files of this host's scripts.
  let scripts: @Sendable () -> String
  let activate: @Sendable () -> Void
  var mailbox: (any RunMailbox)?
  var members: [StoreMember] = []
  var reaches = JobReaches()
  var held: [Held] = []
  var away: [PlacementKey: Away] = [:]
  var keys: [RunToken: PlacementKey] = [:]
  /// Of leaders before this one, until the scheduler hands over their orders.
  var adopted: [RunID: PlacementReport] = [:]
  var refusals: [RefusalKey: Refusal] = [:]
  var loads: [String: [String: Placement.Room]] = [:]
  var toPlace: [PlacementKey] = []
  var toCancel: Set<PlacementKey> = []
  var toSettle: [PlacementKey] = []
  /// Whose end was not durable when it was asked last.
  var unsettled: [PlacementKey] = []
  var lastNumber: Int64 = 0
  var retryAt = Int64.max
  var isLost = false
  /// The host ends.
  var isWindingDown = false
  var hasNewWords = false

  init(
    _ name: String, _ store: any PlacingStore, _ dispatcher: PlacementDispatcher, _ engine: any SchedulerEngine,
    clock: any WallClock, scripts: @escaping @Sendable () -> String, activate: @escaping @Sendable () -> Void
  ) {
    self.name = name
    self.store = store
    self.dispatcher = dispatcher
    self.engine = engine
    self.clock = clock
    self.scripts = scripts
    self.activate = activate
  }

  var holds: Bool { !held.isEmpty }
  var runsElsewhere: Int { away.count }

  /// When there is something to do without a message. Monotonic nanoseconds.
  var dueAt: Int64 { held.isEmpty ? retryAt : min(retryAt, monotonicNow() + Self.pace) }

  /// Nanoseconds between two looks at what waits: it may be too late by now, and refusals pass.
  static let pace: Int64 = 1_000_000_000
  static let retryPause: Int64 = 250_000_000

  // MARK: Messages

  mutating func adopt(_ found: [PlacementReport]) {
    for report in found where report.state != .declined { adopted[report.run] = report }
    toSettle += found.filter { $0.state == .declined }.map(\.key)
    if !adopted.isEmpty { activate() }
  }

  mutating func openMailbox(_ heard: @escaping @Sendable ([PlacementReport]) -> Void) throws(StoreError)
    -> any RunMailbox
  {
    if let mailbox { return mailbox }
    let made = try store.openMailbox(heard)
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
    case .durable(let keys, let error): if error == nil { toSettle += keys } else { unsettled += keys }
    case .startIsComplete:
      // The scheduler has recorded them as interrupted, and runs none of them again.
      toCancel.formUnion(adopted.values.filter { !$0.state.isOver }.map(\.key))
      toSettle += adopted.values.filter(\.state.isOver).map(\.key)
      adopted = [:]
    case .windDown: isWindingDown = true
    case .look: break
    }
  }

  /// A run that a leader before this one has placed goes on where it is.
  private mutating func bind(_ order: RunOrder, _ executor: Int, _ post: @escaping Post) -> Bool {
    guard let report = adopted.removeValue(forKey: order.id) else { return false }
    put(
      Away(
        order: order, executor: executor, executorName: order.job.definition.executor, node: report.node,
        isPlaced: true), at: report.key)
    heard([report], post)
    return true
  }

  mutating func put(_ run: Away, at key: PlacementKey) {
    away[key] = run
    keys[run.order.token] = key
    change(run) { $0.waiting += 1 }
    hasNewWords = true
  }

  @discardableResult
  mutating func remove(_ key: PlacementKey) -> Away? {
    guard let run = away.removeValue(forKey: key) else { return nil }
    keys[run.order.token] = nil
    change(run) { if run.hasBegun { $0.running -= 1 } else { $0.waiting -= 1 } }
    hasNewWords = true
    return run
  }

  mutating func change(_ run: Away, _ body: (inout Placement.Room) -> Void) {
    body(&loads[run.node, default: [:]][run.executorName, default: Placement.Room(workers: 1)])
  }

  private mutating func cancel(_ token: RunToken, _ executor: Int) {
    if let index = held.firstIndex(where: { $0.order.token == token }) {
      report(held.remove(at: index), .cancelled)
    } else if let key = keys[token] {
      if away[key]?.isPlaced == true { toCancel.insert(key) } else { away[key]?.mustEnd = true }
    } else {
      // It was this host's own in the meantime.
      dispatcher.executor(executor)?.inner.cancel(token)
    }
  }

  func report(_ held: Held, _ outcome: Outcome, kind: RunReport.Kind = .ended, saying why: String? = nil) {
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
    for (key, refusal) in refusals {
      let member = found.first { $0.name == key.node }
      if member?.identity.life != refusal.life || member?.report.scripts != refusal.scripts { refusals[key] = nil }
    }
  }

  var others: [StoreMember] { members.filter { $0.name != dispatcher.name && $0.isAlive && $0.takesRuns } }

  // MARK: For people

  /// Where runs are that are not on this host, if anything about that has changed.
  mutating func newWords() -> [RunID: String]? {
    guard hasNewWords else { return nil }
    hasNewWords = false
    var words: [RunID: String] = [:]
    for run in away.values { words[run.order.id] = "on host \(run.node)" }
    for run in held where !run.why.isEmpty {
      words[run.order.id] = "it waits, for no host may run it: \(run.why.joined(separator: "; "))"
    }
    return words
  }
}
