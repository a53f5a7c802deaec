internal import Basics
internal import Chronology
package import JobModel

/// The rows of the hosts that name a store.
enum PostgresMembers {
  /// What there is of each, in the order in which ``read(_:_:)`` takes it. Who leads is the live member that the lease
  /// names.
  static let columns = """
    m.name, m.life, m.machine, m.place, m.process, m.process_started, m.version, \
    array_to_string(m.labels, E'\\n'), array_to_string(m.executors, E'\\n'), array_to_string(m.workers, ' '), \
    m.generation, m.scripts, m.runs, (extract(epoch FROM m.since) * 1e9)::bigint, \
    (extract(epoch FROM m.expires_at - clock_timestamp()) * 1e9)::bigint, m.clock_ahead, m.draining, m.drained_by, \
    (extract(epoch FROM l.taken_at) * 1e9)::bigint, \
    (extract(epoch FROM l.expires_at - clock_timestamp()) * 1e9)::bigint, m.takes
    """

  static let tables = """
    members m LEFT JOIN leadership l ON l.node = m.name AND l.process = m.process AND l.epoch > 0 \
    AND l.expires_at > clock_timestamp()
    """

  /// - Parameter first: the column that they begin with.
  static func read(_ rows: PostgresRows, from first: Int32 = 0) -> [StoreMember] {
    (0..<rows.count).map { row in
      func text(_ column: Int32) -> String { rows.text(row, first + column) }
      func integer(_ column: Int32) -> Int64 { rows.integer(row, first + column) }
      func words(_ column: Int32, _ separator: Character) -> [String] {
        text(column).split(separator: separator).map(String.init)
      }
      let workers = words(9, " ").map { Int($0) ?? 0 }
      var identity = MemberIdentity(
        name: text(0), life: text(1), version: text(6), labels: words(7, "\n"), machine: text(2),
        place: ProcessPlace(process: Int32(clamping: integer(4)), space: text(3), started: integer(5)))
      identity.executors = zip(words(8, "\n"), workers).map { MemberIdentity.Executor(name: $0, workers: $1) }
      var member = StoreMember(
        identity: identity, since: Instant(nanoseconds: integer(13)), left: integer(14))
      member.report.generation = rows.count(row, first + 10)
      member.report.scripts = text(11)
      member.report.runs = rows.count(row, first + 12)
      member.clockAhead = integer(15)
      member.isDraining = integer(16) != 0
      member.drainedBy = rows.optionalText(row, first + 17)
      if let since = rows.instant(row, first + 18) {
        member.lead = StoreMember.Lead(since: since, left: integer(19))
      }
      member.takesRuns = integer(20) != 0
      return member
    }
  }

  /// Whether a member is to be given nothing.
  static func isDraining(_ connection: PostgresConnection, _ node: String?) throws(StoreError) -> Bool {
    guard let node else { return false }
    return try connection.ask("SELECT 1 FROM members WHERE name = $1 AND draining") { $0.add(node) }.count > 0
  }

  // MARK: Joining

