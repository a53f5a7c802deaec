internal import Chronology
internal import JobModel
internal import Scheduling

/// Pausing and resuming.
extension SchedulerControl {
  func pauseOrder(_ request: PauseRequest, _ caller: Caller) throws(ControlError) -> Order<PauseAnswer> {
    let reason = try checked(request)
    guard let names = request.jobs else {
      return { core, now, evaluation in
        let note = PauseNote(reason: reason, by: caller.name, at: now.wall)
        core.pauseEverything(note, at: now, into: &evaluation)
        core.audit(Self.line(caller, "pause_all", nil, reason), of: nil, at: now, into: &evaluation)
        return PauseAnswer(isPaused: true, changed: [], unchanged: [], everything: true)
      }
    }
    return { core, now, evaluation throws(ControlError) in
      try Self.check(names, in: core)
      var answer = PauseAnswer(isPaused: true, changed: [], unchanged: [], everything: false)
      let note = PauseNote(reason: reason, by: caller.name, at: now.wall)
      for name in names {
        let isNews = try ControlError.orRefusal { () throws(SchedulerCore.Refusal) in
          try core.pause(name, note, into: &evaluation)
        }
        if isNews { answer.changed.append(name) } else { answer.unchanged.append(name) }
        core.audit(Self.line(caller, "pause", name, reason), of: name, at: now, into: &evaluation)
      }
      return answer
    }
  }

  func resumeOrder(_ request: PauseRequest, _ caller: Caller) throws(ControlError) -> Order<PauseAnswer> {
    let reason = try checked(request)
    guard let names = request.jobs else {
      return { core, now, evaluation in
        if core.resumeEverything(at: now, into: &evaluation) {
          core.audit(Self.line(caller, "resume_all", nil, reason), of: nil, at: now, into: &evaluation)
        }
        return PauseAnswer(isPaused: false, changed: [], unchanged: [], everything: true)
      }
    }
    return { core, now, evaluation throws(ControlError) in
      try Self.check(names, in: core)
      var answer = PauseAnswer(isPaused: false, changed: [], unchanged: [], everything: false)
      for name in names {
        let isNews = try ControlError.orRefusal { () throws(SchedulerCore.Refusal) in
          try core.resume(name, at: now, into: &evaluation)
        }
        guard isNews else {
          answer.unchanged.append(name)
          continue
        }
        answer.changed.append(name)
        core.audit(Self.line(caller, "resume", name, reason), of: name, at: now, into: &evaluation)
      }
      return answer
    }
  }

  /// The reason, if what is asked can be meant.
  private func checked(_ request: PauseRequest) throws(ControlError) -> String? {
    if let jobs = request.jobs {
      guard !jobs.isEmpty else { throw ControlError(.invalid, "name at least one job, or ask for everything") }
      guard jobs.count <= PauseRequest.most else {
        throw ControlError(
          .invalid, "\(jobs.count) jobs are more than the \(PauseRequest.most) of one request: ask for everything")
      }
    }
    guard let reason = request.reason, !reason.isEmpty else { return nil }
    guard reason.utf8.count <= PauseRequest.reasonBytes else {
      throw ControlError(.invalid, "a reason has at most \(PauseRequest.reasonBytes) bytes")
    }
    return reason
  }

  /// All of them, or none: one that is not there changes nothing.
  private static func check(_ names: [String], in core: borrowing SchedulerCore) throws(ControlError) {
    for name in names {
      guard let index = core.index(of: name) else { throw ControlError(SchedulerCore.Refusal.unknownJob(name)) }
      guard !core.jobs[index.offset].isOrphaned else { throw ControlError(SchedulerCore.Refusal.orphaned(name)) }
    }
  }

  private static func line(_ caller: Caller, _ action: String, _ subject: String?, _ reason: String?) -> AuditLine {
    AuditLine(caller, action, subject, details: reason.map { ["reason": .string($0)] } ?? [:])
  }
}
