internal import Basics
internal import Chronology
internal import JobModel
internal import StoreSupport

/// What one connection writes, transaction by transaction. It connects when it must, and leaves a server that does not
/// answer alone for a while.
///
/// Owned by the thread of ``PostgresCommits``.
struct PostgresWriter: ~Copyable {
  private let target: PostgresTarget
  private let setup: String
  /// nil in a process alongside a host.
  let lease: PostgresLease?
  private var connection: PostgresConnection?
  private var log = PostgresLog()
  private var pruner: PostgresPruner
  private let clock: any WallClock
  private let auditLines: Int64
  let mark: PostgresDecisionMark
  /// What the last try to connect failed with, and before when there is no other. Monotonic nanoseconds.
  private var away: (error: StoreError, until: Int64)?
  private var pause: Int64 = 0

  private static let shortestPause: Int64 = 250_000_000
  private static let longestPause: Int64 = 5_000_000_000

  init(
    _ connection: PostgresConnection, _ target: PostgresTarget, setup: String, lease: PostgresLease?,
    options: PostgresStore.Options, mark: PostgresDecisionMark
  ) {
    self.connection = connection
    self.target = target
    self.setup = setup
    self.lease = lease
    self.mark = mark
    clock = options.clock
    auditLines = Int64(max(0, options.retention.auditLines))
    pruner = PostgresPruner(options.retention)
  }

  mutating func set(_ retention: Retention) { pruner.set(retention) }

  // MARK: Its connection

  private mutating func connected() throws(StoreError) -> PostgresConnection {
    if let connection, !connection.isBroken { return connection }
    connection = nil
    if let away, monotonicNow() < away.until { throw away.error }
    do throws(StoreError) {
      let made = try PostgresConnection(target, setup: setup)
      if let lease {
        // A commit whose answer was lost may have taken place: then its decisions are not to be added again.
        // The row names this session, so that who takes over can end it.
        let rows = try made.ask(
          "UPDATE leadership SET backend = pg_backend_pid() WHERE epoch = $1 RETURNING decision_number"
        ) { $0.add(lease.epoch) }
        guard rows.count == 1 else {
          let loss = target.failure(state: PostgresSchema.fencedState, message: "")
          lease.lose(loss.message)
          throw loss
        }
        mark.set(rows.integer(0, 0))
      }
      connection = made
      away = nil
      pause = 0
      return made
    } catch {
      pause = min(max(Self.shortestPause, pause * 2), Self.longestPause)
      away = (error, monotonicNow() + pause)
      throw error
    }
  }

  /// After a transaction that failed with its connection: makes another one, if that is possible now.
  ///
  /// - Throws: `.lost` when another host has the store.
  mutating func reconnect() throws(StoreError) { _ = try connected() }

  /// Whether there is no connection to write with.
  var isAway: Bool { connection?.isBroken ?? true }

  private mutating func run(_ steps: [PostgresStep], highestRun: Int64, decision: Int64) throws(StoreError)
    -> ArraySlice<PostgresRows>
  {
    let connection = try connected()
    let proof = lease.map { [$0.proof(highestRun: highestRun, decision: decision)] } ?? []
    let sentAt = PostgresLease.now
    do throws(StoreError) {
      // Alone, a statement is a transaction.
      let isBracketed = !steps.isEmpty
      let answers = try connection.run(
        isBracketed ? [PostgresStep("BEGIN")] + proof + steps + [PostgresStep("COMMIT")] : proof)
      lease?.renewed(sentAt: sentAt)
      if let lease, !lease.isSure {
        // This host was stopped, or the server was slow: what was committed may be another host's to settle by now.
        throw StoreError(
          .io, "\(target.location): the server's answer came after the lease had ended: nothing is started by it")
      }
      return isBracketed ? answers[(1 + proof.count)..<(answers.count - 1)] : []
    } catch {
      if error.code == .lost { lease?.lose(error.message) }
      throw error
    }
  }

  // MARK: Transactions

