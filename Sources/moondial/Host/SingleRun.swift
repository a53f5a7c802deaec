import Basics
import Chronology
import Executors
import Glibc
import Hosting
import JobModel
import ScriptLoading
import ScriptRuntime

/// One job, run once in the foreground with its retries, recorded in the store alongside whatever host uses it.
final class SingleRun: RunReportSink {
  private struct State: Sendable {
    var ended: RunReport?
    var isCancelled = false
    /// How often it was executed: more often than there are attempts, when it parks.
    var executions: UInt32 = 0
    /// What is under way.
    var token = RunToken(slot: 0, use: 0)
  }

  private let definition: JobDefinition
  private let entry: JobEntry
  private let pool: any JobExecutor
  private let luaHost: LuaHost
  private let store: any JobStore
  private let log: LogRenderer
  private let state = Monitor(State())
  private let id: RunID
  private let params: JSONText?
  private let event: JSONText?
  private let scheduledAt: Instant
  private let onFailure: FailureHook?

  init(
    _ definition: JobDefinition, params: JSONText?, event: JSONText?, session: ScriptSession, store: any JobStore,
    log: LogRenderer
  ) throws {
    self.definition = definition
    self.params = params
    self.event = event
    self.store = store
    self.log = log
    entry = JobEntry(definition)
    guard let alongside = store as? any ExternalRunStore else {
      throw CommandFailure("\(store.name): runs of this store need a running host")
    }
    do { id = try alongside.externalRunID() } catch { throw CommandFailure("\(error)") }
    luaHost = session.luaHost
    onFailure = session.live.onFailure
    pool = try Self.executor(of: definition, session, log)
    scheduledAt = SystemWallClock().now
  }

  /// Threads, or where the job's executor is one of processes a process of its own.
  private static func executor(
    of definition: JobDefinition, _ session: ScriptSession, _ log: LogRenderer
  ) throws -> any JobExecutor {
    let processes = try ProcessExecutors.alone(
      definition.executor, session.configuration, session.luaHost, log: log)
    if let processes { return processes }
    let runner = LuaRunner(session.luaHost)
    let pool = StepPool(runner)
    runner.reportStuckRuns { [weak pool] index, token in _ = pool?.workerIsStuck(index, running: token) }
    return pool
  }

  func report(_ reports: [RunReport]) {
    for report in reports where report.kind == .ended || report.kind == .stuck {
      state.withLock { $0.ended = report }
      state.broadcast()
    }
  }

  /// Waits for children of others that became this process's.
  func reapOrphans() { luaHost.reapOrphans() }

  /// Ends the run as cancelled; twice is fine.
  func cancel() {
    let token = state.withLock { state in
      state.isCancelled = true
      return state.token
    }
    pool.cancel(token)
    state.broadcast()
  }

  /// Runs all attempts. Blocks until the run has ended and is recorded.
  func run() -> RunRecord {
    var record = RunRecord(
      id: id, job: definition.name, cause: .manual, scheduledAt: scheduledAt, claimedAt: scheduledAt)
    record.params = params
    record.event = event
    save(record) { $0.claims.append($1) }
    pool.start(reportingTo: self)
    var retries: Int32 = 0
    while true {
      var report = attempt(&record)
      if report.outcome == .succeeded, let outbox = report.details?.outbox {
        guard let error = commit(outbox, record) else {
          record.outcome = .succeeded
          break
        }
        report.outcome = .failed
        report.details = AttemptDetails(error: error)
        record.error = error
        record.result = nil
      }
      if let step = report.details?.park, !state.withLock({ $0.isCancelled }) {
        if wait(at: step, &record) { continue }
        break
      }
      guard let delay = delay(afterRetries: retries, report) else {
        record.outcome = report.kind == .stuck ? .stuck : report.outcome
        break
      }
      retries += 1
      let why = report.details?.error.map { ": \($0.message)" } ?? ""
      log.write(
        .warn, job: record.job, run: id,
        "attempt \(record.attempts) \(report.outcome.rawValue)\(why); next attempt in \(TimeFormat.span(delay))")
      let (time, overflow) = monotonicNow().addingReportingOverflow(delay)
      if state.wait(until: overflow ? .max : time, for: { $0.isCancelled ? true : nil }) == true {
        record.outcome = .cancelled
        break
      }
    }
    record.finishedAt = SystemWallClock().now
    save(record) { $0.finished.append($1) }
    if record.outcome?.isFailure == true { callFailureHook(about: record) }
    pool.stop()
    return record
  }

  /// `on_failure` of moondial.lua, as a host calls it.
  private func callFailureHook(about record: RunRecord) {
    guard let onFailure else { return }
    let report = execute(
      RunOrder(
        token: RunToken(failureHook: 1), id: id,
        job: JobEntry(onFailure.definition(for: record.job, store: definition.store)),
        attempt: 1, scheduledAt: scheduledAt,
        context: OrderContext(params: nil, event: FailureHook.arguments(of: record))))
    guard report.outcome != .succeeded else { return }
    let why = report.details?.error.map { ": \($0.message)" } ?? ""
    log.write(.error, job: record.job, run: id, "on_failure of moondial.lua \(report.outcome.rawValue)\(why)")
  }

