internal import Basics
internal import Glibc
internal import JobModel

/// A host's leadership of a store: the epoch that it took, and until when nobody else may take over.
///
/// Only the server's clock says when a lease ends. Here a host reckons, by its own clock since boot and on the safe
/// side, until when it can be sure to have it: from the moment at which it *sent* its last renewal.
///
/// Threading: any thread.
final class PostgresLease: Sendable {
  let epoch: Int64
  /// Nanoseconds.
  let length: Int64
  private let state: Monitor<State>

  struct State {
    /// By ``now``.
    var surelyUntil: Int64
    /// Why it is over: somebody else has taken over.
    var loss: String?
    /// It is given back, or the store is closed.
    var isClosed = false
  }

  init(epoch: Int64, length: Int64, sentAt: Int64) {
    self.epoch = epoch
    self.length = length
    state = Monitor(State(surelyUntil: sentAt + length))
  }

  /// Nanoseconds of CLOCK_BOOTTIME: a machine that was suspended has not renewed anything meanwhile.
  static var now: Int64 {
    var time = timespec()
    // Safe: the call writes the one struct it is given.
    unsafe clock_gettime(CLOCK_BOOTTIME, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// A renewal that was sent then has been confirmed.
  func renewed(sentAt: Int64) { state.change { $0.surelyUntil = max($0.surelyUntil, sentAt + length) } }

  /// Another host has the store.
  func lose(_ why: String) { state.change { $0.loss = $0.loss ?? why } }
  func close() { state.change { $0.isClosed = true } }

  var isOver: Bool { state.withLock { $0.loss != nil || $0.isClosed } }
  /// Whether nobody else can have the store at this moment.
  var isSure: Bool { state.withLock { $0.loss == nil && $0.surelyUntil > Self.now } }

  /// Nanoseconds until the next renewal is due: a third of its length after the last one.
  var untilRenewal: Int64 { state.withLock { $0.surelyUntil } - length + length / 3 - Self.now }

  // MARK: Watching it

  /// How long before its end, by this host's reckoning, what runs is told to end.
  private var margin: Int64 { length / 3 }

  /// Tells each change until it is lost or closed. The life of a thread.
  func watch(_ location: String, _ listener: (LeaseChange) -> Void) {
    var isDoubtful = false
    while true {
      // At most a sixth of its length asleep: a machine may have been suspended.
      let deadline = monotonicNow() + max(1_000_000, min(length / 6, untilDoubt))
      let change = state.wait(until: deadline) { state -> State? in
        state.isClosed || state.loss != nil || isDoubtful && state.surelyUntil - self.margin > Self.now ? state : nil
      }
      if let loss = change?.loss { return listener(.lost(loss)) }
      if change?.isClosed == true { return }
      let isLate = untilDoubt <= 0
      if isLate, !isDoubtful {
        listener(
          .doubtful(
            "\(location): the lease could not be renewed, and another host may take over soon: what runs is ended, and nothing is started until it is"
          ))
      } else if !isLate, isDoubtful {
        listener(.regained)
      }
      isDoubtful = isLate
    }
  }

  private var untilDoubt: Int64 { state.withLock { $0.surelyUntil } - margin - Self.now }

  func stopWatching() { close() }

  /// The proof that every transaction begins with; it renews the lease too.
  func proof(highestRun: Int64, decision: Int64) -> PostgresStep {
    PostgresStep("SELECT prove($1, $2, $3, $4)") {
      $0.add(epoch)
      $0.add(highestRun)
      $0.add(decision)
      $0.add(length / 1_000_000)
    }
  }

  // MARK: Taking it

  /// Who leads, as the row says.
  struct Holder: Sendable {
    var node: String
    var process: Int64
    var takenAt: String
    /// Nanoseconds that its lease has left by the server's clock; negative: it is over.
    var left: Int64

    var description: String { "process \(process) on \(node), since \(takenAt)" }
  }

  static func holder(_ connection: PostgresConnection) throws(StoreError) -> Holder? {
    let rows = try connection.ask(
      """
      SELECT node, process, to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), \
      CASE WHEN expires_at = '-infinity' THEN -1 \
      ELSE (extract(epoch FROM expires_at - clock_timestamp()) * 1e9)::bigint END FROM leadership WHERE epoch > 0
      """)
    guard rows.count == 1 else { return nil }
    return Holder(
      node: rows.text(0, 0), process: rows.integer(0, 1), takenAt: rows.text(0, 2), left: rows.integer(0, 3))
  }

  /// Takes the store over if its lease is free.
  ///
  /// - Parameter byForce: also while another host's lease lasts.
  /// - Throws: `.locked` with who has it.
  static func take(
    _ connection: PostgresConnection, _ target: PostgresTarget, node: String?, length: Int64, byForce: Bool
  ) throws(StoreError) -> PostgresLease {
    let sentAt = now
    if let epoch = try tryToTake(connection, node ?? ProcessPlace.machine, length: length, byForce: byForce) {
      return PostgresLease(epoch: epoch, length: length, sentAt: sentAt)
    }
    let holder = try holder(connection)
    throw StoreError(
      .locked,
      "\(target.location): another host schedules from this store (\(holder?.description ?? "it has just started")): stop it, or name another store"
    )
  }

  /// The epoch that was taken; nil: another host's lease lasts.
  private static func tryToTake(
    _ connection: PostgresConnection, _ node: String, length: Int64, byForce: Bool
  ) throws(StoreError) -> Int64? {
    let take = PostgresStep(
      """
      UPDATE leadership SET epoch = epoch + 1, node = $1, process = $2, backend = pg_backend_pid(), \
      decision_number = 0, taken_at = clock_timestamp(), expires_at = clock_timestamp() + $3 * interval '1 ms' \
      WHERE (expires_at <= clock_timestamp() OR $4) \
      AND NOT EXISTS(SELECT FROM members WHERE name = $1 AND draining) RETURNING epoch
      """
    ) {
      $0.add(node)
      $0.add(Int64(getpid()))
      $0.add(length / 1_000_000)
      $0.add(byForce)
    }
    // The former leader may have been stopped in the middle of a transaction, which holds the row: its session is
    // ended. What it had not committed then never was.
    let evict = PostgresStep(
      """
      SELECT pg_terminate_backend(a.pid) FROM leadership l JOIN pg_stat_activity a ON a.pid = l.backend \
      WHERE (l.expires_at <= clock_timestamp() OR $1) AND a.pid <> pg_backend_pid() AND a.datname = current_database() \
      AND a.usename = current_user AND a.application_name LIKE 'moondial%'
      """
    ) { $0.add(byForce) }
    let answers = try connection.run([
      PostgresStep("BEGIN"), PostgresStep("SET LOCAL synchronous_commit = on"), evict, take, PostgresStep("COMMIT"),
    ])
    return answers[3].count == 1 ? answers[3].integer(0, 0) : nil
  }

  /// Gives it back, so that who stands by need not wait for its end.
  func release(_ connection: PostgresConnection) throws(StoreError) {
    _ = try connection.run([
      PostgresStep("UPDATE leadership SET expires_at = clock_timestamp() WHERE epoch = $1") { $0.add(epoch) },
      PostgresStep("SELECT pg_notify('\(PostgresSchema.channel)', '')"),
    ])
  }
}
