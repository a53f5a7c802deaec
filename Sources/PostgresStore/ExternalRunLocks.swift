internal import Basics
internal import JobModel
internal import StoreSupport

/// Says which runs belong to living processes alongside the host: the session of each holds an advisory lock with the
/// run's id, and the server lets go of it when the session ends. So a host that starts never ends, or repeats, a run
/// that is alive, and does end one whose process died.
///
/// A session may end while its process lives (the server is started anew, somebody ends it): a thread listens for that
/// as long as there are runs, and a new session takes the locks of all of them.
///
/// A pooler between them that gives one session to several clients (PgBouncer's transaction mode) breaks this, and much
/// else.
///
/// Threading: any thread.
final class ExternalRunLocks: Sendable {
  /// The first of the two numbers of the locks' keys: `MOON`.
  private static let space: Int64 = 0x4d4f_4f4e

  private struct Wish: Sendable {
    var run: Int64
    var answer: @Sendable (Result<Void, StoreError>) -> Void
  }

  private struct State: Sendable {
    var wishes: [Wish] = []
    var thread: StoreThread?
    var bell: Bell?
    var isClosed = false
  }

  private let state = Monitor(State())
  private let target: PostgresTarget
  private let setup: String

  init(_ target: PostgresTarget, setup: String) {
    self.target = target
    self.setup = setup
  }

  /// Marks `run` as alive until this is closed. Blocks on the server.
  func mark(_ run: RunID) throws(StoreError) {
    let answer = Monitor<Result<Void, StoreError>?>(nil)
    let bell = try state.withLock { [target, setup, shared = state] state throws(StoreError) in
      guard !state.isClosed else { throw .closed(target.location) }
      let bell: Bell
      if let known = state.bell {
        bell = known
      } else {
        bell = try Bell(target.location)
        let made = bell
        state.thread = try StoreThread(name: "store-external") {
          var holding = Holding(target, setup: setup, made)
          while true {
            let (wishes, isClosed) = shared.change { state in
              defer { state.wishes = [] }
              return (state.wishes, state.isClosed)
            }
            guard holding.goesOn(with: wishes, isClosed: isClosed) else { return }
          }
        }
        state.bell = bell
      }
      state.wishes.append(Wish(run: run.number) { result in answer.change { $0 = result } })
      return bell
    }
    bell.ring()
    try answer.wait { $0 }!.get()
  }

  /// The runs are nobody's any more.
  func close() {
    let (thread, bell) = state.change { state in
      state.isClosed = true
      return (state.thread, state.bell)
    }
    bell?.ring()
    thread?.join()
  }

  // MARK: The thread

  private struct Holding: ~Copyable {
    private let target: PostgresTarget
    private let setup: String
    private let bell: Bell
    private var connection: PostgresConnection?
    private var runs: [Int64] = []
    /// Nanoseconds until a server that is away is asked again.
    private var pause: Int64 = 0

    private static let shortestPause: Int64 = 250_000_000
    static let longestPause: Int64 = 3_000_000_000
    private static let longWhile: Int64 = 3_600_000_000_000
    /// A session that broke without a word may have its locks for a while yet: until the server finds out, the new one
    /// waits for them, so many nanoseconds at a time.
    private static let patience: Int64 = 5_000_000_000

    init(_ target: PostgresTarget, setup: String, _ bell: Bell) {
      self.target = target
      self.setup = setup
      self.bell = bell
    }

    /// Answers the wishes, and returns when there are others, or when the session has ended. False: that was all.
    mutating func goesOn(with wishes: [Wish], isClosed: Bool) -> Bool {
      for wish in wishes {
        do throws(StoreError) {
          guard !isClosed else { throw .closed(target.location) }
          let session = try self.session()
          try lock(wish.run, session)
          runs.append(wish.run)
          wish.answer(.success(()))
        } catch { wish.answer(.failure(error)) }
      }
      if isClosed { return false }
      wait()
      bell.silence()
      return true
    }

    private mutating func wait() {
      guard !runs.isEmpty else { return bell.wait(for: Self.longWhile) }
      do throws(StoreError) {
        _ = try session().awaitNotice(for: Self.longWhile, orReadable: bell.descriptor)
      } catch {
        // The first try to come back is made at once.
        if pause > 0 { bell.wait(for: pause) }
        pause = min(max(Self.shortestPause, pause * 2), Self.longestPause)
      }
    }

    /// One that holds the locks of all runs.
    private mutating func session() throws(StoreError) -> PostgresConnection {
      if let connection, !connection.isBroken { return connection }
      connection = nil
      let made = try PostgresConnection(target, setup: setup)
      for run in runs { try lock(run, made) }
      connection = made
      pause = 0
      return made
    }

    private func lock(_ run: Int64, _ session: PostgresConnection) throws(StoreError) {
      let step = PostgresStep("SELECT pg_advisory_lock($1::int, $2::int)") {
        $0.add(ExternalRunLocks.space)
        $0.add(ExternalRunLocks.key(run))
      }
      _ = try session.run([step], within: Self.patience)
    }
  }

  /// As much of an id as a lock has room for, as a signed number.
  private static func key(_ run: Int64) -> Int64 { Int64(Int32(truncatingIfNeeded: run)) }

  /// The same, for a host that ends all others. Where the server has just started, the sessions that hold the locks may
  /// not be back yet: it waits for those of runs that only a process alongside can have begun, a few seconds at most.
  static func surelyAlive(among runs: [RunRecord], _ readers: PostgresReaders) throws(StoreError) -> Set<RunID> {
    let nothing = Monitor(())
    while true {
      let alive = try alive(among: runs, readers)
      guard runs.contains(where: { $0.id.isForExternalRuns && !alive.contains($0.id) }) else { return alive }
      let age = try readers.ask(
        "SELECT (extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) * 1e9)::bigint"
      ).integer(0, 0)
      guard (0..<(2 * Holding.longestPause)).contains(age) else { return alive }
      _ = nothing.wait(until: monotonicNow() + 100_000_000) { _ -> Void? in nil }
    }
  }

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
