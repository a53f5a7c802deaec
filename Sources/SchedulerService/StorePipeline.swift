import JobModel
import Scheduling

/// What goes to one store: at most one batch is with it at a time, the next one collects what comes meanwhile.
///
/// That keeps the order of batches strict even when one fails, is a natural group commit (the slower the store, the
/// larger the batches), and means that a slow store delays a claim by two of its commits at the most.
struct StorePipeline {
  let store: any JobStore
  private(set) var collecting = StoreActions()
  /// What the last flight left: empty, with room, so that batch after batch needs no memory of its own.
  private var spare = StoreActions()
  private var waiting: [@Sendable (StoreError?) -> Void] = []
  private(set) var inFlight: Flight?
  /// Monotonic nanoseconds before which a failed batch is not tried again.
  private(set) var retryAt: Int64?
  /// Why the last batch was not written; nil when it was.
  private(set) var lastError: StoreError?

  /// A batch that the store has.
  struct Flight {
    var actions: StoreActions
    var waiting: [@Sendable (StoreError?) -> Void]
  }

  /// Bytes of results and errors in one batch, so that no claim waits for megabytes of them.
  static let mostBytes = 4 << 20
  /// How long a store that failed is left alone. Nanoseconds.
  static let retryPause: Int64 = 1_000_000_000

  init(_ store: any JobStore) { self.store = store }

  /// Whether nothing that is tried again will be written either.
  var isLost: Bool { lastError?.code == .lost }

  var isIdle: Bool { inFlight == nil && collecting.batch.isEmpty }

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

  /// The next batch to hand over, if there is one and its time has come.
  mutating func nextBatch(at monotonic: Int64) -> StoreBatch? {
    guard inFlight == nil else { return nil }
    if let retryAt, monotonic < retryAt { return nil }
    // Also with nothing to send: whoever sleeps until this moment must not find it in the past for ever.
    retryAt = nil
    guard !collecting.batch.isEmpty else { return nil }
    var flight = Flight(actions: collecting, waiting: waiting)
    collecting = StoreActions()
    swap(&collecting, &spare)
    waiting = []
    let later = flight.actions.batch.takeOutcomes(beyond: Self.mostBytes)
    if !later.isEmpty { collecting.batch.finished = later }
    inFlight = flight
    return flight.actions.batch
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
    guard var flight = inFlight.take() else {
      preconditionFailure("\(store.name) completed a batch that it was not given")
    }
    guard let error else {
      let hasFailed = lastError != nil
      lastError = nil
      var claims: [RunToken] = []
      swap(&claims, &flight.actions.claims)
      flight.actions.recycle()
      swap(&spare, &flight.actions)
      return .durable(claims, waiting: flight.waiting, recovered: hasFailed)
    }
    lastError = error
    retryAt = monotonic + Self.retryPause
    // Everything but the claims is tried again, in order, before anything newer; what waits for it is told that it
    // failed.
    var merged = flight.actions
    merged.batch.append(collecting.batch)
    let claims = flight.actions.claims + collecting.claims
    merged.batch.claims.removeAll()
    merged.claims.removeAll()
    collecting = merged
    return .failed(claims, waiting: flight.waiting)
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
    if array.capacity > 4_096 { array = [] } else { array.removeAll(keepingCapacity: true) }
  }
}
