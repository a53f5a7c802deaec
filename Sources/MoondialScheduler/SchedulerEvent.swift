public import FoundationEssentials
internal import Chronology
internal import Hosting
internal import JobModel

/// What a scheduler tells whoever listens: one fact, one event, where it becomes true.
public enum SchedulerEvent: Sendable, CustomStringConvertible {
  case started(jobs: Int)
  case jobAdded(String, nextFire: Date?)
  case jobChanged(String, nextFire: Date?)
  /// Its script, or the program, does not declare it any more.
  case jobRemoved(String)
  case jobPaused(String)
  case jobResumed(String, nextFire: Date?)
  /// Nothing that falls due runs, of any job, until it is resumed.
  case everythingPaused(reason: String?, by: String)
  case everythingResumed
  /// It will not fire again.
  case scheduleEnded(String)
  /// One was made at run time, or given a new form.
  case scheduleMade(String, job: String, nextFire: Date?)
  /// A dynamic one was taken away, or its last run has ended.
  case scheduleRemoved(String, job: String)
  /// On disk, where there is one; it starts as soon as a thread is free.
  case runClaimed(RunID, job: String, scheduledAt: Date)
  case runStarted(RunID, job: String, attempt: Int)
  /// How far a script's run says it is (`ctx:progress`), in words, and as a fraction from 0 to 1 if it said one. Of
  /// each run at most once a second, and at its end.
  case runProgress(RunID, job: String, text: String, fraction: Double?)
  case runFinished(Run)
  case runRetrying(RunID, job: String, attempt: Int, delay: Duration, outcome: Outcome, error: String?)
  /// It waits for a time or an event without a thread, as its store knows, and goes on then; nil: no time ends it.
  case runParked(RunID, job: String, until: Date?, event: String?)
  /// A script's run has done a step (`ctx:step`), whose result is durable.
  case runStepped(RunID, job: String, position: Int, step: String)
  /// It did not end at its timeout: its thread is given up and replaced.
  case runStuck(RunID, job: String)
  /// Fire times that got no run of their own, from the first to the last.
  case notRun(job: String, NotRun, first: Date, last: Date, count: Int)
  /// Its claim could not be written: it stays due.
  case claimFailed(job: String, error: String)
  case storeFailed(String)
  /// A script has errors: its last good version stays in force, if there is one.
  case scriptFailed(String, problems: [String])
  /// A script that had errors is loaded as it is now.
  case scriptRepaired(String)
  case storeRecovered
  /// The wall clock was set.
  case clockChanged(by: Duration)
  /// It claims nothing more and waits for what runs.
  case stopping(running: Int)
  case stopped

  /// Why a fire time got no run of its own.
  public enum NotRun: String, Sendable, Hashable, CaseIterable {
    /// Taken together with another one into one run.
    case coalesced
    /// Later than `misfireGraceTime`.
    case misfired
    /// `maxInstances` runs were active.
    case overlap
    case paused
    case disabled
    /// A queue, `catchUpMax`, a group or a rate was full.
    case limit
    /// Nobody declared the job then, or its schedule was taken away.
    case removed
    /// The wall clock was set back.
    case clock
    /// Another node ran it.
    case node
  }

  /// One sentence, as the log has it where it has one.
  public var description: String {
    switch self {
    case .started(let jobs): "started with \(jobs) \(jobs == 1 ? "job" : "jobs")"
    case .jobAdded(let job, let next): "job \"\(job)\" added\(SchedulerEvent.shown(next))"
    case .jobChanged(let job, let next): "job \"\(job)\" changed\(SchedulerEvent.shown(next))"
    case .jobRemoved(let job): "job \"\(job)\" removed"
    case .jobPaused(let job): "job \"\(job)\" paused"
    case .everythingPaused(let reason, let by):
      "everything is paused by \(by)" + (reason.map { ": \($0)" } ?? "")
    case .everythingResumed: "everything is resumed"
    case .jobResumed(let job, let next): "job \"\(job)\" resumed\(SchedulerEvent.shown(next))"
    case .scheduleEnded(let job): "the schedule of job \"\(job)\" has ended"
    case .scheduleMade(let id, let job, let next): "schedule \(id) of job \"\(job)\" made\(SchedulerEvent.shown(next))"
    case .scheduleRemoved(let id, let job): "schedule \(id) of job \"\(job)\" is over"
    case .runClaimed(let run, let job, _): "run \(run) of job \"\(job)\" claimed"
    case .runStarted(let run, let job, let attempt):
      "run \(run) of job \"\(job)\" started\(attempt > 1 ? ", attempt \(attempt)" : "")"
    case .runProgress(let run, let job, let text, _): "run \(run) of job \"\(job)\": \(text)"
    case .runFinished(let run):
      "run \(run.id) of job \"\(run.job)\" \(run.outcome?.rawValue ?? "ended")\(run.error.map { ": \($0)" } ?? "")"
    case .runRetrying(let run, let job, let attempt, let delay, let outcome, let error):
      "attempt \(attempt) of run \(run) of job \"\(job)\" \(outcome.rawValue)\(error.map { ": \($0)" } ?? ""); "
        + "next attempt in \(delay.text)"
    case .runParked(let run, let job, let until, let event):
      "run \(run) of job \"\(job)\" parked\(event.map { " for the event \"\($0)\"" } ?? "")"
        + (until.map { " until \(Instant($0))" } ?? "")
    case .runStepped(let run, let job, let position, let step):
      "run \(run) of job \"\(job)\" has done step \(position), \(step)"
    case .runStuck(let run, let job): "run \(run) of job \"\(job)\" cannot be stopped"
    case .notRun(let job, .misfired, let first, _, let count):
      "Run time of job \"\(job)\" was missed: \(count) later than its misfire_grace_time (first \(Instant(first)))"
    case .notRun(let job, let reason, _, _, let count):
      "Execution of job \"\(job)\" skipped: \(reason.words) (\(count))"
    case .claimFailed(let job, let error): "job \"\(job)\" not started: \(error)"
    case .storeFailed(let error): "store \(error)"
    case .scriptFailed(let script, let problems): "script \(script) has errors: \(problems.joined(separator: "; "))"
    case .scriptRepaired(let script): "script \(script) is loaded again"
    case .storeRecovered: "the store can be written again"
    case .clockChanged(let by): "the clock was set by \(by.text)"
    case .stopping(let running): "stopping, \(running) running"
    case .stopped: "stopped"
    }
  }

  private static func shown(_ next: Date?) -> String { next.map { ", next run \(Instant($0))" } ?? "" }
}

