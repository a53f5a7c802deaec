internal import Basics
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import ScriptLoading
internal import Synchronization

/// Places the claimed runs of one shared store, on a thread of its own: it waits for the store, and the scheduler never
/// for it.
///
/// Threading: any thread.
final class StorePlacer: Sendable {
  enum Message: Sendable {
    case orders([RunOrder], executor: Int)
    case cancel(RunToken, executor: Int)
    case members([StoreMember])
    case heard([PlacementReport])
    /// What became of these is durable, or is not yet.
    case durable([PlacementKey], StoreError?)
    /// The same of a run that ended although no job of this host asked for it.
    case left(PlacementReport, StoreError?)
    case startIsComplete
    case windDown
    /// There may be room.
    case look
  }

  private struct Inbox: Sendable {
    var messages: [Message] = []
    var isClosing = false
    /// The host is to end: what has begun may go on, and nothing is waited for before it.
    var isEnding = false
    var isTakingOver = false
  }

  /// What its thread has told of runs.
  private struct Told: Sendable {
    var runs: [RunID: StorePlacerState.Whereabouts] = [:]
    /// As ``StorePlacerState/fresh``, since somebody asked; nil: nobody asks.
    var fresh: [RunID: Int64?]?
  }

  let name: String
  private let source: PlacementSource
  private let monotonic: @Sendable () -> Int64
  private let inbox = Monitor(Inbox())
  private let hadOrders = Atomic(false)
  private let isHolding = Atomic(false)
  private let elsewhere = Atomic(0)
  private let told = Mutex(Told())
  private let state: Mutex<StorePlacerState?>
  private let thread = Mutex<NamedThread?>(nil)
  private let log: any HostLog

  /// - Parameter activate: called when others may be given runs.
  init(
    _ name: String, _ source: PlacementSource, _ dispatcher: PlacementDispatcher, _ inbox: any SchedulerInbox,
    clock: any WallClock, monotonic: @escaping @Sendable () -> Int64 = { monotonicNow() },
    scripts: @escaping @Sendable () -> String, declared: @escaping @Sendable (String) -> JobDefinition?,
    log: any HostLog, activate: @escaping @Sendable () -> Void
  ) {
    self.name = name
    self.source = source
    self.monotonic = monotonic
    self.log = log
    state = Mutex(
      StorePlacerState(
        name, source, dispatcher, inbox, clock: clock, monotonic: monotonic, scripts: scripts,
        declared: declared, activate: activate))
  }

  /// Whether it may have to do with runs.
  var hasRuns: Bool { hadOrders.load(ordering: .sequentiallyConsistent) }
  /// Whether runs wait for room.
  var holdsRuns: Bool { isHolding.load(ordering: .sequentiallyConsistent) }
  var runsElsewhere: Int { elsewhere.load(ordering: .relaxed) }
  func whereabouts(of run: RunID) -> StorePlacerState.Whereabouts? { told.withLock { $0.runs[run] } }

  /// Runs that have begun on other hosts since this was asked last, as ``StorePlacerState/fresh``; at first, those that
  /// they have.
  func takeFresh() -> [RunID: Int64?] {
    told.withLock { told in
      defer { told.fresh = [:] }
      return told.fresh ?? told.runs.filter { $0.value.node != nil }.mapValues { _ in nil }
    }
  }

  /// Nobody asks for those any more.
  func forgetFresh() { told.withLock { $0.fresh = nil } }

  func post(_ message: Message) {
    if case .orders = message { hadOrders.store(true, ordering: .sequentiallyConsistent) }
    inbox.change { $0.messages.append(message) }
  }

  // MARK: Taking over

  /// Finds what leaders before this one have placed. What is claimed goes on where it is; what is not is told to end,
  /// and waited for, since somebody may run it again. Then the thread begins.
  ///
  /// - Returns: false when it was told meanwhile that the host is to end, or to stop: then the host must not begin, and
  ///   whoever leads next takes over.
  func takeOver() throws(StoreError) -> Bool {
    guard var state = self.state.withLock({ $0.take() }) else { return true }
    inbox.withLock { $0.isTakingOver = true }
    defer { inbox.change { $0.isTakingOver = false } }
    do throws(StoreError) {
      var takeover = try begin(&state)
      while try !look(&takeover, &state) {
        let isOver = inbox.wait(until: monotonic() + Self.look) { $0.isEnding || $0.isClosing ? true : nil }
        guard isOver == nil else {
          state.close()
          return false
        }
      }
    } catch {
      state.close()
      throw error
    }
    start(state)
    return true
  }

