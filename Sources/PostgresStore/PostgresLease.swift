internal import Basics
internal import Glibc
internal import JobModel
internal import StoreSupport
internal import Synchronization

/// A host's leadership of a store: the epoch that it took, and until when nobody else may take over.
///
/// Threading: any thread.
final class PostgresLease: Sendable {
  let epoch: Int64
  let held: HeldLease
  /// Whether the host's beats as a member renew it too: then its writer does so only when they do not.
  let isRenewedByMember = Atomic(false)
  /// Whether another host had the store while this one waited for it.
  let isTakeover: Bool

  init(epoch: Int64, length: Int64, sentAt: Int64, isTakeover: Bool = false) {
    self.epoch = epoch
    self.isTakeover = isTakeover
    held = HeldLease(length: length, sentAt: sentAt)
  }

  /// Nanoseconds until the next renewal is due. At four ninths of its length, so that an idle host with the usual lease
  /// sends nine statements a minute, and a renewal that fails has a third as long again until what runs is ended.
  var untilRenewal: Int64 { held.length * 4 / 9 - held.age }
  /// The same for the writer.
  var untilOwnRenewal: Int64 {
    isRenewedByMember.load(ordering: .relaxed) ? held.length * 5 / 9 - held.age : untilRenewal
  }

  /// Whole milliseconds, for the server.
  var milliseconds: Int64 { held.length / 1_000_000 }

  /// In a transaction that a crash of the server must not take back, however the store commits otherwise: its host goes
  /// by it.
  static let onDisk = PostgresStep("SELECT set_config('synchronous_commit', 'on', true)")

  /// The proof that every transaction begins with; it renews the lease too.
  ///
  /// - Parameter commit: the number by which the transaction is found again if its answer is lost; 0: nobody asks.
  func proof(highestRun: Int64, decision: Int64, commit: Int64) -> PostgresStep {
    PostgresStep("SELECT prove($1, $2, $3, $4, $5)") {
      $0.add(epoch)
      $0.add(highestRun)
      $0.add(decision)
      $0.add(milliseconds)
      $0.add(commit)
    }
  }

  /// What the row of leadership says to a session that takes the place of one that broke.
  struct Standing: Sendable {
    /// The highest number of a decision that was committed.
    var decision: Int64
    /// The number of the last commit.
    var commit: Int64
    /// What the last change of values answered: of each a status, the bytes of its space and its own.
    var answers: [Int64]
  }

  /// Proves the epoch in a new session, and renews the lease. From then on the former session commits nothing: what it
  /// was sent is in the row, or never will be.
  ///
  /// - Throws: `.lost` when another host has the store.
  func resume(_ connection: PostgresConnection, _ target: PostgresTarget) throws(StoreError) -> Standing {
    let sentAt = HeldLease.now
    let resumption = PostgresStep(
      """
      UPDATE leadership SET backend = pg_backend_pid(), backend_start = \(Self.ownStart), \
      expires_at = clock_timestamp() + $2 * interval '1 ms' WHERE epoch = $1 \
      RETURNING decision_number, last_commit, array_to_string(answers, ' ')
      """
    ) {
      $0.add(epoch)
      $0.add(milliseconds)
    }
    let rows = try connection.run([PostgresStep("BEGIN"), Self.onDisk, resumption, PostgresStep("COMMIT")])[2]
    guard rows.count == 1 else {
      let loss = target.failure(state: PostgresSchema.fencedState, message: "")
      held.lose(loss.message)
      throw loss
    }
    held.renewed(sentAt: sentAt)
    return Standing(
      decision: rows.integer(0, 0), commit: rows.integer(0, 1),
      answers: rows.text(0, 2).split(separator: " ").compactMap { Int64($0) })
  }

  /// When this session began. The number of its process alone may be another session's soon.
  private static let ownStart = "(SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())"

  // MARK: Taking it

