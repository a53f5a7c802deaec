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
    case startIsComplete
    case windDown
    /// There may be room.
    case look
  }

  private struct Inbox: Sendable {
    var messages: [Message] = []
    var isClosing = false
  }

  let name: String
  private let store: any PlacingStore
  private let inbox = Monitor(Inbox())
  private let hadOrders = Atomic(false)
  private let isHolding = Atomic(false)
  private let elsewhere = Atomic(0)
  private let told = Mutex<[RunID: String]>([:])
  private let state: Mutex<StorePlacerState?>
  private let thread = Mutex<NamedThread?>(nil)
  private let log: any HostLog
  private let hostName: String

  /// - Parameter activate: called when others may be given runs.
  init(
    _ name: String, _ store: any PlacingStore, _ dispatcher: PlacementDispatcher, _ engine: any SchedulerEngine,
    clock: any WallClock, scripts: @escaping @Sendable () -> String, log: any HostLog,
    activate: @escaping @Sendable () -> Void
  ) throws(StoreError) {
    self.name = name
    self.store = store
    self.log = log
    hostName = dispatcher.name
    let source = StorePlacerState.Source(
      epoch: { store.epoch }, open: { heard throws(StoreError) in try store.openMailbox(heard) })
    state = Mutex(
      StorePlacerState(name, source, dispatcher, engine, clock: clock, scripts: scripts, activate: activate))
  }

  /// Whether it may have to do with runs.
  var hasRuns: Bool { hadOrders.load(ordering: .sequentiallyConsistent) }
  /// Whether runs wait for room.
  var holdsRuns: Bool { isHolding.load(ordering: .sequentiallyConsistent) }
  var runsElsewhere: Int { elsewhere.load(ordering: .relaxed) }
  func words(of run: RunID) -> String? { told.withLock { $0[run] } }

  func post(_ message: Message) {
    if case .orders = message { hadOrders.store(true, ordering: .sequentiallyConsistent) }
    inbox.change { $0.messages.append(message) }
  }

  // MARK: Taking over

  /// Finds what leaders before this one have placed. What is claimed goes on where it is; what is not is told to end,
  /// and waited for, since somebody may run it again. Then the thread begins.
  func takeOver() throws(StoreError) {
    guard var state = self.state.withLock({ $0.take() }) else { return }
    let found = try store.placements()
    state.adopt(found.filter(\.isClaimed))
    let strays = found.filter { !$0.isClaimed }
    if !found.isEmpty {
      hadOrders.store(true, ordering: .sequentiallyConsistent)
      let mailbox = try state.openMailbox { [weak self] in self?.post(.heard($0)) }
      mailbox.isAwaiting(true)
      try end(strays, mailbox)
    }
    start(state)
  }

  private func end(_ strays: [PlacementReport], _ mailbox: any RunMailbox) throws(StoreError) {
    guard !strays.isEmpty else { return }
    var open = Set(strays.filter { !$0.state.isOver }.map(\.key))
    if !open.isEmpty {
      try mailbox.cancel(Array(open))
      log.write(
        .info,
        "store \"\(name)\": \(counted(open.count, "run")) that the host before placed on others and gave up must end first"
      )
    }
    // A member ends what it is told to; of one that does not answer the lease ends; and a run that cannot be stopped is
    // given up, as one of this host would be: what it says then counts for nothing.
    let deadline = monotonicNow() + Self.patience
    let nothing = Monitor(())
    while !open.isEmpty, monotonicNow() < deadline {
      _ = nothing.wait(until: monotonicNow() + Self.look) { _ -> Void? in nil }
      let now = try store.placements()
      open.formIntersection(now.filter { !$0.state.isOver }.map(\.key))
    }
    if !open.isEmpty {
      log.write(.error, "store \"\(name)\": \(counted(open.count, "run")) on other hosts did not end, and was given up")
    }
    try mailbox.settle(strays.map(\.key))
  }

  private static let patience: Int64 = 30_000_000_000
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
      for message in work?.messages ?? [] { state.take(message) { [weak self] in self?.post($0) } }
      if work?.isClosing == true { return state.close() }
      state.act { [weak self] in self?.post($0) }
      elsewhere.store(state.runsElsewhere, ordering: .relaxed)
      isHolding.store(state.holds, ordering: .sequentiallyConsistent)
      let words = state.takeNewWords()
      if !words.isEmpty { told.withLock { told in for (run, text) in words { told[run] = text } } }
    }
  }

  /// Asks the others to end what is still placed.
  func stop() {
    inbox.change { $0.isClosing = true }
    thread.withLock { $0.take() }?.join()
  }
}
