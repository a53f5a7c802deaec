internal import Chronology
internal import JobModel

/// How placements lie in `placed_runs`, and the statements of both sides.
///
/// A member's fence is `members.fence`, a number that no other row ever had: whoever gives a member up for lost changes
/// it, in the transaction that says so of its runs. A member's transaction begins with the proof of it, and holds the
/// row until its end; so one of the two comes first, and the other one sees it.
enum PostgresPlacements {
  static let columns = "p.epoch, p.number, p.run, p.node, p.state, p.started_at, p.message"

  static func read(_ rows: PostgresRows) -> [PlacementReport] {
    (0..<rows.count).map { row in
      PlacementReport(
        key: PlacementKey(epoch: rows.integer(row, 0), number: rows.integer(row, 1)), run: RunID(rows.integer(row, 2)),
        node: rows.text(row, 3), state: PlacementReport.State(rawValue: rows.text(row, 4)) ?? .lost,
        startedAt: rows.instant(row, 5), message: rows.byteList(row, 6))
    }
  }

  /// Whether the run of a placement `p` is claimed, in the attempt that was placed.
  static let isClaimed = """
    EXISTS(SELECT FROM open_runs r WHERE r.id = p.run AND r.claimed_at IS NOT NULL AND r.attempts + 1 = p.attempt)
    """

  private static let keys = "unnest($1::bigint[], $2::bigint[]) AS k(epoch, number)"

  private static func add(_ keys: [PlacementKey], to parameters: inout PostgresParameters) {
    parameters.add(keys) { $0.epoch }
    parameters.add(keys) { $0.number }
  }

  private static func notify(_ channel: String) -> String { "pg_notify('\(channel)', '')" }

  /// On which a member hears of what was placed on it.
  static func channel(ofNode column: String) -> String { "'moondial_orders_' || substr(md5(\(column)), 1, 12)" }

  // MARK: The leader's

  /// The third answer has those that are there. A crash of the server must not take one back that a member has.
  static func place(_ runs: [RunPlacement]) -> [PostgresStep] {
    let insert = PostgresStep(
      """
      INSERT INTO placed_runs(epoch, number, run, attempt, job, node, life, fence, instructions) \
      SELECT n.epoch, n.number, n.run, n.attempt, n.job, n.node, n.life, m.fence, n.instructions \
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], \
      $8::bytea[]) AS n(epoch, number, run, attempt, job, node, life, instructions) \
      JOIN members m ON m.name = n.node AND m.life = n.life AND m.takes AND NOT m.draining \
      AND m.expires_at > clock_timestamp() ON CONFLICT (epoch, number) DO NOTHING
      """
    ) {
      $0.add(runs) { $0.key.epoch }
      $0.add(runs) { $0.key.number }
      $0.add(runs) { $0.run.number }
      $0.add(runs) { Int64($0.attempt) }
      $0.add(runs) { run -> String? in run.job }
      $0.add(runs) { run -> String? in run.node }
      $0.add(runs) { run -> String? in run.life }
      $0.add(bytes: runs) { $0.instructions }
    }
    let tell = PostgresStep(
      "SELECT pg_notify(\(channel(ofNode: "n")), '') FROM (SELECT DISTINCT unnest($1::text[]) AS n) AS nodes"
    ) { $0.add(runs) { run -> String? in run.node } }
    let there = PostgresStep(
      "SELECT p.epoch, p.number FROM placed_runs p JOIN \(keys) USING (epoch, number)"
    ) { add(runs.map(\.key), to: &$0) }
    return [insert, tell, there, PostgresLease.onDisk]
  }

  /// On the disk, since it is asked for once.
  static func cancel(_ list: [PlacementKey]) -> [PostgresStep] {
    [
      PostgresStep(
        """
        WITH told AS (UPDATE placed_runs p SET cancelled = true FROM \(keys) WHERE p.epoch = k.epoch \
        AND p.number = k.number RETURNING p.node) \
        SELECT pg_notify(\(channel(ofNode: "node")), '') FROM (SELECT DISTINCT node FROM told) AS nodes
        """
      ) { add(list, to: &$0) }, PostgresLease.onDisk,
    ]
  }

  static func settle(_ list: [PlacementKey]) -> [PostgresStep] {
    [
      PostgresStep(
        "DELETE FROM placed_runs p USING \(keys) WHERE p.epoch = k.epoch AND p.number = k.number"
      ) { add(list, to: &$0) }
    ]
  }

