internal import Basics
import Chronology
package import JobModel
import Triggers

/// Dynamic schedules: each has a slot of its own in the table of jobs, with a trigger, instances, a queue and
/// decisions of its own, under the definition of the job that it was made for (its base).
///
/// Such a slot lives until it is unscheduled or has nothing left to do, and is used again then. What happens to the
/// base (a reload, a pause, its script going and coming back) happens to its schedules.
extension SchedulerCore {
  /// Makes a schedule for a declared job, or puts a new one in the place of the one that has its id.
  ///
  /// A date that is past is due at once: it is late from now on, not from its date.
  ///
  /// - Parameter isCommitted: it was promised by a commit, so it is made also while the host ends.
  /// - Returns: its id.
  package mutating func schedule(
    _ request: ScheduleRequest, isCommitted: Bool = false, at now: ClockReading, into evaluation: inout Evaluation
  ) throws(Refusal) -> String {
    evaluation.now = now
    noticeClock(&evaluation)
    let base = try liveJob(request.job)
    guard !isDraining || isCommitted else { throw .draining }
    if let id = request.id {
      guard !id.isEmpty, id.utf8.count <= DynamicSchedule.idLength else { throw .scheduleID(id) }
      if hasSchedule(id), !request.replaceExisting { throw .scheduleExists(id) }
    }
    if let quota = request.quota, jobs.dynamicCount(of: base) >= quota {
      guard let known = request.id.flatMap({ jobs.dynamic[$0] }), jobs[known.offset].base == base else {
        throw .tooManySchedules(request.job, quota: quota)
      }
    }
    var job = newSchedule(
      DynamicSchedule(id: request.id ?? newScheduleID(for: request.job), options: request.options), of: base)
    job.dynamicTrigger = request.trigger
    job.registeredAt = now.wall
    job.anchor = now.wall
    job.trigger = request.trigger.anchored(at: now.wall)
    if let first = request.trigger.firstDate { job.nextFire = first } else { job.seek(after: now.wall) }
    guard job.nextFire != nil || job.searchedTo != nil else { throw .neverFires(request.trigger.lua) }
    let dynamic = job.dynamic!
    let index: JobIndex
    if let known = jobs.dynamic[dynamic.id], jobs[known.offset].base == job.base {
      decideWhatIsLeft(of: known, &evaluation)
      // Instances of the one that gives way still count.
      job.active = jobs[known.offset].active
      jobs[known.offset] = job
      jobs.forgetDirt(of: known)
      index = known
    } else {
      if hasSchedule(dynamic.id) { erase(dynamic.id, &evaluation) }
      index = jobs.add(dynamic: job, id: dynamic.id, of: base)
    }
    arm(index)
    jobs.keep(index)
    evaluation.events.append(.scheduleMade(dynamic.id, job: request.job, nextFire: jobs[index.offset].nextFire))
    return dynamic.id
  }

  /// Takes a dynamic schedule away. What was claimed goes on; what was due and is not claimed yet is
  /// recorded as skipped (unscheduled).
  package mutating func unschedule(
    _ id: String, at now: ClockReading, into evaluation: inout Evaluation
  ) throws(Refusal) {
    evaluation.now = now
    guard hasSchedule(id) else { throw .unknownSchedule(id) }
    erase(id, &evaluation)
  }

  /// Takes back a schedule that could not be written, if it is still there.
  package mutating func revoke(_ id: String, at now: ClockReading, into evaluation: inout Evaluation) {
    evaluation.now = now
    if hasSchedule(id) { erase(id, &evaluation) }
  }

  /// Dynamic schedules, those of jobs that are not there included, by id.
  package var dynamicSchedules: [ScheduleRecord] {
    var texts = TriggerTexts()
    var records = jobs.dynamic.values.map { index in
      var job = jobs[index.offset]
      return ScheduledJob.record(of: &job, clockEpoch: clockEpoch, &texts)
    }
    for found in restart.dynamic.values { records += found.map(\.record) }
    return records.sorted { ($0.id ?? "") < ($1.id ?? "") }
  }

  /// The slot of a dynamic schedule.
  package func scheduled(_ id: String) -> ScheduledJob? { jobs.dynamic[id].map { jobs[$0.offset] } }

  // MARK: Ids

  func hasSchedule(_ id: String) -> Bool {
    jobs.dynamic[id] != nil || restart.dynamicIDs[id] != nil || restart.forgotten[id] != nil
  }

