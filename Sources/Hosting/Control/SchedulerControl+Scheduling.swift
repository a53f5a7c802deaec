internal import Chronology
internal import FileWatching
internal import JobModel
internal import Lua
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading
internal import Triggers

/// Orders about schedules and ranges of fire times.
extension SchedulerControl {
  package func schedule(_ order: ScheduleOrder, by caller: Caller) async throws(ControlError) -> ScheduleAnswer {
    // Reading a trigger may take some milliseconds.
    let request = try await away { () throws(ControlError) in try self.request(order) }
    return try await perform(scheduleOrder(request, caller))
  }

  func scheduleOrder(_ request: ScheduleRequest, _ caller: Caller) -> Order<ScheduleAnswer> {
    { core, now, evaluation throws(ControlError) in
      let id = try ControlError.orRefusal { () throws(SchedulerCore.Refusal) in
        try core.schedule(request, at: now, into: &evaluation)
      }
      let line = AuditLine(
        caller, "schedule", id, details: ["job": .string(request.job), "trigger": .string(request.trigger.lua)])
      core.audit(line, of: request.job, at: now, into: &evaluation)
      var answer = ScheduleAnswer(
        id: id, job: request.job, trigger: request.trigger.description, lua: request.trigger.lua)
      answer.nextRunTime = core.scheduled(id)?.nextFire.map { self.time($0) }
      answer.params = request.options.params.map { JSONDocument($0) }
      return answer
    }
  }

  /// What an order says, with the words and the checks of a job's table.
  func request(_ order: ScheduleOrder) throws(ControlError) -> ScheduleRequest {
    let slot = try slot(of: order.job)
    guard let state = states(at: [slot]).first else { throw unknown(order.job) }
    let times = [order.at, order.every, order.cron, order.trigger].compactMap { $0 }
    guard times.count == 1 else {
      throw ControlError(.invalid, "say when with one of at, every, cron and trigger")
    }
    let zone: TimeZoneRules
    do { zone = try parts.zones.zone(named: order.timeZone ?? state.definition.timeZone) } catch {
      throw ControlError(.invalid, "timezone: \(error)")
    }
    var request = ScheduleRequest(job: order.job, id: order.id, trigger: try trigger(order, zone))
    request.replaceExisting = order.replaceExisting ?? false
    request.quota = parts.quotas().schedulesPerJob
    request.options.params = try checked(order.params)
    request.options.timeZone = order.timeZone
    return request
  }

  private func trigger(_ order: ScheduleOrder, _ zone: TimeZoneRules) throws(ControlError) -> AnyTrigger {
    if let text = order.trigger {
      do {
        return try TriggerText.parse(text, context: TriggerContext(zones: parts.zones, zone: zone)).trigger
      } catch { throw ControlError(.invalid, "trigger: \(error)") }
    }
    let environment = DeclareEnvironment(
      zones: parts.zones, zone: zone,
      calendars: CalendarLibrary(refusing: TriggerError("a dynamic schedule cannot follow a calendar file")),
      quotas: parts.quotas(), now: now)
    var draft = JobDraft(zone: zone)
    draft.definition.name = order.job
    var decoder = JobDecoder(environment, .schedule)
    let fields = [("at", order.at), ("every", order.every), ("cron", order.cron)].compactMap { name, text in
      text.map { (name, LuaValue.string(LuaString($0))) }
    }
    decoder.apply(LuaTable(fields: fields), to: &draft)
    var assembly = TriggerAssembly(draft, environment)
    let trigger = assembly.assemble()
    let complaints = decoder.reading.complaints + assembly.complaints + assembly.specificationProblems.map(\.message)
    guard complaints.isEmpty, let trigger else {
      throw ControlError(.invalid, complaints.isEmpty ? "say when" : complaints.joined(separator: "; "))
    }
    return trigger
  }

  package func unschedule(_ id: String, by caller: Caller) async throws(ControlError) {
    try await perform(unscheduleOrder(id, caller))
  }

  func unscheduleOrder(_ id: String, _ caller: Caller) -> Order<Void> {
    { core, now, evaluation throws(ControlError) in
      let job = core.scheduled(id)?.entry.definition.name
      try ControlError.orRefusal { () throws(SchedulerCore.Refusal) in
        try core.unschedule(id, at: now, into: &evaluation)
      }
      let details: KeyValuePairs<String, AuditLine.Detail> = ["job": job.map { .string($0) } ?? .stored(nil)]
      core.audit(AuditLine(caller, "unschedule", id, details: details), of: job, at: now, into: &evaluation)
    }
  }

  // MARK: A range of fire times

  package func backfill(_ request: BackfillRequest, by caller: Caller) async throws(ControlError) -> BackfillAnswer {
    let fires = try await away { () throws(ControlError) in try self.fires(request) }
    let plan = plan(request, fires)
    if plan.isDryRun || fires.isEmpty { return plan }
    return try await perform(try backfillOrder(request, fires, plan, caller))
  }

  /// What a dry run answers.
  func plan(_ request: BackfillRequest, _ fires: [Instant]) -> BackfillAnswer {
    BackfillAnswer(
      job: request.job, fires: fires.map(time), runs: [], skipped: 0, isDryRun: request.dryRun ?? false)
  }

  func backfillOrder(
    _ request: BackfillRequest, _ fires: [Instant], _ plan: BackfillAnswer, _ caller: Caller
  ) throws(ControlError) -> Order<BackfillAnswer> {
    let params = try checked(request.params)
    let (from, to) = (request.from.text, request.to.text)
    return { core, now, evaluation throws(ControlError) in
      let isCoalesced = request.coalesce ?? false
      let runs = try ControlError.orRefusal { () throws(SchedulerCore.Refusal) in
        try core.backfill(
          request.job, fires, coalesced: isCoalesced, overlap: request.overlap ?? .queue, params: params, at: now,
          into: &evaluation)
      }
      let line = AuditLine(
        caller, "backfill", request.job,
        details: ["from": .string(from), "to": .string(to), "runs": .integer(Int64(runs.count))])
      core.audit(line, of: request.job, at: now, into: &evaluation)
      var answer = plan
      answer.runs = runs.map(\.number)
      answer.skipped = (isCoalesced ? min(1, fires.count) : fires.count) - runs.count
      return answer
    }
  }

  /// The fire times of the range.
  func fires(_ request: BackfillRequest) throws(ControlError) -> [Instant] {
    let (from, to) = (request.from.instant, request.to.instant)
    guard from < to else { throw ControlError(.invalid, "the end of the range must be later than its beginning") }
    guard to <= now else {
      throw ControlError(.invalid, "a backfill is for fire times that have passed: let the range end now or before")
    }
    _ = try slot(of: request.job)
    let trigger = try engine.ask { core, _, _ in
      Result { () throws(ControlError) in
        try ControlError.orRefusal { () throws(SchedulerCore.Refusal) in try core.trigger(of: request.job) }
      }
    }.get()
    guard let trigger else {
      throw ControlError(.conflict, "job \"\(request.job)\" has no trigger, so it has no fire times")
    }
    var fires: [Instant] = []
    var edge = from.advanced(byNanoseconds: -1)
    while let fire = trigger.next(after: edge), fire < to {
      guard fires.count < BackfillRequest.most else {
        throw ControlError(
          .invalid,
          "the range has more than the \(BackfillRequest.most) fire times of one backfill: take a shorter one")
      }
      fires.append(fire)
      edge = fire
    }
    return fires
  }
}