  /// Beginnings that were heard need not be told again.
  static func hear(_ list: [PlacementKey]) -> [PostgresStep] {
    [
      PostgresStep(
        """
        UPDATE placed_runs p SET heard = true FROM \(keys) WHERE p.epoch = k.epoch AND p.number = k.number \
        AND p.state = 'started'
        """
      ) { add(list, to: &$0) }
    ]
  }

  static let unheard = "SELECT \(columns) FROM placed_runs p WHERE NOT p.heard ORDER BY p.epoch, p.number"
  /// Placements that one transaction of the leader's is about at most: however many there are, each is short.
  static let slice = 1_000

  /// Whether there is a placement whose member is not known to live.
  static let hasLost = "SELECT 1 FROM placed_runs p WHERE \(isOpen) AND \(hasGone) LIMIT 1"
  private static let isOpen = "p.state IN ('placed', 'taken', 'started')"
  private static let hasGone = """
    NOT EXISTS(SELECT FROM members m WHERE m.name = p.node AND m.life = p.life AND m.fence = p.fence \
    AND m.expires_at > clock_timestamp())
    """

  /// Gives up members of which nothing was heard, and what they have. They are told, for when they are back.
  ///
  /// A run is lost because its member has lost its fence, and for no other reason: of a member whose lease ends while
  /// this goes on, the runs are its own until the next look.
  static var lose: [PostgresStep] {
    [
      PostgresStep(
        """
        WITH fenced AS (UPDATE members m SET fence = nextval('fences'), takes = false \
        WHERE m.expires_at <= clock_timestamp() \
        AND EXISTS(SELECT FROM placed_runs p WHERE p.node = m.name AND p.fence = m.fence AND \(isOpen)) RETURNING m.name) \
        SELECT pg_notify(\(channel(ofNode: "name")), '') FROM fenced
        """), PostgresLease.onDisk,
      PostgresStep(
        """
        UPDATE placed_runs p SET state = 'lost', heard = false WHERE \(isOpen) AND NOT EXISTS(SELECT FROM members m \
        WHERE m.name = p.node AND m.life = p.life AND m.fence = p.fence)
        """),
    ]
  }

  static let standing = "SELECT \(columns), \(isClaimed) FROM placed_runs p ORDER BY p.epoch, p.number"

  // MARK: The member's

  struct FencedMember: Sendable, Equatable {
    var node: String
    var life: String
    var fence: Int64

    func add(to parameters: inout PostgresParameters) {
      parameters.add(node)
      parameters.add(life)
      parameters.add(fence)
    }

    /// The proof that a member's transaction begins with.
    var proof: PostgresStep { PostgresStep("SELECT prove_member($1, $2, $3)") { add(to: &$0) } }
  }

  /// The member's fence; no row when it is not known any more.
  static func begin(_ identity: MemberIdentity, takes: Bool) -> PostgresStep {
    // Whoever leads looks at its members at once.
    PostgresStep(
      """
      WITH told AS (UPDATE members SET takes = $3 WHERE name = $1 AND life = $2 RETURNING fence) \
      SELECT fence, \(notify(PostgresSchema.memberChannel))::text FROM told
      """
    ) {
      $0.add(identity.name)
      $0.add(identity.life)
      $0.add(takes)
    }
  }

  private static let mine = "p.node = $1 AND p.life = $2 AND p.fence = $3"
  private static let given = "p.epoch, p.number, p.run, p.attempt, p.job, p.instructions"

  static func take(_ member: FencedMember) -> PostgresStep {
    PostgresStep(
      """
      WITH taken AS (UPDATE placed_runs p SET state = 'taken' WHERE \(mine) AND p.state = 'placed' RETURNING \(given)) \
      SELECT * FROM taken p ORDER BY p.epoch, p.number
      """
    ) { member.add(to: &$0) }
  }

  /// Whether there is anything for the member to do: also when it has lost its fence, which the proof then says.
  static func hasNews(_ member: FencedMember) -> PostgresStep {
    PostgresStep(
      """
      SELECT 1 FROM placed_runs p WHERE \(mine) AND (p.state = 'placed' \
      OR p.cancelled AND p.state IN ('taken', 'started')) \
      UNION ALL SELECT 1 WHERE NOT EXISTS(SELECT FROM members m WHERE m.name = $1 AND m.life = $2 AND m.fence = $3) \
      LIMIT 1
      """
    ) { member.add(to: &$0) }
  }

