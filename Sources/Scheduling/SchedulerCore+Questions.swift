package import Chronology
package import JobModel
package import Triggers

/// What people ask about where the scheduler stands. Each question says what it walks along: who asks about all jobs
/// asks for some slots of the table at a time, so that no answer holds up what falls due.
extension SchedulerCore {
  /// Slots of the table: jobs, dynamic schedules, and slots that nobody has.
  package var slotCount: Int { jobs.count }
  /// Dynamic schedules in force.
  package var dynamicScheduleCount: Int { jobs.dynamic.count }

  /// When the first of all schedules falls due, or fell due, if its store or the window keeps it waiting; and the index
  /// of its store. O(stores and priorities)
  package var earliestDue: (due: Instant, store: Int)? {
    let first = due.indices.lazy.compactMap { [due] index in due.first(in: index).map { ($0.due, index) } }
      .min { $0.0 < $1.0 }
    return first.map { (Instant(nanoseconds: $0.0), Int(due.keys[$0.1].store)) }
  }

  // MARK: Runs

  /// Active runs by where they stand. O(active runs)
  package var runTotals: RunTotals {
    var totals = RunTotals(executors: configuration.executors.count)
    for slot in runs.slots.indices {
      switch runs.slots[slot].state {
      case .free: continue
      case .debouncing, .waiting: totals.waiting += 1
      case .ready where runs.slots[slot].row == .claim: totals.retrying += 1
      case .ready: totals.waiting += 1
      case .claiming: totals.claimed += 1
      case .dispatched:
        totals.claimed += 1
        totals.byExecutor[Int(runs.slots[slot].executor)] += 1
      case .running, .stuck, .finishing:
        if runs.slots[slot].state == .stuck { totals.stuck += 1 } else { totals.running += 1 }
        totals.byExecutor[Int(runs.slots[slot].executor)] += 1
      case .retrying: totals.retrying += 1
      case .parked: totals.parked += 1
      }
    }
    return totals
  }

  /// Of `ids` the runs that are active, as they stand. O(active runs)
  package func activeRuns(_ ids: Set<RunID>) -> [RunID: ActiveRun] {
    var found: [RunID: ActiveRun] = [:]
    for slot in runs.slots.indices where runs.slots[slot].state != .free {
      let id = runs.slots[slot].record.id
      if ids.contains(id) { found[id] = runs.slots[slot] }
    }
    return found
  }

  /// The active runs with ids below `before`, newest first, at most `limit`. O(active runs)
  package func activeRuns(of job: String?, before: RunID?, limit: Int) -> [ActiveRun] {
    var found: [(id: RunID, slot: Int)] = []
    for slot in runs.slots.indices where runs.slots[slot].state != .free {
      let id = runs.slots[slot].record.id
      if let before, id >= before { continue }
      if let job, runs.slots[slot].record.job != job { continue }
      found.append((id, slot))
    }
    found.sort { $0.id > $1.id }
    return found.prefix(limit).map { runs.slots[$0.slot] }
  }

  /// The parked runs of a job, or of all. O(active runs)
  package func parkedRuns(of job: String?) -> [ActiveRun] {
    var found: [ActiveRun] = []
    for slot in runs.slots.indices where runs.slots[slot].state == .parked {
      if let job, runs.slots[slot].record.job != job { continue }
      found.append(runs.slots[slot])
    }
    return found
  }

  // MARK: Jobs

  /// The job in a slot; nil: nobody's, or a dynamic schedule's.
  private func isJob(_ offset: Int) -> Bool { jobs[offset].dynamic == nil }

  /// Another number whenever ``jobTotals(in:)`` of all slots may be other ones, and not at each fire. O(1)
  package var jobChanges: Int { jobs.changes }

  /// How many jobs are what. O(slots)
  package func jobTotals(in slots: Range<Int>) -> JobTotals {
    var totals = JobTotals()
    for offset in slots.clamped(to: jobs.indices) where isJob(offset) {
      guard !jobs[offset].isOrphaned else {
        totals.orphaned += 1
        continue
      }
      totals.total += 1
      if jobs[offset].isPaused { totals.paused += 1 }
      if !jobs[offset].entry.definition.enabled { totals.disabled += 1 }
    }
    return totals
  }

  /// The jobs in these slots, as they are found again. O(slots)
  package func jobNames(in slots: Range<Int>) -> [JobSlot] {
    slots.clamped(to: jobs.indices).compactMap { offset in
      isJob(offset) ? JobSlot(name: jobs[offset].entry.definition.name, offset: offset) : nil
    }
  }

