internal import JobModel
internal import Triggers

extension SchedulerCore.Refusal {
  /// One sentence for a person.
  package var message: String {
    switch self {
    case .unknownJob(let name): "no job is named \"\(name)\""
    case .unknownRun(let run): "run \(run) is not active"
    case .orphaned(let name): "job \"\(name)\" is orphaned: its script, or the job in it, is gone"
    case .overlap(let name, let max):
      "Execution of job \"\(name)\" skipped: maximum number of running instances reached (\(max))"
    case .tooManySchedules(let name, let quota):
      Quotas.message(
        "job \"\(name)\" has \(quota) schedules, as many as a job may have: unschedule some, or use one with a trigger "
          + "that fires more often", "schedules_per_job")
    case .unknownSchedule(let id): "no schedule has the id \"\(id)\""
    case .scheduleExists(let id):
      "a schedule has the id \"\(id)\" already: unschedule it, choose another, or say replace_existing = true"
    case .scheduleID(let id):
      id.isEmpty
        ? "an id must not be empty"
        : "an id has at most \(DynamicSchedule.idLength) bytes, this one has \(id.utf8.count)"
    case .neverFires(let trigger): "\(trigger) has no fire time from now on"
    case .draining: "the host is stopping and starts nothing more"
    }
  }
}

extension SchedulerCore.OperationRefusal {
  /// One sentence for a person.
  package var message: String {
    switch self {
    case .refused(let operation, let refusal): "\(operation.words): \(refusal.message)"
    case .otherStore(let operation, let job, let its, let own):
      "\(operation.words): job \"\(job)\" is kept in the store \"\(its)\", and this run in \"\(own)\": "
        + "they cannot be committed together"
    }
  }

  /// It names a job that nobody declares.
  package var isMisuse: Bool {
    switch self {
    case .refused(_, .unknownJob), .otherStore: true
    case .refused: false
    }
  }
}
