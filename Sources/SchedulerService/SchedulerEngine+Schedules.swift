internal import Basics
package import Chronology
package import JobModel
package import Scheduling
package import Triggers

/// Why a schedule was not made, or not taken away.
package enum ScheduleFailure: Error, Sendable {
  case refused(SchedulerCore.Refusal)
  /// The store could not write it: a new schedule was revoked, a changed or removed one is in force and is written
  /// when the store can.
  case notWritten(StoreError)
}

/// Dynamic schedules.
///
///     var request = ScheduleRequest(job: "send", trigger: .at([tomorrow]))
///     request.options.params = JSONText("{\"to\":\"ann\"}")
///     let id = try engine.schedule(request)       // on disk now
///     engine.schedules(of: "send")
///     try engine.unschedule(id)
extension SchedulerEngine {
  /// Makes a schedule; `completion` is called once, on any thread, with its id when it is as durable as its job's store
  /// makes it.
  package func schedule(
    _ request: ScheduleRequest, completion: @escaping @Sendable (Result<String, ScheduleFailure>) -> Void
  ) {
    let answer = Monitor<Result<(id: String, isNew: Bool), SchedulerCore.Refusal>?>(nil)
    post(whenDurable: { [weak self] error in
      switch (answer.withLock { $0 }, error) {
      case (.failure(let refusal), _): completion(.failure(.refused(refusal)))
      case (.success(let dynamic), nil): completion(.success(dynamic.id))
      case (.success(let dynamic), let error?):
        // Nobody knows its id: it would run without anybody being able to tell why.
        if dynamic.isNew {
          self?.post(whenDurable: nil) { core, now, actions in core.revoke(dynamic.id, at: now, into: &actions) }
        }
        completion(.failure(.notWritten(error)))
      case (nil, _): preconditionFailure("a posted question is answered before its durability is told")
      }
    }) { core, now, actions in
      let isNew = request.id.map { core.scheduled($0) == nil } ?? true
      let result = Result { () throws(SchedulerCore.Refusal) in
        (id: try core.schedule(request, at: now, into: &actions), isNew: isNew)
      }
      answer.withLock { $0 = result }
    }
  }

  /// Makes a schedule. Blocks until it is as durable as its job's store makes it. Not from the scheduler's own thread.
  ///
  /// - Returns: its id.
  package func schedule(_ request: ScheduleRequest) throws(ScheduleFailure) -> String {
    let answer = Monitor<Result<String, ScheduleFailure>?>(nil)
    schedule(request) { result in
      answer.withLock { $0 = result }
      answer.broadcast()
    }
    return try answer.wait { $0 }!.get()
  }

  /// Takes a dynamic schedule away; `completion` is called once, on any thread, when that is durable. What was
  /// claimed goes on, what was not does not run.
  package func unschedule(_ id: String, completion: @escaping @Sendable (ScheduleFailure?) -> Void) {
    let answer = Monitor<SchedulerCore.Refusal?>(nil)
    post(whenDurable: { error in
      if let refusal = answer.withLock({ $0 }) { return completion(.refused(refusal)) }
      completion(error.map { .notWritten($0) })
    }) { core, now, actions in
      do throws(SchedulerCore.Refusal) {
        try core.unschedule(id, at: now, into: &actions)
      } catch {
        answer.withLock { $0 = error }
      }
    }
  }

  /// Takes a schedule away. Blocks until that is durable. Not from the scheduler's own thread.
  package func unschedule(_ id: String) throws(ScheduleFailure) {
    let answer = Monitor<Result<Void, ScheduleFailure>?>(nil)
    unschedule(id) { failure in
      answer.withLock { $0 = failure.map { .failure($0) } ?? .success(()) }
      answer.broadcast()
    }
    try answer.wait { $0 }!.get()
  }

  /// Dynamic schedules, by id; those of one job, or all. Blocks for one tick.
  package func schedules(of job: String? = nil) -> [ScheduleStatus] {
    ask { core, _, _ in
      core.dynamicSchedules.filter { job == nil || $0.job == job }.map { record in
        let schedule = core.scheduled(record.id ?? "")
        return ScheduleStatus(
          record: record, trigger: schedule?.plainTrigger, active: Int(schedule?.active ?? 0))
      }
    }
  }
}

/// One dynamic schedule, as `list` and `jobs.list` show it.
package struct ScheduleStatus: Sendable {
  /// Its id, its job, where it stands; `orphanedAt` while its job is gone.
  package var record: ScheduleRecord
  /// nil while its job is not loaded.
  package var trigger: AnyTrigger?
  /// Active runs.
  package var active: Int

  package var id: String { record.id ?? "" }
  package var nextFire: Instant? { record.nextFire }
  /// The Lua that makes its trigger: the shortest one while its job is loaded.
  package var lua: String { trigger?.lua ?? record.trigger ?? "" }
}
