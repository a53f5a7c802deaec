internal import Basics
internal import CLinux
internal import Glibc
internal import JobModel
internal import ProcessFrames
internal import ScriptRuntime

extension WorkerEnding {
  /// How a process has ended, if it has.
  init?(reaping process: pid_t) {
    var ending = linux_ending()
    // Safe: the call writes that one struct.
    guard unsafe linux_reap(process, &ending) else { return nil }
    self.init(signal: ending.signal, code: ending.code, peakBytes: Int(ending.peak_bytes))
  }
}

/// When workers are killed, and what becomes of the run that one had when it ended.
extension ProcessSupervisor {
  /// Kills a worker whose time is over, or whose run's is.
  func watch(_ child: WorkerChild, _ now: Int64) {
    if let run = child.run, run.killed == nil {
      lookForStop(child, run, now)
      if let late = child.run, now >= late.killAt {
        child.run?.killed = late.killFor
        child.kill()
      }
    } else if now >= child.killAt {
      if child.phase == .starting { child.condemned = "it did not say within 10 s that it is there" }
      child.kill()
    }
  }

  private func lookForStop(_ child: WorkerChild, _ run: ActiveRun, _ now: Int64) {
    guard linux_is_stopped(child.process) else {
      child.run?.stoppedSince = nil
      return
    }
    let since = run.stoppedSince ?? now
    child.run?.stoppedSince = since
    guard now - since >= ProcessConfiguration.stoppedPatience else { return }
    child.run?.end(by: now, for: .stopped)
  }

  /// The process has ended.
  func finish(_ child: WorkerChild, _ ending: WorkerEnding) {
    let now = monotonicNow()
    // What it said before its end counts.
    repeat {
      if child.run == nil || child.run?.killed == nil { serve(child, now) } else { break }
    } while child.isWaitingToBeHeard
    for line in child.readOutput(&buffer) { say(line, child) }
    if let line = child.lines.finish() { say(line, child) }
    child.close()
    guard let run = child.run else {
      // One that was of no use, however far it came.
      if child.runs == 0 { startFailed(child.condemned ?? early(ending, child), now) }
      return
    }
    close(run)
    child.run = nil
    // An order that was not begun has done nothing, and goes to another worker.
    if run.began == nil, !run.isCancelled, mayTryElsewhere(run.killed), lost[run.order.token, default: 0] < 2 {
      lost[run.order.token, default: 0] += 1
      waiting.insert(run.order, at: 0)
      return
    }
    lost[run.order.token] = nil
    if let report = aftermath.removeValue(forKey: run.order.token) {
      run.services.log(.error, "a hook of the run ended with its process")
      return reports.append(report)
    }
    if run.began == nil, run.isCancelled { return reports.append(run.report(.cancelled, details: nil)) }
    let (outcome, error) = ending.result(run, configuration, child.lines.last)
    let details = run.services.checked(AttemptDetails(error: error))
    let report = run.report(outcome, memoryPeakBytes: ending.peakBytes, details: details)
    // Who cancels a run wants an end; after the others the hooks follow, in another process.
    guard run.payload.hasOnError || run.payload.hasOnFailure, !run.isCancelled, run.hooks == 0 else {
      return reports.append(report)
    }
    aftermath[run.order.token] = report
    waiting.insert(run.order, at: 0)
  }

  /// Whether another worker may have the order of one that died so: not where it said why, nor where it lied.
  private func mayTryElsewhere(_ killed: ActiveRun.Kill?) -> Bool {
    switch killed {
    case nil, .unbegun?: true
    default: false
    }
  }

  private func early(_ ending: WorkerEnding, _ child: WorkerChild) -> String {
    let said = child.lines.last.last.map { ": \($0.cut(toBytes: 400))" } ?? ""
    return ending.signal != 0
      ? "it was ended by SIG\(unsafe String(cString: linux_signal_name(ending.signal))) before it was there\(said)"
      : "it ended with code \(ending.code) before it was there\(said)"
  }
}
