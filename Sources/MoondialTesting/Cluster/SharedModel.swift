package import Chronology
internal import JobModel
internal import Synchronization

/// A model of a store that several hosts may name: contents that survive every host, a lease with an epoch, the
/// members, and the runs that they have of the leader; leases end by the model's own clock, whatever the hosts' clocks
/// say.
///
/// It is what a real one must be like to whoever opens it: every batch proves the epoch under which it was handed over
/// when it *arrives*, however late; what a member writes proves that nobody has given it up; and a member that is
/// drained takes no lease and is given nothing.
package final class SharedModel: Sendable {
  struct Lease: Sendable {
    var epoch: Int64 = 0
    var expiresAt = Int64.min
  }

  struct Member: Sendable {
    var life: Int
    /// Which process: a drain is of one.
    var process: Int
    var expiresAt: Int64
    var fence: Int64
    var isDraining = false
    var takesRuns = false
    var labels: [String] = []
    var scripts = ""
  }

  struct State: Sendable {
    var lease = Lease()
    var members: [String: Member] = [:]
    var lastFence: Int64 = 0
    /// Rises with what a leader hears of its members at once.
    var version = 0
    var placed: [PlacementKey: Placed] = [:]
    /// Rises with what members say of placements.
    var reports = 0
    var totals = (placed: 0, lost: 0, declined: 0)
  }

  package let contents = ModelStore()
  let state = Mutex(State())
  private let clock: SimulatedClock
  /// How long a lease lasts, nanoseconds.
  package let length: Int64
  let fences: Fences

  /// What keeps out what is late. Each is taken out to see whether stories notice.
  package struct Fences: Sendable {
    /// A batch proves that nobody has taken the store since it was sent.
    package var epochs = true
    /// A batch that was sent over a broken link takes no effect once something was sent over the next one.
    package var sessions = true
    /// A member is given up when its lease has ended, and not before.
    package var leases = true
    /// Runs that members have go on when another host leads.
    package var adoption = true
    package init() {}
  }

  package init(clock: SimulatedClock, length: Int64, fences: Fences = Fences()) {
    self.clock = clock
    self.length = length
    self.fences = fences
  }

  var now: Int64 { clock.monotonic.now.nanoseconds }

  // MARK: The lease

  /// Of the host that leads, or led last.
  var epoch: Int64 { state.withLock { $0.lease.epoch } }

  /// The new epoch; nil: another host's lease lasts, or this one is drained.
  func take(_ node: String) -> Int64? {
    state.withLock { state in
      guard state.lease.expiresAt <= now, state.members[node]?.isDraining != true else { return nil }
      state.lease.epoch += 1
      state.lease.expiresAt = now + length
      return state.lease.epoch
    }
  }

  /// False: another host has the store.
  func renew(_ epoch: Int64) -> Bool {
    state.withLock { state in
      guard state.lease.epoch == epoch else { return false }
      state.lease.expiresAt = now + length
      return true
    }
  }

  func release(_ epoch: Int64) { state.withLock { if $0.lease.epoch == epoch { $0.lease.expiresAt = now } } }

  // MARK: What arrives from one that leads

  /// Why nothing of what was handed over under that epoch is done; nil: it leads, and its lease is renewed.
  func fence(_ epoch: Int64) -> StoreError? {
    renew(epoch) || !fences.epochs ? nil : StoreError(.lost, "another host has the model")
  }

  func apply(_ batch: StoreBatch, provenBy epoch: Int64) -> StoreError? {
    if let error = fence(epoch) { return error }
    contents.apply(batch) { _ in }
    return nil
  }

  func commit(
    _ transaction: RunTransaction, at now: Instant, provenBy epoch: Int64
  ) -> Result<TransactionAnswer, StoreError> {
    if let error = fence(epoch) { return .failure(error) }
    // The model answers inside the call.
    let answer = Mutex<Result<TransactionAnswer, StoreError>>(.failure(.closed("model")))
    contents.commit(transaction, at: now) { result in answer.withLock { $0 = result } }
    return answer.withLock { $0 }
  }

  // MARK: Members

  /// A host becomes a member. False: a live one has its name.
  ///
  /// - Parameters:
  ///   - life: another one whenever it begins anew.
  ///   - process: it stays drained while it is the same.
  ///   - knowsGone: whether it can tell that who had the name before it has gone: on the same machine.
  func join(_ node: String, life: Int, process: Int, knowsGone: Bool, labels: [String]) -> Bool {
    state.withLock { state in
      let other = state.members[node]
      if let other, other.life != life, other.life != Self.nobody, other.expiresAt > now, !knowsGone { return false }
      state.lastFence += 1
      var member = Member(life: life, process: process, expiresAt: now + length, fence: state.lastFence)
      member.isDraining = other?.process == process && other?.isDraining == true
      member.labels = labels
      state.members[node] = member
      state.version += 1
      return true
    }
  }

  /// The life of a row whose member has left, and is drained.
  private static let nobody = -1

  /// Whether it is drained; nil: it is no member, and has to join again.
  func beat(_ node: String, life: Int, scripts: String) -> Bool? {
    state.withLock { state in
      guard state.members[node]?.life == life else { return nil }
      state.members[node]?.expiresAt = now + length
      state.members[node]?.scripts = scripts
      return state.members[node]?.isDraining
    }
  }

  /// It is no member any more. The row of one that is drained stays, for its process to find.
  func leave(_ node: String, life: Int) {
    state.withLock { state in
      guard let member = state.members[node], member.life == life else { return }
      state.version += 1
      if member.isDraining { state.members[node]?.life = Self.nobody } else { state.members[node] = nil }
    }
  }

  func setDraining(_ isDraining: Bool, of node: String) {
    state.withLock { state in
      state.version += 1
      state.members[node]?.isDraining = isDraining
    }
  }

  /// Members that count as alive, by name.
  package var alive: [String] { list.filter(\.isAlive).map(\.name) }

  /// Members as a leader hears of them, by name.
  var list: [StoreMember] {
    state.withLock { state in
      state.members.sorted { $0.key < $1.key }.filter { $0.value.life != Self.nobody }.map { name, member in
        var identity = Self.identity
        (identity.name, identity.life, identity.labels) = (name, "\(member.life)", member.labels)
        var found = StoreMember(identity: identity, since: Instant(nanoseconds: 0), left: member.expiresAt - now)
        found.takesRuns = member.takesRuns
        found.isDraining = member.isDraining
        found.report.scripts = member.scripts
        return found
      }
    }
  }

  func isMember(_ node: String, life: Int) -> Bool { state.withLock { $0.members[node]?.life == life } }
  func isDrained(_ node: String) -> Bool? { state.withLock { $0.members[node]?.isDraining } }
  /// Rises with what members say of placements.
  var reports: Int { state.withLock { $0.reports } }
  /// Placements, and how many of them were given up or declined.
  var totals: (placed: Int, lost: Int, declined: Int) { state.withLock { $0.totals } }

  /// Few workers: a second run already goes to another host.
  static let workers = 1
  /// What all members have in common. Made once: it asks the system who this process is.
  private static let identity = MemberIdentity(
    name: "", life: "", version: "model", executors: [.init(name: "default", workers: workers)])

  /// Rises with what a leader hears at once.
  var version: Int { state.withLock { $0.version } }
}
