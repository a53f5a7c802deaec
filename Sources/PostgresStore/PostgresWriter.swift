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
  /// Of a member that runs what the leader gave it.
  private let fence: HeldFence?
  private var connection: PostgresConnection?
  /// nil: nothing is pruned, because everything is being moved.
  private var pruner: PostgresPruner?
  private let clock: any WallClock
  private let auditLines: Int64
  /// Whether a commit that was answered is on the server's disk.
  private let isDurable: Bool
  let mark: PostgresDecisionMark
  /// The number of the last transaction that was sent.
  private var lastCommit: Int64 = 0
  /// Whether the last transaction may have taken place although it failed: its answer was lost.
  private var isInDoubt = false
  /// What the server knew when the connection was last made anew.
  private var standing: PostgresLease.Standing?
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
    fence = options.fence
    auditLines = Int64(max(0, options.retention.auditLines))
    isDurable = options.synchronous == .full
    pruner = options.prunes ? PostgresPruner(options.retention) : nil
  }

  mutating func set(_ retention: Retention) { pruner?.set(retention) }

  // MARK: Its connection

  private mutating func connected() throws(StoreError) -> PostgresConnection {
    if let connection, !connection.isBroken { return connection }
    connection = nil
    if let away, monotonicNow() < away.until { throw away.error }
    do throws(StoreError) {
      let made = try PostgresConnection(target, setup: setup)
      if let lease {
        // A commit whose answer was lost may have taken place: then its decisions are not to be added again.
        let found = try lease.resume(made, target)
        mark.set(found.decision)
        standing = found
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

  /// Whether there is no connection to write with.
  var isAway: Bool { connection?.isBroken ?? true }

  private mutating func run(
    _ steps: [PostgresStep], highestRun: Int64, decision: Int64, commit: Int64 = 0
  ) throws(StoreError) -> ArraySlice<PostgresRows> {
    let connection = try connected()
    var proof = lease.map { [$0.proof(highestRun: highestRun, decision: decision, commit: commit)] } ?? []
    if let fence {
      guard let own = fence.current else { throw target.givenUp }
      proof = [own.proof]
    }
    let sentAt = HeldLease.now
    do throws(StoreError) {
      // What is sent together is a transaction by itself.
      // What a lease does not outlast is not waited for: by then another host may lead.
      let answers = try connection.run(
        proof + steps, within: lease.map { max(1_000_000_000, $0.held.length) } ?? PostgresConnection.patience)
      // What a crash may take back is no renewal to go by: the server would give the store away sooner.
      if isDurable { lease?.held.renewed(sentAt: sentAt) }
      return answers[proof.count...]
    } catch {
      if error.code == .lost { lease?.held.lose(error.message) }
      isInDoubt = connection.isBroken
      throw error
    }
  }

  // MARK: Transactions

  /// Writes the operations as one transaction. For each its answer: a run id, or 1 for done and 0 for a
  /// compare-and-swap that was not; of a transaction its intent, or -1; or why it alone was refused.
  mutating func write(_ operations: [PostgresOperation]) throws(StoreError) -> [Result<Int64, StoreError>] {
    isInDoubt = false
    // A connection that was lost is made first: what it says of decisions is what counts.
    _ = try connected()
    let plan = PostgresPlan(operations, after: mark.committed, epoch: lease?.epoch, auditLines: auditLines)
    lastCommit += 1
    let answers = try run(
      plan.steps, highestRun: plan.highestRun, decision: plan.decision, commit: plan.steps.isEmpty ? 0 : lastCommit)
    mark.set(plan.decision)
    for operation in operations { note(operation) }
    let results = plan.answers(Array(answers))
    guard let late = lateness() else { return results }
    // It is written. But whoever leads by now may have settled what it claims, so nothing may begin by it.
    return zip(operations, results).map { operation, result in
      if case .batch = operation { return .failure(late) }
      return result
    }
  }

  /// Why nobody can say whether this host still leads, after an answer: it was stopped, or the server was slow, for
  /// longer than its lease. Another session asks who leads, and usually all is well.
  private mutating func lateness() -> StoreError? {
    guard let lease, !lease.held.isSure else { return nil }
    connection = nil
    do throws(StoreError) {
      _ = try connected()
      return lease.held.isSure ? nil : target.late
    } catch {
      return error.code == .lost ? target.overtaken : target.late
    }
  }

  /// After a transaction that broke off with its connection: what became of it.
  ///
  /// - Returns: its answers, if it took place; nil: it did not, and nothing was sent since.
  /// - Throws: `.lost` when another host has the store, and when there is no new connection: then nobody knows yet.
  mutating func whatBecame(
    of operations: [PostgresOperation]
  ) throws(StoreError) -> [Result<Int64, StoreError>]? {
    let mayHaveTakenPlace = isInDoubt
    isInDoubt = false
    do throws(StoreError) { _ = try connected() } catch {
      throw mayHaveTakenPlace && error.code == .lost ? target.overtaken : error
    }
    guard mayHaveTakenPlace else { return nil }
    guard lease != nil else {
      // The server remembers no commits of processes alongside: what may not be done twice is not.
      guard operations.contains(where: { !$0.isRepeatable }) else { return nil }
      let again = try write(operations.filter(\.isRepeatable))
      var rest = again[...]
      return operations.map { $0.isRepeatable ? rest.removeFirst() : .failure(target.unknown) }
    }
    guard let standing, standing.commit == lastCommit else { return nil }
    for operation in operations { note(operation) }
    let plan = PostgresPlan(operations, after: .max, epoch: lease?.epoch, auditLines: auditLines)
    // Transactions know themselves.
    var again = try write(operations.filter(\.isTransaction))[...]
    var values = plan.valueAnswers(standing.answers)[...]
    return operations.map { operation in
      switch operation {
      case .batch, .log: .success(1)
      case .keyValue: values.popFirst() ?? .failure(target.unknown)
      case .transaction: again.removeFirst()
      case .externalRun: .failure(target.unknown)
      }
    }
  }

  /// Writes steps of a migration as one transaction.
  mutating func write(_ steps: [PostgresStep]) throws(StoreError) -> [PostgresRows] {
    Array(try run(steps, highestRun: 0, decision: 0))
  }

  private mutating func note(_ operation: PostgresOperation) {
    guard lease != nil else { return }
    switch operation {
    case .batch(let batch): pruner?.committed(batch)
    case .log(let lines): pruner?.committed(lines.map(\.line))
    case .transaction(let transaction, _): if let run = transaction.finished { pruner?.committed(.of(run)) }
    case .keyValue, .externalRun: break
    }
  }

  // MARK: What nobody waits for

  /// When there is something to do without being asked: a renewal, history to prune. Monotonic nanoseconds.
  var dueAt: Int64 {
    guard let held = lease?.held, !held.isOver else { return .max }
    return max(min(monotonicNow() + (lease?.untilOwnRenewal ?? 0), pruner?.dueAt ?? .max), away?.until ?? 0)
  }

  /// Does one piece of it, if it is due. A failure is told by the next batch, and tried again.
  mutating func maintain() {
    guard let held = lease?.held, !held.isOver else { return }
    let now = monotonicNow()
    if let away, now < away.until { return }
    do throws(StoreError) {
      if let lease, lease.untilOwnRenewal <= 0 {
        try renew()
      } else if let slice = pruner?.next(at: now, wall: clock.now), let step = pruner?.step(slice, wall: clock.now) {
        let rows = try run([step], highestRun: 0, decision: 0)
        if let rows = rows.first { pruner?.did(slice, rows) }
      }
    } catch {
      // A connection that broke is made anew at once, for another host may lead. Anything else waits a moment.
      if away == nil, !isAway { away = (error, now + Self.shortestPause) }
    }
  }

  private mutating func renew() throws(StoreError) {
    guard !isDurable, let lease else {
      _ = try run([], highestRun: 0, decision: 0)
      return
    }
    let sentAt = HeldLease.now
    _ = try run([PostgresLease.onDisk], highestRun: 0, decision: 0)
    lease.held.renewed(sentAt: sentAt)
  }

  /// Gives the lease back and disconnects. What fails here the end of the lease does.
  mutating func close() {
    if let lease, !lease.held.isOver, let connection, !connection.isBroken {
      do throws(StoreError) { try lease.release(connection) } catch {}
    }
    lease?.held.close()
    connection = nil
  }
}
