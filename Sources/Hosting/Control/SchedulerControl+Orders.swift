internal import Basics
internal import Chronology
package import JobModel
internal import Scheduling
internal import ScriptLoading
internal import Synchronization

/// Orders about runs and jobs.
extension SchedulerControl {
  package func runNow(_ request: RunRequest, by caller: Caller) async throws(ControlError) -> AcceptedRun {
    try await perform(about: [request.job], runOrder(request, caller))
  }

  /// Gives an order about jobs. One that only a store remembers is an orphan, and not unknown.
  private func perform<Answer: Sendable>(
    about jobs: [String], _ order: @escaping Order<Answer>
  ) async throws(ControlError) -> Answer {
    let refusal: ControlError
    do throws(ControlError) { return try await perform(order) } catch { refusal = error }
    guard refusal.code == .notFound else { throw refusal }
    throw try await away { () throws(ControlError) in jobs.lazy.compactMap(self.orphaned).first ?? refusal }
  }

  func runOrder(_ request: RunRequest, _ caller: Caller) throws(ControlError) -> Order<AcceptedRun> {
    let params = try checked(request.params)
    return { core, now, evaluation throws(ControlError) in
      let id = try ControlError.orRefusal { () throws(SchedulerCore.Refusal) in
        try core.runNow(request.job, params: params, at: now, into: &evaluation)
      }
      let line = AuditLine(
        caller, "run", "run \(id)", details: ["job": .string(request.job), "params": .stored(params)])
      core.audit(line, of: request.job, at: now, into: &evaluation)
      return AcceptedRun(id: id.number, job: request.job)
    }
  }

  /// Parameters are an object, and no larger than a script may make them.
  func checked(_ params: JSONDocument?) throws(ControlError) -> JSONText? {
    guard let params else { return nil }
    guard params.isObject else { throw ControlError(.invalid, "params must be a JSON object, such as {\"dry\": true}") }
    let limit = parts.quotas().paramsBytes
    guard params.text.utf8.count <= limit else {
      throw ControlError(
        .invalid,
        Quotas.message(
          "params have \(params.text.utf8.count) bytes, more than the \(limit) that are allowed", "params_bytes"))
    }
    return params.stored
  }

  package func cancel(_ run: RunID, by caller: Caller) async throws(ControlError) -> CancelAnswer {
    do throws(ControlError) { return try await perform(cancelOrder(run, caller)) } catch {
      guard error.code == .notFound else { throw error }
    }
    // It may have been one, and is over.
    let (record, _) = try await away { () throws(ControlError) in try self.record(of: run) }
    throw ControlError(
      .conflict, "run \(run) has ended already" + (record.outcome.map { " (\($0.rawValue))" } ?? ""))
  }

  func cancelOrder(_ run: RunID, _ caller: Caller) -> Order<CancelAnswer> {
    { [self] core, now, evaluation throws(ControlError) in
      guard let active = core.activeRun(run) else { throw ControlError(.notFound, "run \(run) is not active") }
      try ControlError.orRefusal { () throws(SchedulerCore.Refusal) in
        try core.cancel(run, at: now, into: &evaluation)
      }
      let job = active.record.job
      let before = CancelAnswer.Before(phase(of: active))
      core.audit(
        AuditLine(caller, "cancel", "run \(run)", details: ["job": .string(job)]), of: job, at: now, into: &evaluation)
      let state = core.activeRun(run) == nil ? CancelAnswer.State.cancelled : .cancelling
      return CancelAnswer(id: run.number, job: job, state: state, before: before)
    }
  }

  package func retry(_ run: RunID, by caller: Caller) async throws(ControlError) -> AcceptedRun {
    let (record, _) = try await away { () throws(ControlError) in try self.record(of: run) }
    return try await perform(about: [record.job], try retryOrder(record, caller))
  }

  func retryOrder(_ record: RunRecord, _ caller: Caller) throws(ControlError) -> Order<AcceptedRun> {
    guard record.outcome != nil else {
      throw ControlError(.conflict, "run \(record.id) has not ended: wait for it, or cancel it first")
    }
    return { core, now, evaluation throws(ControlError) in
      let id = try ControlError.orRefusal { () throws(SchedulerCore.Refusal) in
        try core.retry(record, at: now, into: &evaluation)
      }
      let line = AuditLine(
        caller, "retry", "run \(record.id)", details: ["job": .string(record.job), "run": .integer(id.number)])
      core.audit(line, of: record.job, at: now, into: &evaluation)
      return AcceptedRun(id: id.number, job: record.job, retryOf: record.id.number)
    }
  }

