internal import Basics
internal import Chronology
internal import JobModel
internal import StoreSupport

/// That this host is a member of a store: a thread with a connection of its own, which beats twice in the length of a
/// lease, and hears at once when something is asked of the member.
///
/// It is apart from the leader's writer: a host that stands by has none, and a member must be seen while a long batch
/// is written.
///
/// Threading: any thread.
final class PostgresMembership: StoreMembership {
  private struct State {
    var isLeaving = false
    var isAsked = false
  }

  private let state = Monitor(State())
  private let bell: Bell
  private let link: MemberLink
  private let thread: StoreThread
  let identity: MemberIdentity
  let address: StoreAddress
  /// How long the others surely count this host as alive.
  let held: HeldLease

  /// Joins, and begins to beat. Blocks on the server; at most for the length of a lease where it cannot be told
  /// whether a host of that name lives.
  init(
    _ target: PostgresTarget, setup: String, _ identity: MemberIdentity, lease: Int64, clock: any WallClock,
    _ callbacks: MembershipCallbacks, at address: StoreAddress
  ) throws(StoreError) {
    self.address = address
    var connection = try PostgresConnection(target, setup: setup)
    try PostgresMigration.prepare(connection, target, mayChange: true)
    self.identity = identity
    let held = HeldLease(length: lease, sentAt: HeldLease.now)
    self.held = held
    try MemberName.take(&connection, target, setup: setup, identity, lease: lease)
    bell = try Bell(target.location)
    link = MemberLink(bell)
    link.register(target, identity.name)
    let (state, bell, link, session) = (state, bell, link, connection)
    thread = try StoreThread(name: "store-member") {
      var beating = Beating(
        session, target, setup: setup, identity, held: held, clock: clock, callbacks, bell: bell, link: link)
      while true {
        let isLeaving = state.change { state in
          state.isAsked = false
          return state.isLeaving
        }
        if isLeaving { return beating.leave() }
        beating.beat()
        beating.wait()
      }
    }
  }

  func beat() {
    let isNews = state.change { state in
      defer { state.isAsked = true }
      return !state.isAsked
    }
    if isNews { bell.ring() }
  }

  func leave() {
    state.change { $0.isLeaving = true }
    bell.ring()
    thread.join()
  }
}

/// What the thread of a membership does.
private struct Beating: ~Copyable {
  private let target: PostgresTarget
  private let setup: String
  private let identity: MemberIdentity
  /// Nanoseconds.
  private let lease: Int64
  private let held: HeldLease
  private let clock: any WallClock
  private let callbacks: MembershipCallbacks
  private let bell: Bell
  private let link: MemberLink
  private var connection: PostgresConnection?
  /// Whether this session is told what is asked of members.
  private var listens = false
  private var clockAhead: Int64 = 0
  /// What the host was told last.
  private var toldAhead: Int64 = 0
  private var isDraining = false
  private var toldUnheard = false
  private var toldTaken = false
  /// When the others heard of it last, by this machine's clock since it started, that of sleep included.
  private var heardAt = HeldLease.now
  /// Nanoseconds until the next beat.
  private var pause: Int64
  /// Whether the last beat failed.
  private var isFailing = false

  private static let shortestPause: Int64 = 250_000_000
  private static let longestPause: Int64 = 5_000_000_000

  init(
    _ connection: PostgresConnection, _ target: PostgresTarget, setup: String, _ identity: MemberIdentity,
    held: HeldLease, clock: any WallClock, _ callbacks: MembershipCallbacks, bell: Bell, link: MemberLink
  ) {
    self.connection = connection
    self.target = target
    self.setup = setup
    self.identity = identity
    lease = held.length
    self.held = held
    self.clock = clock
    self.callbacks = callbacks
    self.bell = bell
    self.link = link
    pause = lease / 2
  }

  /// Nanoseconds until the next beat: half of the length of a lease, or when the lease that the host has wants it.
  private var period: Int64 {
    link.lease.map { max(lease / 12, min(lease / 2, $0.untilRenewal)) } ?? lease / 2
  }