  /// Executes an order on the pool. Blocks until it has ended, or its thread is given up.
  private func execute(_ order: RunOrder) -> RunReport {
    state.withLock { state in
      state.ended = nil
      state.token = order.token
    }
    pool.submit([order])
    return state.wait { $0.ended }!
  }

  private func attempt(_ record: inout RunRecord) -> RunReport {
    record.attempts += 1
    let attempt = record.attempts
    let number = state.withLock { state in
      state.executions += 1
      return state.executions
    }
    let report = execute(
      RunOrder(
        token: RunToken(slot: 0, use: number), id: id, job: entry, attempt: attempt, scheduledAt: scheduledAt,
        context: params == nil && event == nil ? nil : OrderContext(params: params, event: event)))
    if record.startedAt == nil { record.startedAt = report.startedAt } else { record.retriedAt = report.startedAt }
    record.duration += report.duration
    record.memoryPeakBytes = max(record.memoryPeakBytes, report.memoryPeakBytes)
    record.error = report.details?.error
    record.result = report.outcome == .succeeded ? report.details?.result : nil
    return report
  }

  /// Commits the values of an outbox with the run's success; what it asks of a scheduler is dropped.
  ///
  /// - Returns: why it is not committed.
  private func commit(_ outbox: RunOutbox, _ record: RunRecord) -> RunError? {
    for operation in outbox.operations {
      log.write(.warn, job: record.job, run: id, "\(operation.words) of ctx.outbox is dropped: exec has no scheduler")
    }
    var transaction = RunTransaction()
    transaction.keyValues = outbox.keyValues
    transaction.finished = record
    transaction.finished?.outcome = .succeeded
    transaction.finished?.finishedAt = SystemWallClock().now
    do throws(StoreError) {
      let answer = try store.commit(transaction, at: SystemWallClock().now)
      guard case .conflict = answer else { return nil }
      return RunError(message: "ctx.outbox: others have changed a value that this run was to update")
    } catch { return RunError(message: "ctx.outbox: \(error.message)") }
  }

  /// A run that parks waits here, in the foreground, and is executed again; its steps answer from the store. Dying
  /// meanwhile, it leaves a parked run, which the next host takes on.
  ///
  /// - Returns: false: it has ended.
  private func wait(at step: RunStep, _ record: inout RunRecord) -> Bool {
    guard let until = step.until else {
      record.outcome = .failed
      record.error = RunError(
        message: "\(step.words) has no timeout, and exec has no scheduler that could bring the event")
      return false
    }
    record.claimedAt = nil
    // The attempt goes on later, as the same one.
    record.attempts -= 1
    record.park = RunPark(position: step.position, until: until, event: step.kind == .wait ? step.name : nil)
    log.write(.info, job: record.job, run: id, "parked until \(log.format(until)): exec waits for it")
    save(record, steps: [.put(step)]) { $0.waiting.append($1) }
    while true {
      let left = until.nanoseconds(since: SystemWallClock().now)
      guard left > 0 else { break }
      // Not longer than a minute: the wall clock may be set meanwhile.
      let time = monotonicNow() + min(left, 60_000_000_000)
      if state.wait(until: time, for: { $0.isCancelled ? true : nil }) == true {
        record.park = nil
        record.attempts += 1
        record.outcome = .cancelled
        return false
      }
    }
    record.park = nil
    record.claimedAt = SystemWallClock().now
    let end = StepEnd(run: id, position: step.position, finishedAt: SystemWallClock().now)
    save(record, steps: [.end(end)]) { $0.claims.append($1) }
    return true
  }

  private func delay(afterRetries retries: Int32, _ report: RunReport) -> Int64? {
    guard report.kind == .ended, !state.withLock({ $0.isCancelled }) else { return nil }
    let asked = report.details?.retry
    guard
      let policy = definition.retryPolicy(
        after: report.outcome, asked: asked != nil, isFinal: report.details?.isFinal ?? false, retries: Int(retries))
    else { return nil }
    return asked?.delay ?? policy.delay(beforeRetry: Int(retries) + 1, of: id)
  }

  private func save(
    _ record: RunRecord, steps: [StepChange] = [], _ add: (inout StoreBatch, RunRecord) -> Void
  ) {
    var batch = StoreBatch()
    batch.steps = steps
    add(&batch, record)
    let answer = Monitor<StoreError??>(nil)
    store.apply(batch) { error in
      answer.withLock { $0 = .some(error) }
      answer.broadcast()
    }
    if let error = answer.wait(for: { $0 }) ?? nil { log.write(.error, "the run is not recorded: \(error.message)") }
  }
}