extension SchedulerEvent.NotRun {
  fileprivate var words: String {
    switch self {
    case .coalesced: "taken together with another fire time"
    case .misfired: "too late"
    case .overlap: "maximum number of running instances reached"
    case .paused: "it is paused"
    case .disabled: "it is disabled"
    case .limit: "a limit is reached"
    case .removed: "it was not declared"
    case .clock: "the clock was set back"
    case .node: "another node runs it"
    }
  }

  init(_ range: DecisionRange) {
    switch (range.kind, range.reason) {
    case (.coalesced, _): self = .coalesced
    case (.misfired, _): self = .misfired
    case (.clock, _): self = .clock
    case (.skipped, .overlap): self = .overlap
    case (.skipped, .paused): self = .paused
    case (.skipped, .disabled): self = .disabled
    case (.skipped, .orphaned), (.skipped, .unscheduled): self = .removed
    case (.skipped, .node): self = .node
    case (.skipped, _): self = .limit
    }
  }
}

extension SchedulerEvent {
  /// nil: it is about the `moondial` command's upkeep.
  init?(_ event: Event) {
    switch event {
    case .orphansKept, .failureHookEnded, .operationRefused: return nil
    case .scriptFailed(let script, let problems): self = .scriptFailed(script, problems: problems)
    case .scriptRepaired(let script): self = .scriptRepaired(script)
    case .hostStarted(_, let jobs): self = .started(jobs: jobs)
    case .jobAdded(let job, let next): self = .jobAdded(job, nextFire: next.map { Date($0) })
    case .jobResumedFromOrphan(let job, let next): self = .jobAdded(job, nextFire: next.map { Date($0) })
    case .jobChanged(let job, let next): self = .jobChanged(job, nextFire: next.map { Date($0) })
    case .jobOrphaned(let job): self = .jobRemoved(job)
    case .jobPaused(let job, _): self = .jobPaused(job)
    case .jobResumed(let job, let next): self = .jobResumed(job, nextFire: next.map { Date($0) })
    case .hostPaused(let note): self = .everythingPaused(reason: note.reason, by: note.by)
    case .hostResumed: self = .everythingResumed
    case .scheduleEnded(let job): self = .scheduleEnded(job)
    case .scheduleMade(let id, let job, let next): self = .scheduleMade(id, job: job, nextFire: next.map { Date($0) })
    case .scheduleRemoved(let id, let job): self = .scheduleRemoved(id, job: job)
    case .runClaimed(let run, let job, let at): self = .runClaimed(RunID(run), job: job, scheduledAt: Date(at))
    case .runStarted(let run, let job, let attempt): self = .runStarted(RunID(run), job: job, attempt: attempt)
    case .runProgress(let note):
      self = .runProgress(
        RunID(note.run), job: note.job, text: note.progress.words, fraction: note.progress.fraction)
    case .runFinished(let record): self = .runFinished(Run(record))
    case .runRetrying(let run, let job, let attempt, let delay, let outcome, let error):
      self = .runRetrying(
        RunID(run), job: job, attempt: attempt, delay: .nanoseconds(delay), outcome: Outcome(outcome),
        error: error?.message)
    case .runParked(let run, let job, let park):
      self = .runParked(RunID(run), job: job, until: park.until.map { Date($0) }, event: park.event)
    case .runStepped(let step, let job):
      self = .runStepped(RunID(step.run), job: job, position: Int(step.position), step: step.title)
    case .runStuck(let run, let job): self = .runStuck(RunID(run), job: job)
    case .decided(let range, _):
      self = .notRun(
        job: range.job, NotRun(range), first: Date(range.first), last: Date(range.last), count: range.count)
    case .claimFailed(let job, let error): self = .claimFailed(job: job, error: error)
    case .storeFailed(let error), .storeLost(let error), .notWritten(let error): self = .storeFailed(error)
    case .storeRecovered: self = .storeRecovered
    case .clockChanged(let by, _): self = .clockChanged(by: .nanoseconds(by))
    case .draining(let running): self = .stopping(running: running)
    case .stopped: self = .stopped
    }
  }
}
