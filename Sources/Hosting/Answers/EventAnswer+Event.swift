package import Chronology
internal import JobModel

/// How each event looks in the stream.
extension EventAnswer {
  /// - Parameter zone: in which times are shown.
  package init(_ news: HostEvent, in zone: TimeZoneRules) {
    self.init(type: EventAnswer.type(of: news.event), at: HostTime(news.at, in: zone))
    describeJob(news.event, zone)
    describeRun(news.event, zone)
    describeHost(news.event, zone)
  }

  /// Every `type` that the stream has.
  package static let types = [
    "host_started", "job_added", "job_changed", "job_orphaned", "job_back", "orphans_kept", "job_paused", "job_resumed",
    "host_paused", "host_resumed",
    "schedule_ended", "schedule_made", "schedule_removed", "run_claimed", "run_started", "run_progress", "run_finished",
    "run_retrying", "run_parked", "run_stepped", "operation_refused", "run_stuck", "decided", "claim_failed",
    "script_failed",
    "script_repaired", "failure_hook_ended",
    "store_failed", "store_lost", "not_written", "store_recovered", "clock_changed", "draining", "stopped",
  ]

  private static func type(of event: Event) -> String {
    switch event {
    case .hostStarted: "host_started"
    case .jobAdded: "job_added"
    case .jobChanged: "job_changed"
    case .jobOrphaned: "job_orphaned"
    case .jobResumedFromOrphan: "job_back"
    case .orphansKept: "orphans_kept"
    case .jobPaused: "job_paused"
    case .jobResumed: "job_resumed"
    case .hostPaused: "host_paused"
    case .hostResumed: "host_resumed"
    case .scheduleEnded: "schedule_ended"
    case .scheduleMade: "schedule_made"
    case .scheduleRemoved: "schedule_removed"
    case .runClaimed: "run_claimed"
    case .runStarted: "run_started"
    case .runProgress: "run_progress"
    case .runFinished: "run_finished"
    case .runRetrying: "run_retrying"
    case .runParked: "run_parked"
    case .runStepped: "run_stepped"
    case .operationRefused: "operation_refused"
    case .runStuck: "run_stuck"
    case .decided: "decided"
    case .claimFailed: "claim_failed"
    case .scriptFailed: "script_failed"
    case .scriptRepaired: "script_repaired"
    case .failureHookEnded: "failure_hook_ended"
    case .storeFailed: "store_failed"
    case .storeLost: "store_lost"
    case .notWritten: "not_written"
    case .storeRecovered: "store_recovered"
    case .clockChanged: "clock_changed"
    case .draining: "draining"
    case .stopped: "stopped"
    }
  }

  private mutating func describeJob(_ event: Event, _ zone: TimeZoneRules) {
    switch event {
    case .jobAdded(let name, let next), .jobChanged(let name, let next), .jobResumedFromOrphan(let name, let next),
      .jobResumed(let name, let next):
      job = name
      nextRunTime = next.map { HostTime($0, in: zone) }
    case .jobPaused(let name, let note):
      job = name
      pause = note.map { PauseInfo(reason: $0.reason, by: $0.by, at: HostTime($0.at, in: zone)) }
    case .jobOrphaned(let name), .scheduleEnded(let name): job = name
    case .scheduleMade(let id, let name, let next):
      (schedule, job) = (id, name)
      nextRunTime = next.map { HostTime($0, in: zone) }
    case .scheduleRemoved(let id, let name): (schedule, job) = (id, name)
    case .decided(let range, _):
      (schedule, job) = (range.schedule, range.job)
      let count = range.isAtLeast ? "at least \(range.count)" : "\(range.count)"
      let reason = range.reason.map { " (\($0.rawValue))" } ?? ""
      message =
        "\(count) \(range.kind.rawValue)\(reason), from \(HostTime(range.first, in: zone)) to "
        + "\(HostTime(range.last, in: zone))"
    case .claimFailed(let name, let error): (job, message) = (name, error)
    default: break
    }
  }

  private mutating func describeRun(_ event: Event, _ zone: TimeZoneRules) {
    switch event {
    case .runClaimed(let id, let name, let scheduledAt):
      (run, job) = (id.number, name)
      message = "for \(HostTime(scheduledAt, in: zone))"
    case .runStarted(let id, let name, let number): (run, job, attempt) = (id.number, name, number)
    case .runProgress(let note):
      (run, job) = (note.run.number, note.job)
      progress = ProgressInfo(
        text: note.progress.words, fraction: note.progress.fraction, at: HostTime(note.at, in: zone))
    case .runFinished(let record):
      (run, job, outcome, attempt) = (record.id.number, record.job, record.outcome, record.begunAttempts)
      schedule = record.schedule
      message = record.error?.message
    case .runRetrying(let id, let name, let number, let delay, let ended, let error):
      (run, job, attempt, outcome) = (id.number, name, number, ended)
      message = "next attempt in \(TimeFormat.span(delay))" + (error.map { ": \($0.message)" } ?? "")
    case .runParked(let id, let name, let park):
      (run, job) = (id.number, name)
      message = park.words { HostTime($0, in: zone).text }
    case .runStepped(let step, let name):
      (run, job, attempt) = (step.run.number, name, Int(step.attempt))
      message = step.words
    case .operationRefused(let id, let name, let why): (run, job, message) = (id.number, name, why)
    case .runStuck(let id, let name): (run, job) = (id.number, name)
    default: break
    }
  }

  private mutating func describeHost(_ event: Event, _ zone: TimeZoneRules) {
    switch event {
    case .hostPaused(let note): pause = PauseInfo(reason: note.reason, by: note.by, at: HostTime(note.at, in: zone))
    case .hostStarted(let generation, let jobs): message = "generation \(generation.number), \(jobs) jobs"
    case .orphansKept(let count): message = "\(count)"
    case .scriptFailed(let script, let problems): message = "\(script): " + problems.joined(separator: "; ")
    case .scriptRepaired(let script): message = script
    case .failureHookEnded(_, let ended, let error): (outcome, message) = (ended, error?.message)
    case .storeFailed(let text), .storeLost(let text), .notWritten(let text): message = text
    case .clockChanged(let by, _): message = "by \(DurationText.format(nanoseconds: by))"
    case .draining(let running): message = "\(running) running"
    default: break
    }
  }
}