  /// Writes the operations as one transaction. For each its answer: a run id, or 1 for done and 0 for a
  /// compare-and-swap that was not; or why it alone was refused.
  mutating func write(_ operations: [CommitQueue.Operation]) throws(StoreError) -> [Result<Int64, StoreError>] {
    var steps: [PostgresStep] = []
    /// For each operation the step that answers it.
    var answering: [Int?] = []
    var highestRun: Int64 = 0
    // A connection that was lost is made first: what it says of decisions is what counts.
    _ = try connected()
    var decision = mark.committed
    for operation in operations {
      switch operation {
      case .batch(let batch, _):
        let ranges = batch.decisions.filter { $0.number == 0 || $0.number > decision }
        decision = max(decision, ranges.map(\.number).max() ?? 0)
        highestRun = max(highestRun, batch.highestRun)
        steps += PostgresBatch.steps(batch, decisions: ranges)
        if let line = batch.audit.map(\.id).max() {
          steps.append(PostgresStep(PostgresAudit.prune) { $0.add(line - auditLines) })
        }
        answering.append(nil)
      case .keyValue(let change, let now, _):
        answering.append(steps.count)
        steps.append(PostgresValues.change(change, at: now))
      case .log(let lines):
        steps += log.steps(lines)
        answering.append(nil)
      // Not handed over: see `commit(_:at:completion:)`.
      case .transaction: answering.append(nil)
      case .externalRun:
        answering.append(steps.count)
        steps.append(PostgresStep("SELECT take_external_run($1)") { $0.add(RunID.externalRunStride) })
      }
    }
    let answers = try run(steps, highestRun: highestRun, decision: decision)
    mark.set(decision)
    for operation in operations { note(operation) }
    return zip(operations, answering).map { operation, step in
      guard let step else { return .success(1) }
      let rows = answers[answers.startIndex + step]
      if case .keyValue(let change, _, _) = operation { return PostgresValues.answer(rows, to: change) }
      return .success(rows.count == 1 ? rows.integer(0, 0) : 0)
    }
  }

  private mutating func note(_ operation: CommitQueue.Operation) {
    guard lease != nil else { return }
    switch operation {
    case .batch(let batch, _): pruner.committed(batch)
    case .log(let lines): pruner.committed(lines)
    case .keyValue, .externalRun, .transaction: break
    }
  }

  // MARK: What nobody waits for

  /// When there is something to do without being asked: a renewal, history to prune. Monotonic nanoseconds.
  var dueAt: Int64 {
    guard let lease, !lease.isOver else { return .max }
    return max(min(monotonicNow() + lease.untilRenewal, pruner.dueAt), away?.until ?? 0)
  }

  /// Does one piece of it, if it is due. A failure is told by the next batch, and tried again.
  mutating func maintain() {
    guard let lease, !lease.isOver else { return }
    let now = monotonicNow()
    if let away, now < away.until { return }
    do throws(StoreError) {
      if let slice = pruner.next(at: now, wall: clock.now) {
        let rows = try run([pruner.step(slice, wall: clock.now)], highestRun: 0, decision: 0)
        if let rows = rows.first { pruner.did(slice, rows) }
      } else if lease.untilRenewal <= 0 {
        _ = try run([], highestRun: 0, decision: 0)
      }
    } catch {
      // A connection that broke is made anew at once, for another host may lead. Anything else waits a moment.
      if away == nil, !isAway { away = (error, now + Self.shortestPause) }
    }
  }

  /// Gives the lease back and disconnects. What fails here the end of the lease does.
  mutating func close() {
    if let lease, !lease.isOver, let connection, !connection.isBroken {
      do throws(StoreError) { try lease.release(connection) } catch {}
    }
    lease?.close()
    connection = nil
  }
}

extension StoreBatch {
  /// The highest id of a run in it; 0: none.
  fileprivate var highestRun: Int64 {
    var highest: Int64 = 0
    for run in waiting { highest = max(highest, run.id.number) }
    for run in claims { highest = max(highest, run.id.number) }
    for run in finished { highest = max(highest, run.id.number) }
    return highest
  }
}
