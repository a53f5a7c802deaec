import JobModel
import Scheduling

/// What goes to one store: at most one batch is with it at a time, the next one collects what comes meanwhile.
///
/// That keeps the order of batches strict even when one fails, is a natural group commit (the slower the store, the
/// larger the batches), and means that a slow store delays a claim by two of its commits at the most.
struct StorePipeline {
  let store: any JobStore
  private(set) var collecting = StoreActions()
  private var waiting: [@Sendable (StoreError?) -> Void] = []
  /// What the store has. Empty, with room, while it has nothing: the two take turns, so that batch after batch needs no
  /// memory of its own.
  private(set) var inFlight = StoreActions()
  private var waitingInFlight: [@Sendable (StoreError?) -> Void] = []
  /// Whether the store has a batch about which it has not answered.
  private(set) var isInFlight = false
  /// Monotonic nanoseconds before which a failed batch is not tried again.
  private(set) var retryAt: Int64?
  /// Why the last batch was not written; nil when it was.
  private(set) var lastError: StoreError?
  /// Hands in the store's answer. One closure for all batches.
  private let answered: @Sendable (StoreError?) -> Void

  /// Bytes of results and errors in one batch, so that no claim waits for megabytes of them.
  static let mostBytes = 4 << 20
  /// How long a store that failed is left alone. Nanoseconds.
  static let retryPause: Int64 = 1_000_000_000

  /// - Parameter answered: called from any thread, also within `send`, when the store has answered about the batch in
  ///   flight; whoever owns the pipeline calls `finish` then.
  init(_ store: any JobStore, answered: @escaping @Sendable (StoreError?) -> Void) {
    self.store = store
    self.answered = answered
  }

  /// Whether nothing that is tried again will be written either.
  var isLost: Bool { lastError?.code == .lost }

  var isIdle: Bool { !isInFlight && collecting.batch.isEmpty }

  /// Takes over what an evaluation decided; `actions` is empty afterwards.
  mutating func collect(_ actions: inout StoreActions) {
    guard !actions.batch.isEmpty else { return }
    if collecting.batch.isEmpty {
      swap(&collecting, &actions)
    } else {
      collecting.batch.append(actions.batch)
      collecting.claims += actions.claims
      actions.recycle()
    }
  }

  /// Calls `completion` when what was collected last is durable, or with why it is not; at once when nothing is
  /// collected.
  mutating func whenDurable(_ completion: @escaping @Sendable (StoreError?) -> Void) {
    if collecting.batch.isEmpty { completion(nil) } else { waiting.append(completion) }
  }

  /// Hands over the next batch, if there is one and its time has come.
  ///
  /// - Returns: whether the store has got one.
  mutating func send(at monotonic: Int64) -> Bool {
    guard !isInFlight else { return false }
    if let retryAt, monotonic < retryAt { return false }
    // Also with nothing to send: whoever sleeps until this moment must not find it in the past for ever.
    retryAt = nil
    guard !collecting.batch.isEmpty else { return false }
    swap(&inFlight, &collecting)
    swap(&waitingInFlight, &waiting)
    let later = inFlight.batch.takeOutcomes(beyond: Self.mostBytes)
    if !later.isEmpty { collecting.batch.finished = later }
    isInFlight = true
    store.apply(inFlight.batch, completion: answered)
    return true
  }

  /// What became of a batch.
  enum Completion {
    /// Its claims may start. `recovered`: the store had failed before.
    case durable([RunToken], waiting: [@Sendable (StoreError?) -> Void], recovered: Bool)
    /// Its claims, and those collected since, did not take place.
    case failed([RunToken], waiting: [@Sendable (StoreError?) -> Void])
  }

  /// The store has answered about the batch in flight.
  mutating func finish(_ error: StoreError?, at monotonic: Int64) -> Completion {
    precondition(isInFlight, "\(store.name) completed a batch that it was not given")
    isInFlight = false
    var (claims, completions): ([RunToken], [@Sendable (StoreError?) -> Void]) = ([], [])
    swap(&claims, &inFlight.claims)
    swap(&completions, &waitingInFlight)
    guard let error else {
      let hasFailed = lastError != nil
      lastError = nil
      inFlight.recycle()
      return .durable(claims, waiting: completions, recovered: hasFailed)
    }
    lastError = error
    retryAt = monotonic + Self.retryPause
    // Everything but the claims is tried again, in order, before anything newer; what waits for it is told that it
    // failed.
    inFlight.batch.append(collecting.batch)
    inFlight.batch.claims.removeAll()
    claims += collecting.claims
    collecting.recycle()
    swap(&inFlight, &collecting)
    return .failed(claims, waiting: completions)
  }
}

extension StoreBatch {
  /// Takes out the outcomes that come after the first `bytes` of them; they follow in the next batch. To a crash
  /// between the two it is as if they had come a little later: the runs' claims are written. Outcomes of runs with
  /// files stay, because the marks of those files are in this batch.
  fileprivate mutating func takeOutcomes(beyond bytes: Int) -> [RunRecord] {
    guard let cut = StoreBatch.index(in: finished.span, beyond: bytes), cut + 1 < finished.count else { return [] }
    let later = finished[(cut + 1)...].filter { $0.cause != .watch }
    finished = Array(finished[...cut]) + finished[(cut + 1)...].filter { $0.cause == .watch }
    return Array(later)
  }

  /// The first run with which the runs' texts are more than `bytes`. Of a span, whose elements are lent: an array's own
  /// search copies each run.
  private static func index(in runs: Span<RunRecord>, beyond bytes: Int) -> Int? {
    var sum = 0
    for index in runs.indices {
      sum += runs[index].textBytes
      if sum > bytes { return index }
    }
    return nil
  }
}

extension StoreActions {
  /// Empties it for the next batch. Memory stays as far as an ordinary batch needs it: the registration of a hundred
  /// thousand jobs must not be paid for ever.
  fileprivate mutating func recycle() {
    StoreActions.empty(&batch.schedules)
    StoreActions.empty(&batch.fires)
    StoreActions.empty(&batch.waiting)
    StoreActions.empty(&batch.claims)
    StoreActions.empty(&batch.finished)
    StoreActions.empty(&batch.steps)
    StoreActions.empty(&batch.dropped)
    StoreActions.empty(&batch.decisions)
    StoreActions.empty(&batch.files)
    StoreActions.empty(&batch.unscheduled)
    StoreActions.empty(&batch.forgotten)
    batch.clockEpoch = nil
    batch.hostPause = nil
    StoreActions.empty(&batch.audit)
    StoreActions.empty(&claims)
  }

  private static func empty<Element>(_ array: inout [Element]) {
    if array.capacity > 4_096 { array = [] } else if !array.isEmpty { array.removeAll(keepingCapacity: true) }
  }
}
