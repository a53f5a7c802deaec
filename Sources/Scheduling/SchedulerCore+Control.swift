internal import Basics
import Chronology
package import JobModel

/// What people, scripts and events ask for.
extension SchedulerCore {
  /// Why a request about a job cannot be met.
  package enum Refusal: Error, Sendable, Equatable {
    case unknownJob(String)
    case unknownRun(RunID)
    case unknownSchedule(String)
    /// A schedule has this id, and the request does not say that it should give way.
    case scheduleExists(String)
    /// The job has as many as its quota allows.
    case tooManySchedules(String, quota: Int)
    /// It is empty or too long.
    case scheduleID(String)
    /// The trigger, as text, has no fire from now on.
    case neverFires(String)
    /// Its script, or the job in it, has gone.
    case orphaned(String)
    /// `max_instances` runs are active and the overlap policy is to skip.
    case overlap(String, maxInstances: Int)
    case draining
  }

  /// Runs a job now, whether it is paused or not. It follows the overlap policy like any other fire.
  ///
  /// - Parameter isCommitted: it was promised by a commit, so it is accepted also while the host ends.
  package mutating func runNow(
    _ name: String, params: JSONText?, isCommitted: Bool = false, at now: ClockReading,
    into evaluation: inout Evaluation
  ) throws(Refusal) -> RunID {
    evaluation.now = now
    let index = try liveJob(name)
    guard !isDraining || isCommitted else { throw .draining }
    guard let id = accept(index, cause: .manual, at: now.wall, params: params, &evaluation) else {
      throw .overlap(name, maxInstances: jobs[index.offset].definition.maxInstances)
    }
    return id
  }

  /// From now on what falls due is recorded as skipped (paused), of the job and of its dynamic schedules; also
  /// what is due already and still waits for the window.
  ///
  /// - Parameter note: why, and by whom. A job that is paused already keeps being paused, with the newer note.
  /// - Returns: whether it was not paused before.
  @discardableResult
  package mutating func pause(
    _ name: String, _ note: PauseNote? = nil, into evaluation: inout Evaluation
  ) throws(Refusal) -> Bool {
    try setPaused(true, name, note, &evaluation)
  }

  /// What fell due meanwhile stays skipped; the next fire is the next one from now.
  ///
  /// - Returns: whether it was paused before.
  @discardableResult
  package mutating func resume(
    _ name: String, at now: ClockReading, into evaluation: inout Evaluation
  ) throws(Refusal) -> Bool {
    evaluation.now = now
    // Instants up to now belong to the pause.
    let index = try liveJob(name)
    for schedule in [index] + jobs.dynamicSchedules(of: index) {
      if let next = jobs[schedule.offset].nextFire, next <= now.wall { fire(schedule, &evaluation) }
    }
    return try setPaused(false, name, nil, &evaluation)
  }

  private mutating func setPaused(
    _ paused: Bool, _ name: String, _ note: PauseNote?, _ evaluation: inout Evaluation
  ) throws(Refusal) -> Bool {
    let index = try liveJob(name)
    guard jobs[index.offset].isPaused != paused else {
      if paused, let note, jobs[index.offset].pause != note {
        jobs[index.offset].pause = note
        jobs.keep(index)
      }
      return false
    }
    jobs[index.offset].isPaused = paused
    jobs[index.offset].pause = note
    jobs.keep(index)
    for schedule in jobs.dynamicSchedules(of: index) { jobs[schedule.offset].isPaused = paused }
    // What waits for an instance is a decision now.
    for schedule in [index] + jobs.dynamicSchedules(of: index) where paused && jobs[schedule.offset].isBacklogged {
      arm(schedule)
    }
    evaluation.events.append(
      paused ? .jobPaused(name, note) : .jobResumed(name, nextFire: jobs[index.offset].nextFire))
    return true
  }

  /// Ends a run as cancelled: at once when it has not started, otherwise through its executor.
  package mutating func cancel(
    _ id: RunID, at now: ClockReading, into evaluation: inout Evaluation
  ) throws(Refusal) {
    evaluation.now = now
    guard let slot = runs.activeSlots.first(where: { runs.slots[$0].record.id == id }) else { throw .unknownRun(id) }
    switch runs.slots[slot].state {
    case .ready, .retrying: end(slot, .cancelled, details: nil, &evaluation)
    case .parked:
      if let event = runs.slots[slot].record.park?.event { runs.parked.forget(runs.token(slot), waitingFor: event) }
      end(slot, .cancelled, details: nil, &evaluation)
    case .waiting:
      jobs[runs.slots[slot].job.offset].queue.removeAll { Int($0) == slot }
      end(slot, .cancelled, details: nil, &evaluation)
    case .debouncing:
      jobs[runs.slots[slot].job.offset].debouncing = nil
      end(slot, .cancelled, details: nil, &evaluation)
    default: requestCancel(slot, &evaluation)
    }
  }