  package func pause(_ request: PauseRequest, by caller: Caller) async throws(ControlError) -> PauseAnswer {
    try await perform(about: request.jobs ?? [], try pauseOrder(request, caller))
  }

  package func resume(_ request: PauseRequest, by caller: Caller) async throws(ControlError) -> PauseAnswer {
    try await perform(about: request.jobs ?? [], try resumeOrder(request, caller))
  }

  package func reload(by caller: Caller) async throws(ControlError) -> ReloadAnswer {
    let answer = await withCheckedContinuation { (continuation: CheckedContinuation<ReloadAnswer?, Never>) in
      reload { continuation.resume(returning: $0) }
    }
    return try await perform(try reloadOrder(answer, caller))
  }

  func reloadBlocking(by caller: Caller) throws(ControlError) -> ReloadAnswer {
    let done = Monitor<ReloadAnswer??>(nil)
    reload { answer in done.change { $0 = .some(answer) } }
    return try performBlocking(try reloadOrder(done.wait { $0 } ?? nil, caller))
  }

  /// Who asked for a reload that is over.
  private func reloadOrder(_ answer: ReloadAnswer?, _ caller: Caller) throws(ControlError) -> Order<ReloadAnswer> {
    guard let answer else {
      throw reloads.isOver
        ? PendingOrders.stopping : ControlError(.conflict, "this host has no scripts to reload")
    }
    return { core, now, evaluation in
      let line = AuditLine(caller, "reload", nil, details: ["generation": .integer(Int64(answer.generation))])
      core.audit(line, of: nil, at: now, into: &evaluation)
      return answer
    }
  }

  /// `done` is called once; with nil when there is nothing to reload, or the host ends first.
  func reload(_ done: @escaping @Sendable (ReloadAnswer?) -> Void) {
    guard let scripts, let number = reloads.add({ _ in done(nil) }) else { return done(nil) }
    parts.scripts.await { [reloads] past, generation, failure in
      guard reloads.take(number) else { return }
      var errors = generation.errors.map { ProblemAnswer($0) }
      if let failure { errors.append(ProblemAnswer(configuration: failure)) }
      done(
        ReloadAnswer(
          generation: past.number, added: past.added, changed: past.changed, removed: past.removed, errors: errors))
    }
    scripts.rescan()
  }
}

extension ControlError {
  /// What the scheduler refuses, as the answer to an operator.
  init(_ refusal: SchedulerCore.Refusal) {
    let code: Code =
      switch refusal {
      case .unknownJob, .unknownRun, .unknownSchedule: .notFound
      case .orphaned, .overlap, .scheduleExists, .tooManySchedules: .conflict
      case .scheduleID, .neverFires: .invalid
      case .draining: .unavailable
      }
    self.init(code, refusal.message)
  }

  static func orRefusal<Answer>(
    _ body: () throws(SchedulerCore.Refusal) -> Answer
  ) throws(ControlError) -> Answer {
    do throws(SchedulerCore.Refusal) { return try body() } catch { throw ControlError(error) }
  }
}

extension AuditLine {
  /// A part of what is said about a change.
  enum Detail {
    case string(String)
    case integer(Int64)
    /// A JSON document; nil, and one that is too long, is left out.
    case stored(JSONText?)

    var json: String? {
      switch self {
      case .string(let text): quotedJSON(text.cut(toBytes: PauseRequest.reasonBytes))
      case .integer(let number): String(number)
      case .stored(let text): text.flatMap { $0.text.utf8.count <= AuditLine.detailBytes ? $0.text : nil }
      }
    }
  }

  init(_ caller: Caller, _ action: String, _ subject: String?, details: KeyValuePairs<String, Detail> = [:]) {
    let members = details.compactMap { key, value in value.json.map { "\(quotedJSON(key)):\($0)" } }
    self.init(
      by: caller.name, door: caller.door.rawValue, action: action, subject: subject,
      details: members.isEmpty ? nil : JSONText("{\(members.joined(separator: ","))}"))
  }
}