  /// The host is to end: a takeover is waited for no longer. Does not block.
  func hostEnds() { inbox.change { $0.isEnding = true } }

  /// The first half: what is not claimed is told to end.
  func begin(_ state: inout StorePlacerState) throws(StoreError) -> PlacementTakeover {
    let found = try source.placements()
    state.adopt(found.filter(\.isClaimed))
    let takeover = PlacementTakeover(
      found, members: found.allSatisfy(\.isClaimed) ? [] : try source.members(), now: monotonic())
    guard !found.isEmpty else { return takeover }
    hadOrders.store(true, ordering: .sequentiallyConsistent)
    let mailbox = try state.openMailbox { [weak self] in self?.post(.heard($0)) }
    mailbox.isAwaiting(true)
    guard !takeover.open.isEmpty else { return takeover }
    try mailbox.cancel(Array(takeover.open))
    log.write(
      .info,
      "store \"\(name)\": \(counted(takeover.open.count, "run")) that the host before placed on others and gave up must end first"
    )
    return takeover
  }

  /// The second half, again and again.
  ///
  /// - Returns: whether all have ended, or were given up.
  func look(_ takeover: inout PlacementTakeover, _ state: inout StorePlacerState) throws(StoreError) -> Bool {
    guard !takeover.all.isEmpty else { return true }
    guard takeover.look(try source.placements(), now: monotonic()) else { return false }
    if !takeover.open.isEmpty {
      log.write(
        .error,
        "store \"\(name)\": \(counted(takeover.open.count, "run")) on other hosts did not end, and was given up")
    }
    try state.openMailbox { [weak self] in self?.post(.heard($0)) }.settle(takeover.all)
    return true
  }

  private static let look: Int64 = 100_000_000

  // MARK: The thread

  private func start(_ state: consuming StorePlacerState) {
    let handed = Mutex<StorePlacerState?>(state)
    do {
      let made = try NamedThread("moondial-place") { [self] in
        guard var state = handed.withLock({ $0.take() }) else { return }
        run(&state)
      }
      thread.withLock { $0 = made }
    } catch {
      log.write(.error, "store \"\(name)\": runs cannot be placed: \(error)")
    }
  }

  private func run(_ state: inout StorePlacerState) {
    while true {
      let work = inbox.wait(until: state.dueAt) { inbox -> Inbox? in
        guard !inbox.messages.isEmpty || inbox.isClosing else { return nil }
        defer { inbox.messages = [] }
        return inbox
      }
      guard goOn(&state, work) else { return }
    }
  }

  /// - Returns: whether there is more to do some time.
  private func goOn(_ state: inout StorePlacerState, _ work: Inbox?) -> Bool {
    for message in work?.messages ?? [] { state.take(message) { [weak self] in self?.post($0) } }
    if work?.isClosing == true {
      state.close()
      return false
    }
    state.act { [weak self] in self?.post($0) }
    elsewhere.store(state.runsElsewhere, ordering: .relaxed)
    isHolding.store(state.holds, ordering: .sequentiallyConsistent)
    let (words, fresh) = (state.takeNewWords(), state.takeFresh())
    if !words.isEmpty || !fresh.isEmpty { tell(words, fresh) }
    return true
  }

  private func tell(_ words: [RunID: StorePlacerState.Whereabouts?], _ fresh: [RunID: Int64?]) {
    told.withLock { told in
      for (run, place) in words { told.runs[run] = place }
      told.fresh?.merge(fresh) { $1 }
    }
  }

  // MARK: Without a thread

  /// Its state, for whoever turns it by hand instead of `takeOver`.
  func takeState() -> StorePlacerState? { state.withLock { $0.take() } }

  /// Does what there is to do now.
  func step(_ state: inout StorePlacerState) {
    let work = inbox.withLock { inbox in
      defer { inbox.messages = [] }
      return inbox
    }
    _ = goOn(&state, work)
  }

  /// Whether somebody has told it something that it has not done.
  var hasMessages: Bool { inbox.withLock { !$0.messages.isEmpty } }

  /// Asks the others to end what is still placed. Blocks for a moment, also while another thread takes over.
  func stop() {
    inbox.change { $0.isClosing = true }
    _ = inbox.wait { $0.isTakingOver ? nil : true }
    thread.withLock { $0.take() }?.join()
  }
}