  mutating func requestCancel(
    _ slot: Int, as cancellation: RunCancellation = .requested, _ evaluation: inout Evaluation
  ) {
    guard runs.slots[slot].cancellation == .none else { return }
    runs.slots[slot].cancellation = cancellation
    switch runs.slots[slot].state {
    case .dispatched, .running, .stuck:
      let executor = Int(runs.slots[slot].executor)
      evaluation.cancellations.append((executor: executor, token: runs.token(slot)))
    case .retrying:
      // Its time is now: the claim order is where a cancelled run that holds a claim ends.
      runs.slots[slot].resumesAt = 0
      runs.delayed.push(0, slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
    case .parked: endParked(slot)
    case .ready where runs.slots[slot].limit == .queued:
      leaveLimiterQueue(slot)
      queueForClaim(slot)
    default: break
    }
  }

  /// Something happened that jobs may listen to. Returns how many runs it brings: new ones, those that wait for their
  /// debounce, and parked ones that go on.
  @discardableResult
  package mutating func emit(
    _ name: String, data: JSONText?, at now: ClockReading, into evaluation: inout Evaluation
  ) -> Int {
    evaluation.now = now
    var count = wakeParked(for: name, data, &evaluation)
    guard let jobs = listeners.events[name] else { return count }
    let event = JSONText("{\"name\":\(quoted(name)),\"data\":\(data?.text ?? "null")}")
    for index in jobs where listens(index, &evaluation) {
      count += 1
      if let debounce = self.jobs[index.offset].definition.debounce {
        collect(event, for: index, during: debounce, at: now)
      } else {
        accept(index, cause: .event, at: now.wall, event: event, &evaluation)
      }
    }
    return count
  }

  /// Whether an event, or another job's success, may run the job now. That it may not because it is paused or disabled
  /// is a decision: somebody will ask why it did not run.
  mutating func listens(_ index: JobIndex, _ evaluation: inout Evaluation) -> Bool {
    let job = jobs[index.offset]
    guard !job.isOrphaned else { return false }
    let isPaused = isPaused(index.offset)
    guard isPaused || !job.definition.enabled else { return true }
    record(
      .skipped, isPaused ? .paused : .disabled, instant: evaluation.now.wall, of: index, isAboutFireTimes: false,
      &evaluation)
    return false
  }

  /// Trailing debounce: the newest event stands for all that came within the span, and each one starts the span anew.
  private mutating func collect(_ event: JSONText, for index: JobIndex, during debounce: Int64, at now: ClockReading) {
    let job = jobs[index.offset]
    let slot: Int
    if let known = job.debouncing {
      slot = Int(known)
      runs.slots[slot].record.missed += 1
      // Its row, if it has one, is written again with the newest event.
      if runs.slots[slot].row != .none { runs.slots[slot].row = .none } else { jobs[index.offset].unstored -= 1 }
    } else {
      var record = RunRecord(id: host.makeRunID(), job: job.definition.name, cause: .event, scheduledAt: now.wall)
      record.clockEpoch = clockEpoch
      slot = runs.add(record, job: index, entry: job.entry, store: job.store, state: .debouncing)
      if job.latestRange?.isAboutFireTimes == false { jobs[index.offset].latestRange = nil }
      jobs[index.offset].debouncing = Int32(truncatingIfNeeded: slot)
    }
    jobs[index.offset].unstored += 1
    runs.slots[slot].record.event = event
    runs.slots[slot].resumesAt = now.monotonic.addingReportingOverflow(debounce).partialValue
    runs.delayed.push(runs.slots[slot].resumesAt, slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
    runs.unflushed.append(runs.token(slot))
  }

  /// The span has passed: the collected run goes the way of every accepted one.
  mutating func endDebounce(_ slot: Int, _ evaluation: inout Evaluation) {
    let index = runs.slots[slot].job
    jobs[index.offset].debouncing = nil
    let job = jobs[index.offset]
    if job.active < job.definition.maxInstances, job.queue.isEmpty {
      runs.move(slot, to: .ready)
      makeReady(slot)
    } else if job.definition.overlap == .skip {
      reject(slot, .overlap, &evaluation)
    } else {
      runs.move(slot, to: .waiting)
      jobs[index.offset].queue.append(Int32(truncatingIfNeeded: slot))
    }
  }

  /// Claims nothing from now on; what runs goes on. What waits for its next attempt is interrupted: nothing would come
  /// of waiting for it.
  package mutating func drain(at now: ClockReading, into evaluation: inout Evaluation) {
    evaluation.now = now
    guard !isDraining else { return }
    host.phase = .draining
    evaluation.windsDown = true
    for slot in runs.activeSlots where runs.slots[slot].row == .claim {
      switch runs.slots[slot].state {
      case .retrying, .ready: interrupt(slot, &evaluation)
      default: continue
      }
    }
    evaluation.events.append(.draining(running: claimedRuns))
  }

  /// Asks every claimed run to end as cancelled.
  package mutating func cancelAll(at now: ClockReading, into evaluation: inout Evaluation) {
    evaluation.now = now
    for slot in runs.activeSlots {
      switch runs.slots[slot].state {
      case .retrying: end(slot, .cancelled, details: nil, &evaluation)
      case .claiming, .dispatched, .running, .stuck: requestCancel(slot, &evaluation)
      case .free, .debouncing, .waiting, .ready, .parked, .finishing: continue
      }
    }
  }

  func liveJob(_ name: String) throws(Refusal) -> JobIndex {
    guard let index = index(of: name) else { throw .unknownJob(name) }
    guard !jobs[index.offset].isOrphaned else { throw .orphaned(name) }
    return index
  }
}