  /// An id that no schedule has, and none that was used had: its number is one that no run gets.
  private mutating func newScheduleID(for job: String) -> String {
    // A long name may be cut; the number keeps it apart.
    let stem = String(decoding: job.utf8.prefix(DynamicSchedule.idLength - 24), as: UTF8.self)
    while true {
      let id = "\(stem)-\(host.makeRunID())"
      if !hasSchedule(id) { return id }
    }
  }

  // MARK: Places

  /// A schedule of `base` that has neither a trigger nor a slot yet.
  private mutating func newSchedule(_ dynamic: DynamicSchedule, of base: JobIndex) -> ScheduledJob {
    let owner = jobs[base.offset]
    var job = ScheduledJob(
      entry: entry(for: dynamic.options, of: base), trigger: nil, nextFire: nil, lastFire: nil, anchor: nil,
      fireCount: 0,
      registeredAt: owner.registeredAt, isPaused: owner.isPaused, orphanedAt: nil, store: owner.store,
      executor: owner.executor,
      hash: StableHash.of(owner.definition.name + "\u{0}" + dynamic.id))
    job.dynamic = dynamic
    job.base = base
    job.limiterQueue = owner.limiterQueue
    return job
  }

  /// The definition under which a schedule of `base` runs; those without options of their own share one.
  private mutating func entry(for options: ScheduleOptions, of base: JobIndex) -> JobEntry {
    let definition = jobs[base.offset].entry.definition
    guard options.areOnlyParams else { return JobEntry(definition.scheduled(with: options)) }
    if let shared = jobs[base.offset].sharedEntry { return shared }
    let shared = JobEntry(definition.scheduled(with: ScheduleOptions()))
    jobs[base.offset].sharedEntry = shared
    return shared
  }

  /// Frees the slot of a schedule that is over, once nothing of it is active. At the end of an evaluation.
  mutating func vacate(_ index: JobIndex) {
    let offset = index.offset
    precondition(
      jobs[offset].dynamic != nil && jobs[offset].active == 0, "only an idle dynamic schedule gives up its slot")
    if let base = jobs[offset].base { jobs.unhang(index, from: base) }
    due.remove(index)
    jobs[offset].end()
    jobs[offset].trigger = nil
    jobs[offset].dynamicTrigger = nil
    jobs[offset].dynamic = Self.nobody
    jobs[offset].base = nil
    jobs[offset].orphanedAt = .distantPast
    jobs[offset].isErased = true
    jobs.vacate(index)
  }

  static let nobody = DynamicSchedule(id: "", options: ScheduleOptions())

  // MARK: The end

  private mutating func erase(_ id: String, _ evaluation: inout Evaluation) {
    if let index = jobs.dynamic.removeValue(forKey: id) {
      decideWhatIsLeft(of: index, &evaluation)
      jobs[index.offset].end()
      jobs[index.offset].isGone = true
      due.remove(index)
      jobs.keep(index)
      evaluation.events.append(.scheduleRemoved(id, job: jobs[index.offset].definition.name))
    } else if let job = restart.dynamicIDs.removeValue(forKey: id),
      let position = restart.dynamic[job]?.firstIndex(where: { $0.record.id == id })
    {
      let found = restart.dynamic[job]!.remove(at: position)
      evaluation.stores[found.store].batch.unscheduled.append(id)
      evaluation.events.append(.scheduleRemoved(id, job: job))
    } else if let found = restart.forgotten.removeValue(forKey: id) {
      evaluation.stores[found.store].batch.unscheduled.append(id)
      evaluation.events.append(.scheduleRemoved(id, job: found.job))
    }
  }

  /// What is due and undecided, and what was accepted and is not claimed, will not run.
  private mutating func decideWhatIsLeft(of index: JobIndex, _ evaluation: inout Evaluation) {
    let job = jobs[index.offset]
    if let trigger = job.trigger, let first = job.nextFire, first <= evaluation.now.wall {
      let span = trigger.span(from: first, through: evaluation.now.wall, countingTo: SchedulingLimits.countedInstants)
      record(.skipped, .unscheduled, span, of: index, &evaluation)
    }
    guard job.active > 0 || !job.queue.isEmpty else { return }
    jobs[index.offset].queue = []
    for slot in runs.activeSlots where runs.slots[slot].job == index && runs.slots[slot].row != .claim {
      guard runs.slots[slot].state == .ready || runs.slots[slot].state == .waiting else { continue }
      reject(slot, .unscheduled, &evaluation)
    }
  }

