internal import Chronology
package import Executors
package import FileWatching
package import JobModel
internal import Lua

/// What host functions know of the run that calls them: `LuaCall.context` of every job state.
///
/// One object per state, filled anew for each run, so that a run costs no allocation.
///
/// Threading: only the thread that steps the run touches it, and the pool hands runs over between threads.
package final class RunContext: @unchecked Sendable {
  // @unchecked: see above.

  package let services: HostServices
  /// Whether the run is to end.
  package let cancel: CancelRequest
  private let limits: LuaHostConfiguration
  private let budget: AnswerBudget
  /// The state's limit and use when the run began.
  private var memory: (limit: Int, used: Int) = (0, 0)
  /// Made when the run first needs it.
  private(set) var openAccount: AnswerAccount?
  /// Nil between runs: an order leads to its job's payload, and a kept state must not keep that alive.
  package private(set) var order: RunOrder?
  package private(set) var time: StepTime
  /// What the run may still log; nil before its first line.
  private var allowance: LogAllowance?
  /// Set by `ctx:retry`; counts when the run fails with that error.
  package var retry: RetryRequest?
  /// What modules keep for the length of the run; nil: nothing.
  private var keptObjects: KeptObjects?
  /// It has said how far it is.
  private var hasProgress = false

  package init(services: HostServices, limits: LuaHostConfiguration, budget: AnswerBudget, hostEnds: WindDown) {
    self.services = services
    cancel = CancelRequest(hostEnds: hostEnds, onLook: limits.onLook)
    self.limits = limits
    self.budget = budget
    time = StepTime(wall: .epoch, monotonic: 0, deadline: .max)
  }

  package func begin(_ order: RunOrder, at time: StepTime, memoryLimit: Int, used: Int) {
    self.order = order
    memory = (memoryLimit, used)
    self.time = time
    allowance = nil
    retry = nil
    cancel.begin()
  }

  /// What is left of the run has a deadline of its own.
  package func goOn(until deadline: Int64) {
    time.deadline = deadline
    closeAccount()
  }

  package func end() {
    if hasProgress, let order {
      services.log.runEnded(order.id, store: order.job.definition.store)
      hasProgress = false
    }
    order = nil
    keptObjects = nil
    closeAccount()
  }

  /// What a module keeps for the length of the run, such as its cookies or temporary files: made when it is first asked
  /// for, released with the run.
  package func kept<Object: AnyObject & Sendable>(_ module: String, make: () -> Object) -> Object {
    let kept = keptObjects ?? KeptObjects()
    keptObjects = kept
    if let known = kept.byModule[module] as? Object { return known }
    let object = make()
    kept.byModule[module] = object
    return object
  }

  /// The run's steps.
  package var journal: RunJournal { kept("steps") { RunJournal() } }

  /// What lands with the run's success.
  package var outbox: TransactionDraft { kept("outbox") { TransactionDraft() } }

  /// The outbox of a run that has succeeded; nil: it has put nothing there.
  func takeOutbox() -> RunOutbox? {
    guard let draft = keptObjects?.byModule["outbox"] as? TransactionDraft, !draft.isEmpty else { return nil }
    return RunOutbox(
      keyValues: draft.values, operations: draft.operations, encoded: RunOperation.encoded(draft.operations))
  }

  /// The step at which the run is to park.
  var parksAt: RunStep? { (keptObjects?.byModule["steps"] as? RunJournal)?.park }

  /// What keeps the run's steps; nil: there is no store here.
  package var keeper: (any RunKeeper)? {
    services.runKeeper(current.context?.store ?? current.job.definition.store)
  }

  /// What the run's answers have of its memory.
  package var answers: AnswerAccount {
    if let openAccount { return openAccount }
    let account = budget.account(script: script.text, limit: memory.limit, used: memory.used)
    openAccount = account
    return account
  }

  private func closeAccount() {
    openAccount?.close()
    openAccount = nil
  }

  /// The order of the run that is on this state.
  package var current: RunOrder {
    guard let order else { preconditionFailure("host functions run between begin and end of a run") }
    return order
  }

  package var definition: JobDefinition { current.job.definition }
  package var script: ScriptPath { ScriptPath(current.job.definition.source.file) }

  /// How many attempts may follow this one.
  package var attemptsLeft: Int { cancel.hostEnds.isOn ? 0 : current.attemptsLeft }

  /// Whether no attempt follows one that ended so.
  func isLast(_ result: AttemptResult) -> Bool {
    let details = result.details
    return cancel.hostEnds.isOn
      || definition.retryPolicy(
        after: result.outcome, asked: details?.retry != nil, isFinal: details?.isFinal ?? false,
        retries: current.retries) == nil
  }

  /// Writes a line of the script, as long as the run's allowance lasts.
  ///
  /// - Parameter fields: without values of secrets.
  package func log(_ level: LogLevel, _ message: String, of size: Int? = nil, fields: JSONText? = nil) {
    guard level >= services.log.threshold else { return }
    let quotas = services.quotas()
    // Hidden before it is cut: half a value would be told otherwise.
    let message = services.secrets.mask.masked(message, mayBeCut: size != nil)
      .cut(toBytes: quotas.logLineBytes, of: size)
    var left = allowance ?? LogAllowance(lines: limits.logLines, bytes: quotas.logBytesPerRun)
    defer { allowance = left }
    switch left.take(message.utf8.count + (fields?.text.utf8.count ?? 0)) {
    case .write: write(level, message, fields)
    case .dropFromHere:
      write(
        .warn,
        Quotas.message(
          "further log lines of this run are dropped: it has written \(limits.logLines) lines or "
            + "\(SizeText.format(quotas.logBytesPerRun)), which is what one run may write", "log_bytes_per_run"), nil)
    case .drop: break
    }
  }

  /// Writes a line of the host about this run, whatever the script has written.
  package func note(_ level: LogLevel, _ message: String) {
    write(level, services.secrets.mask.masked(message, mayBeCut: true), nil)
  }

  /// Tells how far the run is.
  package func note(_ progress: RunProgress) {
    let order = current
    let definition = order.job.definition
    hasProgress = true
    services.log.note(
      ProgressNote(
        run: order.id, job: definition.name, store: definition.store, at: services.wall.now, progress: progress))
  }

  private func write(_ level: LogLevel, _ message: String, _ fields: JSONText?) {
    let order = current
    let definition = order.job.definition
    services.log.write(
      LogLine(
        run: order.id, job: definition.name, store: definition.store, level: level, message: message, fields: fields,
        at: services.wall.now))
  }
}

/// By module. An object of its own, so that a run without any pays for a pointer.
private final class KeptObjects {
  var byModule: [String: any AnyObject & Sendable] = [:]
}