  /// Who leads, as the row says.
  struct Holder: Sendable {
    var node: String
    var process: Int64
    /// It is a migration, which schedules nothing.
    var moves: Bool
    /// How many hosts have taken the store so far, migrations left aside.
    var changes: Int64
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
      ELSE (extract(epoch FROM expires_at - clock_timestamp()) * 1e9)::bigint END, moves::int, changes \
      FROM leadership WHERE epoch > 0
      """)
    guard rows.count == 1 else { return nil }
    return Holder(
      node: rows.text(0, 0), process: rows.integer(0, 1), moves: rows.integer(0, 4) != 0,
      changes: rows.integer(0, 5), takenAt: rows.text(0, 2), left: rows.integer(0, 3))
  }

  /// Takes the store over if its lease is free.
  ///
  /// - Parameters:
  ///   - byForce: also while another host's lease lasts.
  ///   - moves: to move everything out of it or into it, and not to schedule.
  ///   - awaited: whose lease the caller waited for.
  /// - Throws: `.locked` with who has it, or what keeps hosts out.
  static func take(
    _ connection: PostgresConnection, _ target: PostgresTarget, node: String? = nil, length: Int64, byForce: Bool,
    moves: Bool = false, after awaited: PostgresStandby.Awaited? = nil
  ) throws(StoreError) -> PostgresLease {
    let sentAt = HeldLease.now
    let name = node ?? ProcessPlace.machine
    if let taken = try tryToTake(connection, name, length: length, byForce: byForce, moves: moves) {
      return PostgresLease(
        epoch: taken.epoch, length: length, sentAt: sentAt,
        isTakeover: awaited.map { $0.isTakeover(by: taken.changes) } ?? false)
    }
    if !moves, try connection.ask("SELECT 1 FROM leadership WHERE transfer IS NOT NULL").count > 0 {
      throw target.halfMoved
    }
    let holder = try holder(connection)
    throw StoreError(
      .locked,
      "\(target.location): another host schedules from this store (\(holder?.description ?? "it has just started")): "
        + "stop it, or name another store"
    )
  }

  /// Whether nobody has it: its end has passed, or it was a migration's, whose session has gone.
  static let isFree = """
    (expires_at <= clock_timestamp() OR moves AND NOT EXISTS (SELECT FROM pg_stat_activity a \
    WHERE a.pid = backend AND a.backend_start = leadership.backend_start))
    """

  /// The epoch that was taken, and how many hosts have taken the store with this one; nil: another host's lease lasts.
  private static func tryToTake(
    _ connection: PostgresConnection, _ node: String, length: Int64, byForce: Bool, moves: Bool
  ) throws(StoreError) -> (epoch: Int64, changes: Int64)? {
    let take = PostgresStep(
      """
      UPDATE leadership SET epoch = epoch + 1, node = $1, process = $2, backend = pg_backend_pid(), \
      backend_start = \(ownStart), decision_number = 0, last_commit = 0, answers = NULL, \
      taken_at = clock_timestamp(), expires_at = clock_timestamp() + $3 * interval '1 ms', \
      moves = $5, changes = changes + (CASE WHEN $5 THEN 0 ELSE 1 END) \
      WHERE (\(isFree) OR $4) AND (transfer IS NULL OR $5) \
      AND ($5 OR NOT EXISTS(SELECT FROM members WHERE name = $1 AND draining)) RETURNING epoch, changes
      """
    ) {
      $0.add(node)
      $0.add(Int64(getpid()))
      $0.add(length / 1_000_000)
      $0.add(byForce)
      $0.add(moves)
    }
    // The former leader may have been stopped in the middle of a transaction, which holds the row: its session, and no
    // other one, is ended. What it had not committed then never was.
    let evict = PostgresStep(
      """
      SELECT pg_terminate_backend(a.pid) FROM leadership l \
      JOIN pg_stat_activity a ON a.pid = l.backend AND a.backend_start = l.backend_start \
      WHERE (l.expires_at <= clock_timestamp() OR $1) AND a.pid <> pg_backend_pid() \
      AND pg_has_role(a.usesysid, 'MEMBER')
      """
    ) { $0.add(byForce) }
    let answers = try connection.run([
      PostgresStep("BEGIN"), onDisk, evict, take, PostgresStep("COMMIT"),
    ])
    return answers[3].count == 1 ? (answers[3].integer(0, 0), answers[3].integer(0, 1)) : nil
  }

  /// Gives it back, so that who stands by need not wait for its end.
  func release(_ connection: PostgresConnection) throws(StoreError) {
    _ = try connection.run([
      PostgresStep("UPDATE leadership SET expires_at = clock_timestamp() WHERE epoch = $1") { $0.add(epoch) },
      PostgresStep("SELECT pg_notify('\(PostgresSchema.channel)', '')"),
    ])
  }
}