  /// Beats once; what fails is tried again, sooner than the next beat would be due.
  mutating func beat() {
    let report = callbacks.report()
    do throws(StoreError) {
      let connection = try connected()
      let sentAt = HeldLease.now
      let before = clock.now.nanoseconds
      let leading = link.lease
      let beat = try PostgresMembers.beat(
        connection, identity, report, clockAhead: clockAhead, lease: lease, leading: leading)
      clockAhead = ServerClock.ahead(before: before, server: beat.serverTime, after: clock.now.nanoseconds)
      link.heard(beat, leading, sentAt: sentAt, target)
      guard beat.isKnown else { return try joinAgain(connection) }
      heardAt = sentAt
      held.renewed(sentAt: sentAt)
      isFailing = false
      pause = period
      tell(beat)
    } catch {
      failed(error)
    }
  }

  private mutating func connected() throws(StoreError) -> PostgresConnection {
    if let connection, !connection.isBroken {
      if !listens { try listen(connection) }
      return connection
    }
    connection = nil
    listens = false
    let made = try PostgresConnection(target, setup: setup)
    try listen(made)
    connection = made
    return made
  }

  /// Before a beat: what is asked between the two is told by it.
  private mutating func listen(_ connection: PostgresConnection) throws(StoreError) {
    _ = try connection.ask("LISTEN \(PostgresSchema.memberChannel)")
    listens = true
  }

  /// Its row is gone, or another one's: this host was away for long.
  private mutating func joinAgain(_ connection: PostgresConnection) throws(StoreError) {
    let isIn = try PostgresMembers.join(connection, identity, lease: lease, instead: nil)
    if isIn {
      toldTaken = false
      pause = Self.shortestPause
    } else {
      if !toldTaken {
        let other = try PostgresMembers.member(connection, identity.name)
        callbacks.heard(.nameTaken(MemberName.sentence(target, identity.name, other)))
      }
      toldTaken = true
      pause = lease / 2
    }
  }

  private mutating func tell(_ beat: PostgresMembers.Beat) {
    if toldUnheard || toldTaken { callbacks.heard(.heardAgain) }
    toldUnheard = false
    toldTaken = false
    let ahead = abs(clockAhead) > 1_000_000_000 ? clockAhead : 0
    // A clock that drifts is not told each time.
    if (ahead == 0) != (toldAhead == 0) || abs(ahead - toldAhead) > 1_000_000_000 {
      toldAhead = ahead
      callbacks.heard(.clockAhead(ahead))
    }
    if beat.isDraining != isDraining {
      isDraining = beat.isDraining
      callbacks.heard(.draining(isDraining, by: beat.drainedBy))
    }
    callbacks.heard(.members(beat.members))
  }

  private mutating func failed(_ error: StoreError) {
    pause = min(max(Self.shortestPause, isFailing ? pause * 2 : 0), Self.longestPause)
    isFailing = true
    guard !toldUnheard, HeldLease.now - heardAt > lease else { return }
    toldUnheard = true
    callbacks.heard(.unheard(error.message))
  }

  /// Waits for the next beat, for something that is asked of the member, or for its host.
  mutating func wait() {
    defer { bell.silence() }
    if let connection, !connection.isBroken, listens {
      do throws(StoreError) {
        _ = try connection.awaitNotice(for: pause, orReadable: bell.descriptor)
        return
      } catch {}
      // It broke: another one is made at once, once.
      pause = 0
      return
    }
    bell.wait(for: pause)
  }

  mutating func leave() {
    guard let connection, !connection.isBroken else { return }
    // What fails here the end of its lease does.
    do throws(StoreError) { try PostgresMembers.leave(connection, identity) } catch {}
  }
}

/// How this machine's clock and the server's differ.
enum ServerClock {
  /// Nanoseconds that a clock is ahead of the server's at least, when the server's was read between two readings of it;
  /// negative: behind.
  static func ahead(before: Int64, server: Int64, after: Int64) -> Int64 {
    if before > server { return before - server }
    return after < server ? after - server : 0
  }
}
