internal import Basics
package import Chronology
package import JobModel
package import StoreSupport

/// A store in a PostgreSQL database, in a schema of its own, with one writer connection that commits in groups.
///
///     let store = try PostgresStore(StoreAddress("postgres://jobs@db1/jobs"))
///     let snapshot = try store.load()
///     store.apply(batch) { error in … }        // on the writer's thread, after the commit
///     store.close()
///
/// One host schedules from it at a time: the one that has the lease, which is a row with an epoch and an end by the
/// server's clock. Every transaction of a host proves its epoch, so that a host whose place another one took (it was
/// stopped, or cut off, for longer than its lease) writes nothing any more, whatever it still has to say.
///
/// A server that is away fails what is handed over; it is tried again with the next batch, by a new connection.
///
/// Threading: any thread, except that `close()` must not be called from a completion. Queries block on the server.
package final class PostgresStore: ReadingStore, QueueingStore, RetainingStore, ExternalRunStore, LeasedStore {
  package struct Options: Sendable {
    package var synchronous = CommitDurability.full
    package var retention = Retention()
    /// How long a host has the store without renewing that. Nanoseconds.
    package var lease: Int64 = 15_000_000_000
    /// As what this host is a member of the store; nil: it is called as its machine, and is none.
    package var node: String?
    /// Waits for a store that another host has, and says so here, once; nil: it is refused.
    package var standsBy: (@Sendable (String) -> Void)?
    /// Whether history goes beyond its limits; not while everything is being moved.
    var prunes = true
    /// Whether it must be there already: nothing is made.
    package var mustExist = false
    /// Takes the store while another host's lease lasts, as nobody should but a test.
    package var takesByForce = false
    /// Of a member: what every transaction proves; nil: nothing has to be proved alongside a host.
    var fence: HeldFence?
    /// Told when the system refuses a thread that is made when it is first needed, and (nil) when it gives it.
    package var threadRefused: (@Sendable (StoreError?) -> Void)?
    /// Judges the age of history.
    package var clock: any WallClock = SystemWallClock()
    package init() {}
  }

  package let name: String
  package let notes: [String]
  package let location: String
  package let mode: StoreAccess
  package var keyValues: any KeyValueStore { values }
  let target: PostgresTarget
  let readers: PostgresReaders
  let reader: PostgresReader
  let commits: PostgresCommits?
  private let values: PostgresValues
  let setup: String
  /// nil: it does not schedule.
  let lease: PostgresLease?
  private let link: MemberLink?
  private let leaseWatch = Monitor<StoreThread?>(nil)
  private let externalRuns: ExternalRunLocks?
  private let isClosed = Monitor(false)

  /// Connects; a host makes or upgrades the tables, and takes the lease.
  ///
  /// - Throws: `.locked` when another host schedules from it (mode `.scheduler`), `.absent` when there is nothing to
  ///   read, `.version`, `.readOnly`, `.io`.
  package init(
    _ address: StoreAddress, mode: StoreAccess = .scheduler, options: Options = Options()
  ) throws(StoreError) {
    let target = PostgresTarget(address)
    self.target = target
    self.mode = mode
    location = target.location
    name = target.location
    let setup = Self.setup(options)
    self.setup = setup
    var options = options
    // Nobody takes over from a migration, and no statement of it is cut short; with its session its lease goes too.
    if mode == .transfer { (options.lease, options.prunes) = (600_000_000_000, false) }
    var connection = try PostgresConnection(target, setup: setup)
    guard connection.parameter("server_encoding") == "UTF8" else { throw target.notUnicode }
    if options.mustExist, try PostgresMigration.version(connection) == nil { throw target.empty }
    try PostgresMigration.prepare(connection, target, mayChange: mode != .reader)
    // A member watches its clock itself.
    notes = mode == .reader || options.node != nil ? [] : try PostgresMigration.notes(connection, target)
    var lease: PostgresLease?
    switch mode {
    case .scheduler: lease = try PostgresStandby.take(&connection, target, setup: setup, options)
    case .transfer:
      lease = try PostgresLease.take(
        connection, target, node: nil, length: options.lease, byForce: false, moves: true)
    case .alongside, .reader: break
    }
    self.lease = lease
    link = mode == .scheduler ? MemberLink.of(target, options.node) : nil
    readers = PostgresReaders(target, setup: setup)
    reader = PostgresReader(readers: readers)
    externalRuns = mode == .alongside ? ExternalRunLocks(target, setup: setup) : nil
    if mode == .reader {
      commits = nil
    } else {
      let (taken, session, options) = (lease, connection, options)
      commits = try PostgresCommits(
        {
          PostgresWriter(
            session, target, setup: setup, lease: taken, options: options, mark: PostgresDecisionMark())
        }, storeName: target.location)
    }
    values = PostgresValues(readers, commits, refused: options.threadRefused)
    // Nothing can fail any more: nobody would give it back.
    link?.lead(lease)
  }

  /// What each session begins with. Names without a schema are this store's own.
  static func setup(_ options: Options) -> String {
    """
    SET search_path = \(PostgresSchema.name), pg_catalog; SET client_min_messages = warning; SET TimeZone = 'UTC';
    SET default_transaction_isolation = 'read committed'; SET statement_timeout = 0;
    SET synchronous_commit = \(options.synchronous == .full ? "on" : "off");
    """
  }

  deinit { close() }

  // MARK: JobStore

  /// - Returns: unfinished runs without those of living processes alongside the host.
  package func load() throws(StoreError) -> StoreSnapshot {
    var snapshot = try reader.load()
    let alive = try ExternalRunLocks.surelyAlive(among: snapshot.unfinished, readers)
    if !alive.isEmpty { snapshot.unfinished.removeAll { alive.contains($0.id) } }
    snapshot.isTakeover = lease?.isTakeover ?? false
    return snapshot
  }

  package var questions: any StoreReading { reader }

  package func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    submit(.batch(batch, completion))
  }

  package func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    submit(.transaction(transaction, now, completion))
  }

  package func append(log lines: [RunLogLine]) { submit(.log(lines)) }

  package func submit(_ operation: CommitQueue.Operation) {
    guard let commits else { return operation.complete(.failure(target.onlyRead)) }
    commits.submit(operation)
  }

  package func close() {
    let isFirst = isClosed.withLock { isClosed in
      defer { isClosed = true }
      return !isClosed
    }
    guard isFirst else { return }
    link?.lead(nil)
    commits?.close()
    lease?.held.close()
    leaseWatch.withLock { $0.take() }?.join()
    values.close()
    readers.close()
    externalRuns?.close()
  }

  // MARK: What not every store can do

  package func watchLease(_ listener: @escaping @Sendable (LeaseChange) -> Void) {
    guard let lease else { return }
    let location = location
    do throws(StoreError) {
      let thread = try StoreThread(name: "store-lease") { lease.held.watch(location, listener) }
      leaseWatch.withLock { $0 = thread }
    } catch {
      // Without its watchman a host must not run what another one may begin.
      listener(.doubtful(error.message))
    }
  }

  package var copyAdvice: String { "pg_dump --schema=\(PostgresSchema.name) does it, while a host uses it" }
  package func setRetention(_ retention: Retention) { commits?.set(retention) }

  package func hostSince() throws(StoreError) -> Instant? {
    let rows = try readers.ask("SELECT (extract(epoch FROM taken_at) * 1e9)::bigint FROM leadership WHERE epoch > 0")
    return rows.count == 1 ? rows.instant(0, 0) : nil
  }

  package func hostPause() throws(StoreError) -> PauseNote? {
    let rows = try readers.ask("SELECT reason, paused_by, paused_at FROM host_pause")
    guard rows.count == 1 else { return nil }
    return PauseNote(
      reason: rows.optionalText(0, 0), by: rows.text(0, 1), at: Instant(nanoseconds: rows.integer(0, 2)))
  }

  package var isHosted: Bool {
    do throws(StoreError) {
      return try readers.ask("SELECT 1 FROM leadership WHERE expires_at > clock_timestamp()").count == 1
    } catch {
      return false  // A server that does not answer says so at the next question that can fail.
    }
  }

  package func living(among runs: [RunRecord]) -> Set<RunID> {
    if isHosted { return Set(runs.map(\.id)) }
    do throws(StoreError) { return try ExternalRunLocks.alive(among: runs, readers) } catch { return [] }
  }

  package func externalRunID() throws(StoreError) -> RunID {
    guard let externalRuns else {
      throw StoreError(
        .readOnly, "\(location): the store is not open alongside a host: it has no ids for runs of others")
    }
    let id = try takeRunID()
    try externalRuns.mark(id)
    return id
  }
}