  /// Tells the store that a schedule is over, and frees its slot when nothing of it is active. In `flush`.
  ///
  /// - Returns: whether it was over.
  mutating func clearAway(_ index: JobIndex, _ evaluation: inout Evaluation) -> Bool {
    guard let dynamic = jobs[index.offset].dynamic, jobs[index.offset].isGone || jobs[index.offset].isOver else {
      return false
    }
    if !jobs[index.offset].isErased {
      jobs[index.offset].isErased = true
      evaluation.stores[Int(jobs[index.offset].store)].batch.unscheduled.append(dynamic.id)
    }
    if !jobs[index.offset].isGone {
      jobs.dynamic[dynamic.id] = nil
      evaluation.events.append(.scheduleRemoved(dynamic.id, job: jobs[index.offset].definition.name))
    }
    jobs[index.offset].isGone = true
    if jobs[index.offset].active == 0, jobs[index.offset].queue.isEmpty { vacate(index) }
    return true
  }

  // MARK: What happens to the base

  /// Lets the schedules of `bases` follow what became of them: new options, another store, gone, back.
  mutating func followBases(_ bases: [JobIndex], _ evaluation: inout Evaluation) {
    for base in bases { jobs[base.offset].sharedEntry = nil }
    guard !jobs.dynamic.isEmpty else { return }
    let schedules = bases.flatMap { jobs.dynamicSchedules(of: $0) }
    jobs.examined += schedules.count
    for index in schedules.sorted(by: { $0.position < $1.position }) { follow(index, &evaluation) }
  }

  private mutating func follow(_ index: JobIndex, _ evaluation: inout Evaluation) {
    guard let base = jobs[index.offset].base else { return }
    if jobs[base.offset].isOrphaned {
      if !jobs[index.offset].isOrphaned { orphan(index, &evaluation) }
      return
    }
    if jobs[index.offset].isOrphaned {
      jobs[index.offset].orphanedAt = nil
      skipOrphaned(index, &evaluation)
      jobs.keep(index)
    } else if isStarted, !isDraining, let next = jobs[index.offset].nextFire, next <= evaluation.now.wall {
      // What is due already belongs to the old definition.
      fire(index, &evaluation)
    }
    jobs[index.offset].entry = entry(for: jobs[index.offset].dynamic!.options, of: base)
    jobs[index.offset].executor = jobs[base.offset].executor
    jobs[index.offset].isPaused = jobs[base.offset].isPaused
    if jobs[index.offset].store != jobs[base.offset].store {
      move(index, to: jobs[base.offset].store, &evaluation)
      jobs.keep(index)
    }
    arm(index)
  }

  // MARK: Restart

  /// The schedules that a store knows for a job that is declared now go on where they stood.
  mutating func resumeSchedules(of base: JobIndex, _ evaluation: inout Evaluation) {
    guard !restart.dynamic.isEmpty, let found = restart.dynamic.removeValue(forKey: jobs[base.offset].definition.name)
    else {
      return
    }
    var unreadable: [RestoredSchedule] = []
    for schedule in found {
      guard let trigger = schedule.trigger else {
        unreadable.append(schedule)
        continue
      }
      restart.dynamicIDs[schedule.record.id!] = nil
      resumeSchedule(schedule, trigger, of: base, &evaluation)
    }
    // Kept as it is: what cannot be read today (a time zone that is not installed) may be read tomorrow.
    if !unreadable.isEmpty { restart.dynamic[jobs[base.offset].definition.name] = unreadable }
  }

  private mutating func resumeSchedule(
    _ found: RestoredSchedule, _ trigger: AnyTrigger, of base: JobIndex, _ evaluation: inout Evaluation
  ) {
    let known = found.record
    var job = newSchedule(known.dynamic!, of: base)
    job.dynamicTrigger = trigger
    job.registeredAt = known.registeredAt
    job.lastFire = known.lastFire
    job.fireCount = known.fireCount
    job.anchor = known.anchor
    job.trigger = trigger.anchored(at: known.anchor ?? known.registeredAt)
    job.nextFire = known.nextFire
    if known.nextFire == nil { job.seek(after: known.lastFire ?? known.registeredAt) }
    let index = jobs.add(dynamic: job, id: known.dynamic!.id, of: base)
    if known.clockEpoch < clockEpoch { rearm(index, &evaluation) }
    if known.orphanedAt != nil { skipOrphaned(index, &evaluation) }
    arm(index)
    if found.store != Int(job.store) {
      leave(known, in: found.store, &evaluation)
      jobs.keep(index)
    } else if known != scheduleRecord(of: index) {
      jobs.keep(index)
    }
  }
}

extension AnyTrigger {
  /// The first of a plain list of dates, past or not; nil for every other trigger.
  var firstDate: Instant? {
    dateList?.instants.first
  }
}