  /// Makes the row of a member, unless a live one has its name.
  ///
  /// - Parameter former: the life of one that is known to have gone; nil: none.
  static func join(
    _ connection: PostgresConnection, _ identity: MemberIdentity, lease: Int64, instead former: String?
  ) throws(StoreError) -> Bool {
    let join = PostgresStep(
      """
      INSERT INTO members AS m(name, life, machine, place, process, process_started, version, labels, executors, \
      workers, since, expires_at) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp(), \
      clock_timestamp() + $11 * interval '1 ms') ON CONFLICT (name) DO UPDATE SET life = excluded.life, \
      machine = excluded.machine, place = excluded.place, process = excluded.process, \
      process_started = excluded.process_started, version = excluded.version, labels = excluded.labels, \
      executors = excluded.executors, workers = excluded.workers, since = excluded.since, \
      expires_at = excluded.expires_at, fence = excluded.fence, takes = false, generation = 0, scripts = '', runs = 0, clock_ahead = 0, \
      draining = m.draining AND m.place = excluded.place AND m.process = excluded.process \
      AND m.process_started = excluded.process_started \
      WHERE m.expires_at <= clock_timestamp() OR m.life = $12 RETURNING draining
      """
    ) {
      $0.add(identity.name)
      $0.add(identity.life)
      $0.add(identity.machine)
      $0.add(identity.place.space)
      $0.add(Int64(identity.place.process))
      $0.add(identity.place.started)
      $0.add(identity.version)
      $0.add(identity.labels) { label -> String? in label }
      $0.add(identity.executors) { executor -> String? in executor.name }
      $0.add(identity.executors) { executor -> Int64? in Int64(executor.workers) }
      $0.add(lease / 1_000_000)
      $0.add(former)
    }
    // Who has gone without a word is shown for a day.
    let forget = PostgresStep("DELETE FROM members WHERE expires_at < clock_timestamp() - interval '1 day'")
    return try connection.run([PostgresStep("BEGIN"), forget, join, PostgresStep("COMMIT")])[2].count == 1
  }

  /// The member of that name.
  static func member(_ connection: PostgresConnection, _ name: String) throws(StoreError) -> StoreMember? {
    read(try connection.ask("SELECT \(columns) FROM \(tables) WHERE m.name = $1") { $0.add(name) }).first
  }

  // MARK: Beating

  /// What a beat brings.
  struct Beat {
    /// Whether the row is there, and still this life's.
    var isKnown = false
    var isDraining = false
    var drainedBy = ""
    /// The server's clock, nanoseconds.
    var serverTime: Int64 = 0
    /// As they were before it.
    var members: [StoreMember] = []
    /// Who has the lease, and for how many nanoseconds nobody else can take it.
    var epoch: Int64 = 0
    var leaseLeft: Int64 = 0
    /// Whether it has renewed the lease that it was to renew.
    var hasRenewed = false
  }

  /// Says that a member lives, and how it is, and renews the lease that it has: one statement, with everything that it
  /// wants to know.
  ///
  /// The row of a lease that a transaction of the host has is left to that, which renews it too. One that has ended, or
  /// was given back, is not renewed by a beat. What is renewed is on the disk, as a member's row need not be.
  ///
  /// - Parameter leading: the lease; nil: its host has none.
  static func beat(
    _ connection: PostgresConnection, _ identity: MemberIdentity, _ report: MemberReport, clockAhead: Int64,
    lease: Int64, leading: PostgresLease? = nil
  ) throws(StoreError) -> Beat {
    let step = PostgresStep(
      """
      WITH beat AS (UPDATE members SET expires_at = clock_timestamp() + $3 * interval '1 ms', generation = $4, \
      scripts = $5, runs = $6, clock_ahead = $7 WHERE name = $1 AND life = $2 RETURNING draining, drained_by), \
      own AS (SELECT one FROM leadership WHERE epoch = $8 AND expires_at > clock_timestamp() FOR UPDATE SKIP LOCKED), \
      renewed AS (UPDATE leadership l SET expires_at = clock_timestamp() + $9 * interval '1 ms' FROM own \
      WHERE l.one = own.one AND l.epoch = $8 RETURNING set_config('synchronous_commit', 'on', true)) \
      SELECT (SELECT count(*) FROM beat), coalesce((SELECT draining FROM beat), false), \
      coalesce((SELECT drained_by FROM beat), ''), (extract(epoch FROM clock_timestamp()) * 1e9)::bigint, \
      (SELECT count(*) FROM renewed), (SELECT epoch FROM leadership), \
      (SELECT CASE WHEN \(PostgresLease.isFree) THEN 0 \
      ELSE (extract(epoch FROM expires_at - clock_timestamp()) * 1e9)::bigint END FROM leadership), \(columns) \
      FROM \(tables) ORDER BY m.name
      """
    ) {
      $0.add(identity.name)
      $0.add(identity.life)
      $0.add(lease / 1_000_000)
      $0.add(Int64(report.generation))
      $0.add(report.scripts)
      $0.add(Int64(report.runs))
      $0.add(clockAhead)
      $0.add(leading?.epoch)
      $0.add(leading?.milliseconds ?? 0)
    }
    // By then the next one is due, over another connection.
    let rows = try connection.run([step], within: max(1_000_000_000, lease / 2))[0]
    var beat = Beat()
    guard rows.count > 0 else { return beat }
    beat.isKnown = rows.integer(0, 0) > 0
    beat.isDraining = rows.integer(0, 1) != 0
    beat.drainedBy = rows.text(0, 2)
    beat.serverTime = rows.integer(0, 3)
    beat.hasRenewed = rows.integer(0, 4) > 0
    beat.epoch = rows.integer(0, 5)
    beat.leaseLeft = rows.integer(0, 6)
    beat.members = read(rows, from: 7)
    return beat
  }

