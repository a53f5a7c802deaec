internal import Basics
package import Chronology
package import JobModel
internal import StoreSupport

/// A store in a MongoDB database, of one host at a time: the one that has its lease.
///
///     let store = try MongoStore("mongodb://db1/moondial")
///     let snapshot = try store.load()
///     store.apply(batch) { error in … }        // on the writer thread, after the commit
///     store.close()
///
/// A batch is on the disks of a majority when its completion is called: on a replica set as a transaction, on a server
/// alone through a journal (docs/durability.md). Questions are answered on connections of their own, without waiting
/// for the writer; on a server alone those to the host wait until what it has committed before is in its documents.
///
/// While the server is away a batch waits for ten seconds, and fails then; the next ones fail at once until the server
/// answers again.
///
/// Threading: any thread, except that `close()` must not be called from a completion. Queries block on the network.
package final class MongoStore: ReadingStore, RetainingStore, LeasedStore {
  package struct Options: Sendable {
    package var retention = Retention()
    /// Judges the age of history.
    package var clock: any WallClock = SystemWallClock()
    /// Nanoseconds that a commit waits for a server that is away.
    package var patience: Int64 = 10_000_000_000
    /// How long a host has the store without renewing that. Nanoseconds.
    package var lease: Int64 = HostLease.length * 1_000_000
    /// Waits for a store that another host has, and says so here, once; nil: it is refused.
    package var standsBy: (@Sendable (String) -> Void)?
    /// Whether it must be there already: nothing is made.
    package var mustExist = false
    /// Nanoseconds between two looks at a store that another host has, where nothing tells when it is given back.
    var look: Int64 = 2_000_000_000
    /// Whether the lease is a migration's, which schedules nothing.
    var moves = false
    /// Whether the server tells what changes.
    var isReplicated = false
    /// Takes the store over from a host that is alive. For tests.
    package var ignoresLease = false
    package init() {}
  }

  package let name: String
  package let location: String
  package let keyValues: any KeyValueStore
  package let mode: StoreAccess
  package let notes: [String]
  let server: MongoServer
  let reader: MongoReader
  /// Of who has the store to itself.
  let lease: HostLease?
  let external: ExternalRuns?
  private let loop: WriterLoop?
  private let opening: String?
  private let values: MongoKeyValues
  private let leaseWatch = Monitor<StoreThread?>(nil)
  private let isClosed = Monitor(false)

  /// Connects, and makes the database a store unless it is only read.
  ///
  /// - Parameter address: `mongodb://…`.
  /// - Throws: `.locked` when another host schedules from it (mode `.scheduler`), `.version`, `.corrupt`, `.readOnly`,
  ///   `.unsupported`, `.io`.
  package init(_ address: String, mode: StoreAccess = .scheduler, options: Options = Options()) throws(StoreError) {
    let failure = MongoFailure(address)
    location = failure.location
    name = location
    self.mode = mode
    let server = try MongoServer(address, failure: failure)
    let isReplicated: Bool
    self.server = server
    reader = MongoReader(server: server)
    do throws(StoreError) {
      let opened = try Self.open(server, mode, options)
      lease = opened.lease
      notes = opened.notes
      opening = opened.writer?.opening
      isReplicated = opened.isReplicated
      if let writer = opened.writer {
        let pruner = mode == .scheduler ? Pruner(server, options.retention) : nil
        do throws(StoreError) {
          loop = try WriterLoop(writer, pruner: pruner, options: options, storeName: location)
        } catch {
          writer.close()
          throw error
        }
      } else {
        loop = nil
      }
    } catch {
      server.close()
      throw error
    }
    external = mode == .alongside ? ExternalRuns(server: server, now: options.clock.now) : nil
    values = MongoKeyValues(server: server, loop: loop, isReplicated: isReplicated)
    keyValues = values
  }

  deinit { close() }

  // MARK: JobStore

  package func load() throws(StoreError) -> StoreSnapshot {
    let state = try reader.state()
    var snapshot = StoreSnapshot(nextRunID: RunID(state.highestRun + 1), clockEpoch: state.clockEpoch)
    snapshot.pause = state.pause
    snapshot.isTakeover = lease?.isTakeover ?? false
    snapshot.nextAudit = state.highestAudit + 1
    if let opening, state.decisions.opening == opening { snapshot.nextDecision = state.decisions.number + 1 }
    snapshot.schedules = try reader.schedules()
    snapshot.intents = try reader.intents()
    // Without those of living processes alongside the host.
    let open = try reader.openRuns()
    let alive = try ExternalRuns.alive(among: open, on: server)
    snapshot.unfinished = alive.isEmpty ? open : open.filter { !alive.contains($0.id) }
    return snapshot
  }

  package func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    guard let loop else { return completion(server.failure.onlyRead) }
    loop.submit(.batch(batch, completion))
  }

  package func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    guard let loop else { return completion(.failure(server.failure.onlyRead)) }
    loop.submit(.transaction(transaction, now, completion))
  }

  package var questions: any StoreReading { reader }
  package func append(log lines: [RunLogLine]) { loop?.submit(lines) }

  package func close() {
    let isFirst = isClosed.withLock { isClosed in
      defer { isClosed = true }
      return !isClosed
    }
    guard isFirst else { return }
    loop?.close()
    values.close()
    external?.close()
    lease?.release()
    leaseWatch.withLock { $0.take() }?.join()
    server.close()
  }

  // MARK: What not every store can do

  package func watchLease(_ listener: @escaping @Sendable (LeaseChange) -> Void) {
    guard let held = lease?.held else { return }
    let location = location
    do throws(StoreError) {
      let thread = try StoreThread(name: "store-lease") { held.watch(location, listener) }
      leaseWatch.withLock { $0 = thread }
    } catch {
      // Without its watchman a host must not run what another one may begin.
      listener(.doubtful(error.message))
    }
  }

  package func hostSince() throws(StoreError) -> Instant? { try reader.state().hostSince }
  package func hostPause() throws(StoreError) -> PauseNote? { try reader.state().pause }
  package var isHosted: Bool { (try? HostLease.holder(on: server)) != nil }
  package func living(among runs: [RunRecord]) -> Set<RunID> {
    if isHosted { return Set(runs.map(\.id)) }
    return (try? ExternalRuns.alive(among: runs, on: server)) ?? []
  }

  /// A run id that no host and no other process gets.
  func takeRunID() throws(StoreError) -> RunID {
    guard let loop else { throw server.failure.onlyRead }
    let answer = Monitor<Result<RunID, StoreError>?>(nil)
    loop.submit(.externalRun { result in answer.change { $0 = result } })
    return try answer.wait { $0 }!.get()
  }
  package func setRetention(_ retention: Retention) { loop?.set(retention) }
}
