internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import Triggers

/// Questions about dynamic schedules.
extension SchedulerControl {
  package func schedules(_ query: SchedulesQuery) async throws(ControlError) -> Page<ScheduleAnswer> {
    try await away { () throws(ControlError) in
      let limit = try PageLimit.checked(query.limit)
      let start = try query.after.map { (cursor) throws(ControlError) in try cursor.names(1)[0] }
      var found: [ScheduleAnswer] = []
      self.eachDynamicSchedule { schedule in
        let id = schedule.record.id ?? ""
        if let start, id <= start { return }
        if let job = query.job, schedule.record.job != job { return }
        found.append(self.answer(schedule))
      }
      found.sort { $0.id < $1.id }
      return Page(found, limit: limit, weigh: \.weight) { PageCursor(names: [$0.id]) }
    }
  }

  /// Those of some jobs, by id.
  func dynamicSchedules(of jobs: Set<String>) -> [String: [ScheduleAnswer]] {
    guard engine.ask({ core, _, _ in core.dynamicScheduleCount > 0 || !core.dynamicOrphans.isEmpty }) else {
      return [:]
    }
    var found: [String: [ScheduleAnswer]] = [:]
    eachDynamicSchedule { schedule in
      guard jobs.contains(schedule.record.job) else { return }
      found[schedule.record.job, default: []].append(answer(schedule))
    }
    return found.mapValues { $0.sorted { $0.id < $1.id } }
  }

  private func eachDynamicSchedule(_ body: (DynamicScheduleState) -> Void) {
    everySlot({ core, range in core.dynamicSchedules(in: range) }) { $0.forEach(body) }
    engine.ask { core, _, _ in core.dynamicOrphans }.forEach(body)
  }

  func answer(_ schedule: DynamicScheduleState) -> ScheduleAnswer {
    let record = schedule.record
    let lua = schedule.trigger?.lua ?? record.trigger ?? ""
    var answer = ScheduleAnswer(
      id: record.id ?? "", job: record.job, trigger: schedule.trigger?.description ?? lua, lua: lua)
    answer.nextRunTime = record.nextFire.map(time)
    answer.params = record.dynamic?.options.params.map { JSONDocument($0) }
    answer.running = schedule.active
    answer.isOrphaned = record.orphanedAt != nil
    return answer
  }
}
