internal import Chronology
internal import JobModel
internal import Synchronization

/// What one host sees of a ``SharedModel`` while it leads: the store under its epoch, behind its link, which delays
/// what is sent, loses answers, and breaks.
///
/// A link keeps the order of what is sent. What is on its way when it breaks is answered as failed at once, and may
/// arrive all the same: but not after anything that is sent over the next link.
final class SharedModelView: SharedModelReader {
  /// Something that is on its way.
  private struct Parcel: Sendable {
    var arrive: @Sendable (_ isAwaited: Bool) -> Void
    var lose: @Sendable () -> Void
  }

  private struct Link: Sendable {
    var isUp = true
    var delays = false
    var losesAnswers = false
    /// In the order in which they were sent.
    var parcels: [Parcel] = []
    /// What was on its way when the link broke.
    var strays: [Parcel] = []
    /// Until when, on the monotonic clock, the host may be sure of its lease.
    var surelyUntil: Int64
  }

  let epoch: Int64
  let model: SharedModel
  private let clock: SimulatedClock
  private let link: Mutex<Link>

  init(_ model: SharedModel, epoch: Int64, clock: SimulatedClock) {
    self.model = model
    self.epoch = epoch
    self.clock = clock
    link = Mutex(Link(surelyUntil: clock.monotonic.now.nanoseconds + model.length))
  }

  /// What is asked of the model and waited for.
  func ask<Answer>(_ body: () throws(StoreError) -> Answer) throws(StoreError) -> Answer {
    let (isUp, losesAnswers) = link.withLock { link in
      // A store says that a commit has failed when it knows that nothing of it comes any more.
      if link.isUp, model.fences.sessions { link.strays = [] }
      return (link.isUp, link.losesAnswers)
    }
    guard isUp else { throw Self.broken }
    let answer = try body()
    guard !losesAnswers else { throw Self.broken }
    return answer
  }

  func steps(of run: RunID) throws(StoreError) -> [RunStep] {
    try ask { () throws(StoreError) in try model.contents.steps(of: run) }
  }

  var surelyUntil: Int64 { link.withLock { $0.surelyUntil } }
  func renewed(at sent: Int64) { link.withLock { $0.surelyUntil = max($0.surelyUntil, sent + model.length) } }

  func set(isUp: Bool, delays: Bool, losesAnswers: Bool) {
    let lost = link.withLock { link -> [Parcel] in
      defer { (link.isUp, link.delays, link.losesAnswers) = (isUp, delays, losesAnswers) }
      guard link.isUp, !isUp else { return [] }
      defer {
        link.strays += link.parcels
        link.parcels = []
      }
      return link.parcels
    }
    for parcel in lost { parcel.lose() }
  }

  /// What is on its way arrives.
  func deliver() {
    let parcels = link.withLock { link in
      defer { link.parcels = [] }
      return link.parcels
    }
    for parcel in parcels { parcel.arrive(true) }
  }

  /// What was on its way over links that have broken arrives.
  func deliverStrays() {
    let strays = link.withLock { link in
      defer { link.strays = [] }
      return link.strays
    }
    for parcel in strays { parcel.arrive(false) }
  }

  /// What becomes of what is sent.
  private enum Way { case broken, held, open }

  private static let broken = StoreError(.io, "the link broke")

  /// Sends something that has an `effect` when it arrives.
  private func send<Answer: Sendable>(
    _ effect: @escaping @Sendable () -> Result<Answer, StoreError>,
    answer: @escaping @Sendable (Result<Answer, StoreError>) -> Void
  ) {
    let sent = clock.monotonic.now.nanoseconds
    let arrive: @Sendable (Bool) -> Void = { [self] isAwaited in
      let result = effect()
      guard isAwaited else { return }
      answer(judged(result, sent: sent))
    }
    let way = link.withLock { link -> Way in
      guard link.isUp else { return .broken }
      // Whoever begins a session anew ends the ones before it.
      if model.fences.sessions { link.strays = [] }
      guard link.delays || !link.parcels.isEmpty else { return .open }
      link.parcels.append(Parcel(arrive: arrive, lose: { answer(.failure(Self.broken)) }))
      return .held
    }
    switch way {
    case .broken: answer(.failure(Self.broken))
    case .held: break
    case .open: arrive(true)
    }
  }

  /// What the host makes of an answer: what was committed may be another host's to settle by now.
  private func judged<Answer>(_ result: Result<Answer, StoreError>, sent: Int64) -> Result<Answer, StoreError> {
    guard case .success = result else { return result }
    if link.withLock({ $0.losesAnswers }) { return .failure(Self.broken) }
    renewed(at: sent)
    return surelyUntil > clock.monotonic.now.nanoseconds ? result : .failure(Self.broken)
  }

  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    send(
      { [model, epoch] in model.apply(batch, provenBy: epoch).map { .failure($0) } ?? .success(true) },
      answer: { result in if case .failure(let error) = result { completion(error) } else { completion(nil) } })
  }

  func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    send({ [model, epoch] in model.commit(transaction, at: now, provenBy: epoch) }, answer: completion)
  }

  func load() throws(StoreError) -> StoreSnapshot {
    var snapshot = try model.contents.load()
    snapshot.placed = model.placedRuns
    return snapshot
  }
}
