internal import JobModel
internal import StoreSupport
internal import Synchronization

/// What a host's membership of a store and the host's scheduling from it tell each other, though each has a connection
/// of its own: a beat renews the lease that the host has, and brings to a host that stands by when the lease of
/// another one ends. So an idle host sends one kind of statement and no other.
///
/// Threading: any thread.
final class MemberLink: Sendable {
  private struct State {
    var lease: PostgresLease?
    /// When the lease of whoever has it ends at the earliest, by ``HeldLease/now``; nil: nobody has said so lately.
    var endsAt: Int64?
    var isDraining = false
  }

  private let state = Mutex(State())
  private let bell: Bell

  /// - Parameter bell: wakes the membership's thread.
  init(_ bell: Bell) { self.bell = bell }

  // MARK: The host's side

  /// The host has that lease from now on; nil: none any more.
  func lead(_ lease: PostgresLease?) {
    state.withLock { $0.lease = lease }
    lease?.isRenewedByMember.store(true, ordering: .relaxed)
    // It was waiting for its own next beat, which may be later than the lease wants.
    if lease != nil { bell.ring() }
  }

  /// Nanoseconds for which nothing but a notice can make the store free for this host, as far as the last beat tells;
  /// nil: the server is to be asked.
  ///
  /// - Parameter lease: how long the host's own would be.
  func untilFree(_ lease: Int64) -> Int64? {
    state.withLock { state in
      if state.isDraining { return lease }
      guard let endsAt = state.endsAt else { return nil }
      let left = endsAt - HeldLease.now
      return left > 0 ? min(left, lease) : nil
    }
  }

  // MARK: The member's side

  /// The lease that a beat is to renew.
  var lease: PostgresLease? { state.withLock { $0.lease.flatMap { $0.held.isOver ? nil : $0 } } }

  /// A beat that was sent then brought this.
  func heard(_ beat: PostgresMembers.Beat, _ lease: PostgresLease?, sentAt: Int64, _ target: PostgresTarget) {
    state.withLock { state in
      // Of a free store the server knows more than a beat.
      state.endsAt = beat.leaseLeft > 0 ? HeldLease.now + beat.leaseLeft : nil
      state.isDraining = beat.isDraining
    }
    guard let lease else { return }
    if beat.hasRenewed {
      lease.held.renewed(sentAt: sentAt)
    } else if beat.epoch > lease.epoch {
      lease.held.lose(target.failure(state: PostgresSchema.fencedState, message: "").message)
    }
  }

  // MARK: Finding it

  private struct Name: Hashable {
    var address: String
    var node: String
  }
  private struct Known: Sendable { weak let link: MemberLink? }
  private static let known = Mutex<[Name: Known]>([:])

  /// From now on the store of that address finds it, if it is opened by a host of that name.
  func register(_ target: PostgresTarget, _ node: String) {
    Self.known.withLock { known in
      known = known.filter { $0.value.link != nil }
      known[Name(address: target.uri, node: node)] = Known(link: self)
    }
  }

  static func of(_ target: PostgresTarget, _ node: String?) -> MemberLink? {
    node.flatMap { node in known.withLock { $0[Name(address: target.uri, node: node)]?.link } }
  }
}
