internal import Basics
internal import JobModel

/// Says which runs belong to living processes alongside the host: the session of each holds an advisory lock with the
/// run's id, and the server lets go of it when the session ends. So a host that starts never ends, or repeats, a run
/// that is alive, and does end one whose process died.
///
/// A pooler between them that gives one session to several clients (PgBouncer's transaction mode) breaks this, and much
/// else.
final class ExternalRunLocks: Sendable {
  /// The first of the two numbers of the locks' keys: `MOON`.
  private static let space: Int64 = 0x4d4f_4f4e
  private let connection = Monitor<PostgresConnection?>(nil)
  private let target: PostgresTarget
  private let setup: String

  init(_ target: PostgresTarget, setup: String) {
    self.target = target
    self.setup = setup
  }

  /// Marks `run` as alive until this is closed.
  func mark(_ run: RunID) throws(StoreError) {
    try connection.withLock { connection throws(StoreError) in
      let session: PostgresConnection
      if let connection, !connection.isBroken {
        session = connection
      } else {
        session = try PostgresConnection(target, setup: setup)
      }
      connection = session
      _ = try session.ask("SELECT pg_advisory_lock($1::int, $2::int)") {
        $0.add(Self.space)
        $0.add(Self.key(run.number))
      }
    }
  }

  func close() { connection.withLock { $0 = nil } }

  /// As much of an id as a lock has room for, as a signed number.
  private static func key(_ run: Int64) -> Int64 { Int64(Int32(truncatingIfNeeded: run)) }

  /// The runs among `runs` whose process is alive alongside the host.
  static func alive(among runs: [RunRecord], _ readers: PostgresReaders) throws(StoreError) -> Set<RunID> {
    guard !runs.isEmpty else { return [] }
    let rows = try readers.ask(
      """
      SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 \
      AND classid::bigint = $1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      """
    ) { $0.add(Self.space) }
    let held = Set((0..<rows.count).map { rows.integer($0, 0) })
    return Set(runs.map(\.id).filter { held.contains(Int64(UInt32(truncatingIfNeeded: $0.number))) })
  }
}
