internal import ScriptRuntime
package import Chronology
package import JobModel
internal import Synchronization

/// Renders the scheduler's events as log lines. Skips are logged at once the first time, and then as one summary per
/// job and ten seconds.
///
/// Threading: any thread.
package final class EventRenderer: Sendable {
  private struct Skips: Sendable {
    var quietUntil = Instant.distantPast
    var count = 0
  }

  private let log: any HostLog
  private let clock: any WallClock
  private let saysStarts: Bool
  /// In a struct: a closure that a `Mutex` holds by itself is wrapped anew, and put back wrapped, each time it is
  /// looked at, so that it grows by a few frames and bytes with each event.
  private struct Reasons: Sendable {
    var say: (@Sendable (String) -> String)?
  }
  private let reasonOfOrphan = Mutex(Reasons())
  private let skips = Mutex<[String: Skips]>([:])

  private static let summaryPeriod: Int64 = 10_000_000_000
  /// Jobs of which skips are told within such a period, at most.
  private static let jobsRemembered = 1_000

  /// - Parameter saysStarts: false when the starts of runs are said by their workers, before the runs' own lines: see
  ///   `SchedulerAssembly.Blueprint.willBegin`.
  package init(_ log: any HostLog, clock: any WallClock = SystemWallClock(), saysStarts: Bool = true) {
    self.log = log
    self.saysStarts = saysStarts
    self.clock = clock
  }

  /// From now on `reason` says why a job is kept and does not run.
  package func useReasons(_ reason: @escaping @Sendable (String) -> String) {
    reasonOfOrphan.withLock { $0.say = reason }
  }

  /// Writes what `event` means to an operator; nothing for what only counts.
  package func render(_ event: Event) {
    switch event {
    case .hostStarted, .stopped: break
    case .jobAdded(let job, let next): log.write(.info, job: job, "added, \(describe(next))")
    case .jobChanged(let job, let next): log.write(.info, job: job, "changed, \(describe(next))")
    case .jobOrphaned(let job):
      let reason = reasonOfOrphan.withLock { $0.say }
      log.write(.warn, job: job, reason?(job) ?? "its script is gone: kept, not run until it returns")
    case .orphansKept(let count):
      log.write(
        .info,
        count == 1
          ? "1 job that no script declares is kept: `moondial list --orphans` shows it, `moondial forget JOB` drops it"
          : "\(count) jobs that no script declares are kept: `moondial list --orphans` shows them, "
            + "`moondial forget JOB` drops one")
    case .jobResumedFromOrphan(let job, let next): log.write(.info, job: job, "is back, \(describe(next))")
    case .jobPaused(let job, let note): log.write(.info, job: job, "paused\(note?.words ?? "")")
    case .jobResumed(let job, let next): log.write(.info, job: job, "resumed, \(describe(next))")
    case .hostPaused(let note):
      log.write(.warn, "everything is paused\(note.words): what falls due is skipped until it is resumed")
    case .hostResumed: log.write(.info, "everything is resumed")
    case .scheduleMade(let id, let job, let next): log.write(.debug, job: job, "schedule \(id): \(describe(next))")
    case .scheduleRemoved(let id, let job): log.write(.debug, job: job, "schedule \(id) is over")
    case .scheduleEnded(let job): log.write(.info, job: job, "its schedule has ended")
    // The sink has said it.
    case .runClaimed, .runProgress: break
    case .runStarted(let run, let job, let attempt):
      if saysStarts {
        log.write(.debug, job: job, run: run, attempt > 1 ? "attempt \(attempt) started" : "started")
      }
    case .runFinished(let record): finished(record)
    case .runRetrying(let run, let job, let attempt, let delay, let outcome, let error):
      let why = error.map { ": \($0.message)" } ?? ""
      log.write(
        .warn, job: job, run: run,
        "attempt \(attempt) \(outcome.rawValue)\(why); next attempt in \(TimeFormat.span(delay))")
    case .runParked(let run, let job, let park):
      log.write(.debug, job: job, run: run, "parked \(park.words { log.format($0) })")
    case .runStepped(let step, let job):
      if saysStarts { log.write(.debug, job: job, run: step.run, "\(step.words) is done") }
    case .operationRefused(let run, let job, let why):
      log.write(.warn, job: job, run: run, "what it has committed could not be done any more: \(why)")
    case .runStuck(let run, let job):
      log.write(.error, job: job, run: run, "cannot be stopped: its thread is given up")
    case .decided(let range, let maxInstances): decided(range, maxInstances)
    // The store's own line is said once, whatever the number of its jobs.
    case .claimFailed(let job, let error): log.write(.debug, job: job, "not started: \(error)")
    // What is wrong was said when it was found, each with its file and line.
    case .scriptFailed: break
    case .scriptRepaired(let script): log.write(.info, "\(script): it is loaded again, its errors are gone")
    case .failureHookEnded: break
    case .storeFailed(let text): log.write(.error, "store \(text); its jobs stay due and are tried again every second")
    case .storeLost(let text), .notWritten(let text): log.write(.error, "store \(text)")
    case .storeRecovered: log.write(.info, "the store can be written again")
    case .clockChanged(let by, let epoch):
      let amount = TimeFormat.span(by.magnitude > UInt64(Int64.max) ? .max : abs(by))
      log.write(.warn, "the clock was set \(by < 0 ? "back" : "forward") by \(amount) (clock epoch \(epoch.number))")
    case .draining(let running):
      log.write(.info, running == 0 ? "stopping" : "stopping: waiting for \(running) running")
    }
  }

  private func describe(_ next: Instant?) -> String {
    next.map { "next run \(log.format($0))" } ?? "no fire time of its own"
  }

  private func finished(_ record: RunRecord) {
    let took = TimeFormat.span(max(0, record.duration))
    let result = record.result.map { " → \($0.text.cut(toBytes: 1_024))" } ?? ""
    switch record.outcome {
    case .succeeded: log.write(.debug, job: record.job, run: record.id, "succeeded in \(took)\(result)")
    case .cancelled, .interrupted:
      log.write(.warn, job: record.job, run: record.id, "\(record.outcome!.rawValue)\(reason(record))")
    default:
      log.write(
        .error, job: record.job, run: record.id,
        "\(record.outcome?.rawValue ?? "ended") after \(took)\(reason(record))", traceback: record.error?.traceback)
    }
  }

  private func reason(_ record: RunRecord) -> String { record.error.map { ": \($0.message)" } ?? "" }

  private func decided(_ range: DecisionRange, _ maxInstances: Int) {
    guard let text = message(range, maxInstances) else { return }
    let now = clock.now
    let summary: Int? = skips.withLock { skips in
      // Jobs come and go by the thousand; what is over needs no entry.
      if skips.count >= Self.jobsRemembered { skips = skips.filter { $0.value.quietUntil > now } }
      guard skips.count < Self.jobsRemembered || skips[range.job] != nil else { return nil }
      var entry = skips[range.job] ?? Skips()
      defer { skips[range.job] = entry }
      guard now >= entry.quietUntil else {
        entry.count += range.count
        return nil
      }
      let count = entry.count
      entry = Skips(quietUntil: now.advanced(byNanoseconds: Self.summaryPeriod), count: 0)
      return count
    }
    guard let summary else { return }
    let more = summary > 0 ? " (and \(summary) more like it in the last 10 s)" : ""
    log.write(.warn, text + more)
  }

  /// In the words that users of this field search for.
  private func message(_ range: DecisionRange, _ maxInstances: Int) -> String? {
    let count = range.isAtLeast ? "at least \(range.count)" : "\(range.count)"
    switch (range.kind, range.reason) {
    case (.skipped, .overlap):
      return "Execution of job \"\(range.job)\" skipped: maximum number of running instances reached (\(maxInstances))"
    case (.skipped, .limit): return "Execution of job \"\(range.job)\" skipped: its queue or catch-up limit is reached"
    case (.skipped, .orphaned): return "job \"\(range.job)\": \(count) fire times skipped while its script was gone"
    case (.misfired, .group):
      return
        "Run time of job \"\(range.job)\" was missed: \(count) found no slot in its group within its misfire_grace_time"
    case (.misfired, .rate):
      return
        "Run time of job \"\(range.job)\" was missed: \(count) would have gone beyond the rate within its misfire_grace_time"
    case (.misfired, _):
      return
        "Run time of job \"\(range.job)\" was missed: \(count) later than its misfire_grace_time (first \(range.first))"
    case (.skipped, _), (.coalesced, _), (.clock, _): return nil
    }
  }
}

extension PauseNote {
  /// ` by ann: the disk is full`
  var words: String { " by \(by)" + (reason.map { ": \($0)" } ?? "") }
}