  /// The jobs that were at these slots, as they stand; what has moved or gone is looked for by its name. O(jobs asked
  /// for, and active runs)
  package func jobStates(at slots: [JobSlot]) -> [JobState] {
    var states: [JobState] = []
    var numbers: [Int: Int] = [:]
    for slot in slots {
      var offset = slot.offset
      if offset >= jobs.count || !isJob(offset) || jobs[offset].entry.definition.name != slot.name {
        guard let index = index(of: slot.name) else { continue }
        offset = index.offset
      }
      numbers[offset] = states.count
      states.append(JobState(jobs[offset], stores: stores.names, executors: configuration.executors))
    }
    guard states.contains(where: { $0.active > 0 || $0.hasQueue }) || dynamicScheduleCount > 0 else { return states }
    for slot in runs.slots.indices where runs.slots[slot].state != .free {
      let offset = runs.slots[slot].job.offset
      let base = jobs[offset].base?.offset ?? offset
      guard let number = numbers[base] else { continue }
      if runs.slots[slot].row == .claim || runs.slots[slot].state == .claiming {
        states[number].claimed += 1
        states[number].latestRun = runs.slots[slot].record.id
        switch runs.slots[slot].state {
        case .retrying, .ready: states[number].retrying += 1
        case .stuck: states[number].stuck += 1
        default: break
        }
      } else if runs.slots[slot].state == .parked {
        states[number].parked += 1
        states[number].latestRun = runs.slots[slot].record.id
      } else {
        states[number].waiting += 1
      }
    }
    return states
  }

  /// How many runs of the jobs in these slots have ended, by outcome; of jobs that had none, nothing. O(slots)
  package func endedRuns(in slots: Range<Int>) -> [(job: String, counts: ContiguousArray<UInt32>)] {
    slots.clamped(to: jobs.indices).compactMap { offset in
      guard isJob(offset), !jobs[offset].ended.isEmpty else { return nil }
      return (jobs[offset].entry.definition.name, jobs[offset].ended)
    }
  }

  mutating func countEnd(of index: JobIndex, _ outcome: Outcome, after duration: Int64) {
    counters.ended(outcome, after: duration)
    let base = (jobs[index.offset].base ?? index).offset
    if jobs[base].ended.isEmpty { jobs[base].ended = ContiguousArray(repeating: 0, count: Outcome.allCases.count) }
    jobs[base].ended[outcome.ordinal] &+= 1
  }

  // MARK: Fires to come

  /// Where the schedules in these slots stand: those that will fire. O(slots)
  package func armedSchedules(in slots: Range<Int>) -> [ArmedSchedule] {
    slots.clamped(to: jobs.indices).compactMap { offset in
      guard !jobs[offset].isOrphaned, !jobs[offset].isGone, let next = jobs[offset].nextFire,
        let trigger = jobs[offset].trigger
      else { return nil }
      let definition = jobs[offset].entry.definition
      return ArmedSchedule(
        job: definition.name, schedule: jobs[offset].dynamic?.id, trigger: trigger, nextFire: next,
        left: definition.limit.map { $0 - jobs[offset].fireCount },
        isSkipped: isPaused(offset) || !definition.enabled, tags: definition.tags)
    }
  }

  /// A job's own trigger with its phase; nil: it has none.
  package func trigger(of name: String) throws(Refusal) -> AnyTrigger? { jobs[try liveJob(name).offset].trigger }

  // MARK: Dynamic schedules

  /// The dynamic schedules in these slots. O(slots)
  package mutating func dynamicSchedules(in slots: Range<Int>) -> [DynamicScheduleState] {
    var found: [DynamicScheduleState] = []
    for offset in slots.clamped(to: jobs.indices) where jobs[offset].base != nil && !jobs[offset].isGone {
      var texts = TriggerTexts()
      found.append(
        DynamicScheduleState(
          record: ScheduledJob.record(of: &jobs[offset], clockEpoch: clockEpoch, &texts),
          trigger: jobs[offset].dynamicTrigger,
          active: Int(jobs[offset].active)))
    }
    return found
  }

  /// Those that a store knows and whose job nobody declares. O(those)
  package var dynamicOrphans: [DynamicScheduleState] {
    restart.dynamic.values.flatMap {
      $0.map { DynamicScheduleState(record: $0.record, trigger: $0.trigger, active: 0) }
    }
  }
}
