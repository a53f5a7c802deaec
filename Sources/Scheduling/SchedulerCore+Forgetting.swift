import Chronology
package import JobModel
package import Triggers

/// Jobs that have gone leave nothing behind in memory: of those that are orphaned the latest few stay, for scripts that
/// are saved in two steps; the others are forgotten once their stores have their records, and their slots are used
/// again. A job that comes back after that is looked up in the stores first (``recall(_:store:reading:)``).
///
/// What still runs or waits is never forgotten. A job's dynamic schedules are forgotten with it, but for their ids:
/// these stay taken, so that no other schedule takes the place of one that may come back.
extension SchedulerCore {
  /// The store was given a batch with everything that was flushed so far.
  ///
  /// - Parameter monotonic: when, in nanoseconds.
  package mutating func batchTaken(by store: Int, at monotonic: Int64 = 0) { stores.take(by: store, at: monotonic) }

  /// So many changes wait for the store.
  package mutating func note(queued: Int, in store: Int) { stores.tallies[store].queued = queued }

  /// What was counted of each store, by index.
  package var storeTallies: [StoreTally] { stores.tallies }

  /// The batch that the store was given last is durable.
  package mutating func batchIsDurable(in store: Int, at monotonic: Int64 = 0, into evaluation: inout Evaluation) {
    stores.confirm(in: store, at: monotonic)
    if jobs.orphans.numbers.count > configuration.orphansMax { forgetOrphans(&evaluation) }
  }

  /// A job's whole record was flushed.
  mutating func noteOrphan(_ index: JobIndex) {
    guard configuration.orphansMax < .max else { return }
    if let base = jobs[index.offset].base {
      // Not before the store has this record of its schedule too.
      if jobs[base.offset].isOrphaned { noteOrphan(base) }
      return
    }
    guard jobs[index.offset].isOrphaned else {
      if !jobs.orphans.numbers.isEmpty { jobs.orphans.numbers[index] = nil }
      return
    }
    jobs.orphans.last += 1
    jobs.orphans.numbers[index] = jobs.orphans.last
    jobs.orphans.queue.append(
      Orphans.Entry(
        index: index, number: jobs.orphans.last, after: stores.taken[Int(jobs[index.offset].store)]))
  }

  /// Whether jobs are unknown here that a store may know.
  package var hasForgotten: Bool { jobs.forgotten > 0 }

  /// Of these jobs the names that a store may know and this scheduler does not. O(jobs), nothing while none was
  /// forgotten.
  package func forgotten(among definitions: [JobDefinition]) -> [String] {
    guard hasForgotten else { return [] }
    return definitions.lazy.map(\.name).filter { index(of: $0) == nil && restart.schedules[$0] == nil }
  }

  /// Takes in what a store knows of jobs that were forgotten and are about to be declared again.
  package mutating func recall(_ records: [ScheduleRecord], store: Int, reading trigger: (String) -> AnyTrigger?) {
    for record in records {
      if let id = record.id {
        // Else it was taken away after it was forgotten, and the store had not heard of that when it was asked.
        guard restart.forgotten.removeValue(forKey: id) != nil else { continue }
        restart.dynamicIDs[id] = record.job
        restart.dynamic[record.job, default: []].append(
          RestoredSchedule(record: record, store: store, trigger: record.trigger.flatMap(trigger)))
        continue
      }
      guard index(of: record.job) == nil else { continue }
      // A job that was moved to another store left an older record behind.
      let known = restart.schedules[record.job]?.record.orphanedAt
      if known == nil || known! < record.orphanedAt ?? .distantFuture {
        restart.schedules[record.job] = RestoredSchedules.Entry(record: record, store: store)
      }
    }
  }

  /// After the start: what the stores know of jobs that nobody declared need not lie here as well.
  ///
  /// - Parameter now: those that are orphaned only now stay, since their stores do not know it yet.
  mutating func forgetRestored(at now: ClockReading) {
    guard configuration.orphansMax < .max, !restart.schedules.isEmpty else { return }
    for entry in restart.schedules.sorted {
      guard let since = entry.record.orphanedAt, since < now.wall else { continue }
      _ = restart.schedules.take(entry.record.job)
      jobs.noteForgotten()
    }
  }

  // MARK: Forgetting

  private mutating func forgetOrphans(_ evaluation: inout Evaluation) {
    var kept: [Orphans.Entry] = []
    for (position, entry) in jobs.orphans.queue.enumerated() {
      guard jobs.orphans.numbers[entry.index] == entry.number else { continue }
      guard jobs.orphans.numbers.count > configuration.orphansMax else {
        kept += jobs.orphans.queue[position...]
        break
      }
      guard isForgettable(entry) else {
        kept.append(entry)
        continue
      }
      forget(entry.index, &evaluation)
    }
    jobs.orphans.queue = kept
    // Else an event would find who has its slot now.
    refreshListeners()
  }

  private func isForgettable(_ entry: Orphans.Entry) -> Bool {
    let job = jobs[entry.index.offset]
    return job.dynamic == nil && isIdleOrphan(entry.index) && job.store < stores.durable.count
      && stores.durable[Int(job.store)] > entry.after && !stores.failed[Int(job.store)]
      && jobs.allDynamicSchedules(of: entry.index) { isIdleOrphan($0) && jobs[$0.offset].store == job.store }
  }

  /// Whether nothing of it runs or waits, and the store was given everything.
  private func isIdleOrphan(_ index: JobIndex) -> Bool {
    let job = jobs[index.offset]
    return job.isOrphaned && job.active == 0 && job.queue.isEmpty && job.debouncing == nil && job.unstored == 0
      && !job.isDirty
  }

  private mutating func forget(_ index: JobIndex, _ evaluation: inout Evaluation) {
    let offset = index.offset
    let name = jobs[offset].entry.definition.name
    evaluation.stores[Int(jobs[offset].store)].batch.forgotten.append(name)
    jobs.orphans.numbers[index] = nil
    jobs.forget(name)
    watched.forget(index)
    releaseLimit(of: index)
    _ = listeners.endJoin(index)
    listeners.noteChange(of: index, from: jobs[offset].entry.definition, to: nil)
    for schedule in jobs.dynamicSchedules(of: index) { forget(schedule: schedule, of: name) }
    jobs[offset].dynamic = Self.nobody
    leave(index)
  }

  private mutating func forget(schedule index: JobIndex, of job: String) {
    guard let id = jobs[index.offset].dynamic?.id else { return }
    jobs.dynamic[id] = nil
    restart.forgotten[id] = ForgottenSchedule(job: job, store: Int(jobs[index.offset].store))
    leave(index)
  }

  private mutating func leave(_ index: JobIndex) {
    jobs[index.offset].entry = Self.nothing
    jobs[index.offset].sharedEntry = nil
    jobs[index.offset].latestRange = nil
    vacate(index)
  }

  /// What a slot has that is nobody's.
  private static let nothing = JobEntry(
    JobDefinition(name: "", source: SourceLocation(file: "", line: 0), payload: NoPayload()))

  private final class NoPayload: JobPayload {
    func difference(from other: any JobPayload) -> PayloadDifference { other is NoPayload ? .none : .code }
  }
}
