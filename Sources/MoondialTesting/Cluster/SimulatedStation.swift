internal import Chronology
internal import JobModel
internal import Synchronization

/// How a member of a ``SharedModel`` reaches it.
struct MemberLink: Sendable {
  var isUp = true
  var delays = false
  var losesAnswers = false
  /// Whether nobody can have given the member up yet.
  var isSure = true
}

/// The member's side of placements on a ``SharedModel``: it says what became of runs and takes new ones whenever it is
/// told to, over a link that breaks and loses answers. As a real one does, it says again what it could not know to have
/// arrived, and looks at all that it has when an answer was lost.
///
/// Threading: the simulation's.
final class SimulatedStation: RunStation {
  private struct State: Sendable {
    var reports: [PlacementReport] = []
    var isTaking = false
    var isFenced = false
    var member: SharedModel.FencedMember?
    var toldTaking = false
    var known: Set<PlacementKey> = []
    var toldCancelled: Set<PlacementKey> = []
    var isUnsure = true
    var link = MemberLink()
    /// What runs have sent, and is on its way.
    var parcels: [@Sendable () -> Void] = []
  }

  private let state = Mutex(State())
  private let model: SharedModel
  private let name: String
  private let life: Int
  private let callbacks: StationCallbacks
  /// For the runs that it was given.
  var store: any JobStore { MemberStore(model, self) }

  init(_ model: SharedModel, _ name: String, life: Int, _ callbacks: StationCallbacks) {
    self.model = model
    self.name = name
    self.life = life
    self.callbacks = callbacks
  }

  func take(_ isTaking: Bool) { state.withLock { $0.isTaking = isTaking } }
  func report(_ reports: [PlacementReport]) { state.withLock { $0.reports += reports } }
  func renew() { state.withLock { $0.isFenced = false } }
  func close() {}

  /// The host reckons that the others may give it up soon, or not any more.
  func isDoubtful(_ isDoubtful: Bool) { callbacks.changed(isDoubtful ? .doubtful(name) : .regained) }

  /// Sends something of a run, which has its effect when it arrives.
  func send(_ parcel: @escaping @Sendable () -> Void) {
    let isHeld = state.withLock { state in
      guard state.link.delays || !state.parcels.isEmpty else { return false }
      state.parcels.append(parcel)
      return true
    }
    if !isHeld { parcel() }
  }

  /// What is on its way arrives.
  func deliver() {
    let parcels = state.withLock { state in
      defer { state.parcels = [] }
      return state.parcels
    }
    for parcel in parcels { parcel() }
  }

  func use(_ link: MemberLink) { state.withLock { $0.link = link } }
  var link: MemberLink { state.withLock { $0.link } }
  /// Under what it writes; nil: it may write nothing.
  var member: SharedModel.FencedMember? { state.withLock { $0.member } }

  /// Whether it would do something if it was told to.
  var hasNews: Bool {
    let now = state.withLock { $0 }
    guard now.link.isUp, now.link.isSure, !now.link.losesAnswers else { return false }
    guard let member = now.member else { return !now.isFenced && model.isMember(name, life: life) }
    return !now.reports.isEmpty || now.isUnsure || now.isTaking != now.toldTaking || model.hasNews(member)
  }

  /// Does what there is to do.
  ///
  /// - Parameter isBusy: what is to end has to wait.
  func serve(isBusy: Bool) {
    guard link.isUp else { return }
    deliver()
    do throws(StoreError) {
      try begin()
      guard let member else { return }
      try say(member)
      try look(member, isBusy: isBusy)
    } catch {
      state.withLock { $0.isUnsure = true }
      if error.code == .lost { fence() }
    }
  }

  private func loseAnswer() throws(StoreError) {
    if link.losesAnswers { throw StoreError(.io, "the link broke") }
  }

  private func begin() throws(StoreError) {
    let now = state.withLock { $0 }
    guard !now.isFenced, now.member == nil || now.isTaking != now.toldTaking else { return }
    let found = model.begin(name, life: life, takesRuns: now.isTaking)
    try loseAnswer()
    state.withLock { $0.toldTaking = now.isTaking }
    if let own = now.member, own != found { return fence() }
    state.withLock { $0.member = found }
  }

  private func say(_ member: SharedModel.FencedMember) throws(StoreError) {
    let reports = state.withLock { $0.isFenced ? [] : $0.reports }
    guard !reports.isEmpty else { return }
    try model.report(reports, member)
    try loseAnswer()
    state.withLock { state in
      state.reports = []
      for report in reports where report.state.isOver {
        state.known.remove(report.key)
        state.toldCancelled.remove(report.key)
      }
    }
  }

  private func look(_ member: SharedModel.FencedMember, isBusy: Bool) throws(StoreError) {
    let isUnsure = state.withLock { $0.isUnsure }
    guard isUnsure || model.hasNews(member) else { return }
    let found = try model.take(member)
    let ended = isBusy ? [] : try model.cancelled(member)
    try loseAnswer()
    let (runs, cancelled) = state.withLock { state -> ([RunPlacement], [PlacementKey]) in
      guard state.link.isSure else {
        state.isUnsure = true
        return ([], [])
      }
      let new = (isUnsure ? found.all : found.new).filter { !state.known.contains($0.key) }
      state.isUnsure = false
      state.known.formUnion(new.map(\.key))
      return (new, ended.filter { state.toldCancelled.insert($0).inserted })
    }
    if !runs.isEmpty { callbacks.given(runs) }
    if !cancelled.isEmpty { callbacks.cancelled(cancelled) }
  }

  private func fence() {
    state.withLock { state in
      state.member = nil
      state.isFenced = true
      state.toldTaking = false
      state.known = []
      state.toldCancelled = []
      state.isUnsure = true
      state.reports = []
    }
    callbacks.changed(.fenced(name))
  }
}

/// That a simulated host is a member of a ``SharedModel``.
final class SimulatedMembership: StoreMembership {
  private let model: SharedModel
  private let name: String
  private let life: Int
  private let opened = Mutex<SimulatedStation?>(nil)

  init(_ model: SharedModel, _ name: String, life: Int) {
    self.model = model
    self.name = name
    self.life = life
  }

  var station: SimulatedStation? { opened.withLock { $0 } }

  func openStation(_ request: StoreRequest, _ callbacks: StationCallbacks) -> (any RunStation)? {
    let made = SimulatedStation(model, name, life: life, callbacks)
    opened.withLock { $0 = made }
    return made
  }
  func beat() {}
  func leave() {}
}

/// The store of runs that a member has of the leader: it writes under the member's fence.
private final class MemberStore: SharedModelReader {
  let model: SharedModel
  private weak let station: SimulatedStation?
  init(_ model: SharedModel, _ station: SimulatedStation) {
    self.model = model
    self.station = station
  }

  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    guard let station, let member = station.member, station.link.isUp else {
      return completion(StoreError(.io, "the link broke"))
    }
    let losesAnswers = station.link.losesAnswers
    station.send { [model] in
      let error = model.apply(batch, provenBy: member)
      completion(error ?? (losesAnswers ? StoreError(.io, "the link broke") : nil))
    }
  }

  func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    completion(.failure(StoreError(.io, "transactions stay with the host that leads")))
  }
}
