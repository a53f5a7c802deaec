package import Chronology
internal import JobModel
internal import Synchronization

/// A model of a store that several hosts may name: contents that survive every host, a lease with an epoch, and the
/// members; leases end by the model's own clock, whatever the hosts' clocks say.
///
/// It is what a real one must be like to whoever opens it: every batch proves the epoch under which it was handed over
/// when it *arrives*, however late, and a member that is drained takes no lease.
package final class SharedModel: Sendable {
  private struct Lease: Sendable {
    var epoch: Int64 = 0
    var expiresAt = Int64.min
  }

  private struct Member: Sendable {
    var life: Int
    var expiresAt: Int64
    var isDraining = false
  }

  private struct State: Sendable {
    var lease = Lease()
    var members: [String: Member] = [:]
  }

  package let contents = ModelStore()
  private let state = Mutex(State())
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
    package init() {}
  }

  package init(clock: SimulatedClock, length: Int64, fences: Fences = Fences()) {
    self.clock = clock
    self.length = length
    self.fences = fences
  }

  private var now: Int64 { clock.monotonic.now.nanoseconds }

  // MARK: The lease

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
  private func fence(_ epoch: Int64) -> StoreError? {
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
  func join(_ node: String, life: Int) -> Bool {
    state.withLock { state in
      if let other = state.members[node], other.life != life, other.expiresAt > now { return false }
      let isDraining = state.members[node]?.life == life && state.members[node]?.isDraining == true
      state.members[node] = Member(life: life, expiresAt: now + length, isDraining: isDraining)
      return true
    }
  }

  /// Whether it is drained; nil: it is no member, and has to join again.
  func beat(_ node: String, life: Int) -> Bool? {
    state.withLock { state in
      guard state.members[node]?.life == life else { return nil }
      state.members[node]?.expiresAt = now + length
      return state.members[node]?.isDraining
    }
  }

  func setDraining(_ isDraining: Bool, of node: String) { state.withLock { $0.members[node]?.isDraining = isDraining } }

  /// Members that count as alive, by name.
  var alive: [String] { state.withLock { state in state.members.filter { $0.value.expiresAt > now }.keys.sorted() } }
}