  /// Takes a member's row away. Of one that is drained it stays, without a life: the same process finds it when it
  /// begins anew.
  static func leave(_ connection: PostgresConnection, _ identity: MemberIdentity) throws(StoreError) {
    let delete = PostgresStep("DELETE FROM members WHERE name = $1 AND life = $2 AND NOT draining") {
      $0.add(identity.name)
      $0.add(identity.life)
    }
    let keep = PostgresStep("UPDATE members SET life = '', runs = 0 WHERE name = $1 AND life = $2") {
      $0.add(identity.name)
      $0.add(identity.life)
    }
    _ = try connection.run([delete, keep])
  }
}

extension PostgresStore: SharedStore {
  package func members() throws(StoreError) -> [StoreMember] {
    PostgresMembers.read(
      try readers.ask(
        "SELECT \(PostgresMembers.columns) FROM \(PostgresMembers.tables) ORDER BY m.name"))
  }

  package func setDraining(
    _ isDraining: Bool, of member: String, by caller: String
  ) throws(StoreError) -> Bool {
    guard mode != .reader else { throw target.onlyRead }
    // Whoever stands by may have waited for the end of a drain. However the store commits otherwise, the caller goes by
    // it.
    let rows = try readers.ask(
      """
      WITH changed AS (UPDATE members SET draining = $2, drained_by = CASE WHEN $2 THEN $3 END \
      WHERE name = $1 AND (expires_at > clock_timestamp() OR draining) RETURNING name) \
      SELECT pg_notify('\(PostgresSchema.memberChannel)', ''), pg_notify('\(PostgresSchema.channel)', ''), \
      set_config('synchronous_commit', 'on', true) FROM changed
      """
    ) {
      $0.add(member)
      $0.add(isDraining)
      $0.add(caller)
    }
    return rows.count > 0
  }
}

extension PostgresSchema {
  /// The hosts that name the store, whether they lead or stand by. `draining` outlives a host that leaves: the same
  /// process finds it when it begins anew.
  static let members = """
    CREATE TABLE members(
      name text COLLATE "C" PRIMARY KEY, life text NOT NULL, machine text NOT NULL, place text NOT NULL,
      process bigint NOT NULL, process_started bigint NOT NULL, version text NOT NULL, labels text[] NOT NULL,
      executors text[] NOT NULL, workers bigint[] NOT NULL, generation bigint NOT NULL DEFAULT 0,
      scripts text NOT NULL DEFAULT '', runs bigint NOT NULL DEFAULT 0, clock_ahead bigint NOT NULL DEFAULT 0,
      draining boolean NOT NULL DEFAULT false, drained_by text, since timestamptz NOT NULL,
      expires_at timestamptz NOT NULL) WITH (fillfactor = 25);
    """
}