  /// All that it has and has not begun: an answer to `take` may have been lost.
  static func taken(_ member: FencedMember) -> PostgresStep {
    PostgresStep("SELECT \(given) FROM placed_runs p WHERE \(mine) AND p.state = 'taken' ORDER BY p.epoch, p.number") {
      member.add(to: &$0)
    }
  }

  static func cancelled(_ member: FencedMember) -> PostgresStep {
    PostgresStep(
      "SELECT p.epoch, p.number FROM placed_runs p WHERE \(mine) AND p.cancelled AND p.state IN ('taken', 'started')"
    ) { member.add(to: &$0) }
  }

  static func runs(_ rows: PostgresRows, of identity: MemberIdentity) -> [RunPlacement] {
    (0..<rows.count).map { row in
      RunPlacement(
        key: PlacementKey(epoch: rows.integer(row, 0), number: rows.integer(row, 1)), run: RunID(rows.integer(row, 2)),
        attempt: rows.smallCount(row, 3), job: rows.text(row, 4), node: identity.name, life: identity.life,
        instructions: rows.byteList(row, 5))
    }
  }

  static func keys(_ rows: PostgresRows) -> [PlacementKey] {
    (0..<rows.count).map { PlacementKey(epoch: rows.integer($0, 0), number: rows.integer($0, 1)) }
  }

  /// What became of runs: of several reports about one the last, since a statement writes a row once.
  static func report(_ reports: [PlacementReport], _ member: FencedMember) -> [PostgresStep] {
    let latest = PostgresBatch.latest(reports) { $0.key }
    return [
      PostgresStep(
        """
        UPDATE placed_runs p SET state = n.state, started_at = coalesce(n.started_at, p.started_at), \
        message = n.message, heard = false FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::bigint[], \
        $8::bytea[]) AS n(epoch, number, state, started_at, message) WHERE p.epoch = n.epoch AND p.number = n.number \
        AND \(mine) AND p.state IN ('taken', 'started')
        """
      ) {
        member.add(to: &$0)
        $0.add(latest) { $0.key.epoch }
        $0.add(latest) { $0.key.number }
        $0.add(latest) { report -> String? in report.state.rawValue }
        $0.add(latest) { $0.startedAt?.nanoseconds }
        $0.add(bytes: latest) { $0.message }
      },
      PostgresStep("SELECT \(notify(PostgresSchema.reportChannel))"),
    ]
  }
}

extension PostgresSchema {
  /// Told when a member has said something about a placement.
  static let reportChannel = "moondial_reports"
  /// What a transaction of a member fails with that was given up for lost.
  static let lostMemberState = "MD002"

  static let placements = """
    CREATE SEQUENCE fences;
    ALTER TABLE members ADD COLUMN fence bigint NOT NULL DEFAULT nextval('fences'),
      ADD COLUMN takes boolean NOT NULL DEFAULT false;
    CREATE TABLE placed_runs(
      epoch bigint NOT NULL, number bigint NOT NULL, run bigint NOT NULL, attempt bigint NOT NULL,
      job text COLLATE "C" NOT NULL, node text COLLATE "C" NOT NULL, life text NOT NULL, fence bigint NOT NULL,
      state text NOT NULL DEFAULT 'placed', cancelled boolean NOT NULL DEFAULT false,
      heard boolean NOT NULL DEFAULT true, instructions bytea NOT NULL, started_at bigint,
      message bytea NOT NULL DEFAULT '', placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY(epoch, number)) WITH (fillfactor = 50);
    CREATE INDEX placed_runs_of_node ON placed_runs(node);
    CREATE INDEX placed_runs_unheard ON placed_runs(epoch, number) WHERE NOT heard;

    -- The proof, in each transaction of a member about what it runs for the leader, that nobody has given it up for
    -- lost. The row stays locked until the end of the transaction, so that who does so comes before it or after it.
    CREATE FUNCTION prove_member(own_name text, own_life text, own_fence bigint) RETURNS void
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
      PERFORM 1 FROM members m WHERE m.name = own_name AND m.life = own_life AND m.fence = own_fence FOR SHARE;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'this member was given up for lost' USING ERRCODE = '\(lostMemberState)';
      END IF;
    END $$;
    """
}
