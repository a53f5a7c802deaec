import Chronology
package import JobModel
package import Triggers

/// Jobs that have gone leave nothing behind in memory: of those that are orphaned the latest few stay, for scripts that
/// are saved in two steps; the others are forgotten once their stores have their records, and their places are used
/// again. A job that comes back after that is looked up in the stores first (``recall(_:store:reading:)``).
///
/// What still runs or waits is never forgotten, and neither are jobs that have dynamic schedules.
extension SchedulerCore {
  /// Orphaned jobs in the order in which they went.
  struct Orphans: Sendable {
    struct Entry: Sendable {
      var index: JobIndex
      /// Which of its orphanings it is: a job may return and go again.
      var number: UInt64
      /// The batches that its store had been given when its record was flushed: the next one has it, or a later one.
      var after: UInt64
    }
    var queue: [Entry] = []
    /// The orphaning that counts, by job.
    var numbers: [JobIndex: UInt64] = [:]
    var last: UInt64 = 0
  }

  /// The store was given a batch with everything that was flushed so far.
  package mutating func batchTaken(by store: Int) { batchesTaken[store] += 1 }

  /// The batch that the store was given last is durable.
  package mutating func batchIsDurable(in store: Int, into actions: inout SchedulerActions) {
    batchesDurable[store] = batchesTaken[store]
    if orphans.numbers.count > configuration.orphansMax { forgetOrphans(into: &actions) }
  }

  /// A job's whole record was flushed.
  mutating func noteOrphan(_ index: JobIndex) {
    guard configuration.orphansMax < .max else { return }
    guard jobs[index.offset].isOrphaned else {
      if !orphans.numbers.isEmpty { orphans.numbers[index] = nil }
      return
    }
    orphans.last += 1
    orphans.numbers[index] = orphans.last
    orphans.queue.append(
      Orphans.Entry(
        index: index, number: orphans.last, after: batchesTaken[Int(jobs[index.offset].store)]))
  }

  /// Whether jobs are unknown here that a store may know.
  package var hasForgotten: Bool { forgottenJobs > 0 }

  /// Of these jobs the names that a store may know and this scheduler does not. O(jobs), nothing while none was
  /// forgotten.
  package func forgotten(among definitions: [JobDefinition]) -> [String] {
    guard hasForgotten else { return [] }
    return definitions.lazy.map(\.name).filter { index(of: $0) == nil && restored[$0] == nil }
  }

  /// Takes in what a store knows of jobs that were forgotten and are about to be declared again.
  package mutating func recall(_ records: [ScheduleRecord], store: Int, reading trigger: (String) -> AnyTrigger?) {
    for record in records {
      if let id = record.id {
        guard schedules[id] == nil, restoredIDs[id] == nil else { continue }
        restoredIDs[id] = record.job
        restoredMade[record.job, default: []].append(
          RestoredSchedule(record: record, store: store, trigger: record.trigger.flatMap(trigger)))
        continue
      }
      guard index(of: record.job) == nil else { continue }
      // A job that was moved to another store left an older record behind.
      let known = restored[record.job]?.record.orphanedAt
      if known == nil || known! < record.orphanedAt ?? .distantFuture {
        restored[record.job] = RestoredSchedules.Entry(record: record, store: store)
      }
    }
  }

  /// After the start: what the stores know of jobs that nobody declared need not lie here as well.
  ///
  /// - Parameter now: those that are orphaned only now stay, since their stores do not know it yet.
  mutating func forgetRestored(at now: Moment) {
    guard configuration.orphansMax < .max, !restored.isEmpty else { return }
    for entry in restored.sorted {
      guard let since = entry.record.orphanedAt, since < now.wall else { continue }
      _ = restored.take(entry.record.job)
      forgottenJobs += 1
    }
  }

  // MARK: Forgetting

  private mutating func forgetOrphans(into actions: inout SchedulerActions) {
    var kept: [Orphans.Entry] = []
    var hadEvents = false
    for (position, entry) in orphans.queue.enumerated() {
      guard orphans.numbers[entry.index] == entry.number else { continue }
      guard orphans.numbers.count > configuration.orphansMax else {
        kept += orphans.queue[position...]
        break
      }
      guard isForgettable(entry) else {
        kept.append(entry)
        continue
      }
      let definition = jobs[entry.index.offset].definition
      hadEvents = hadEvents || definition.listens
      forget(entry.index, into: &actions)
    }
    orphans.queue = kept
    // Else an event would find who has its place now.
    if hadEvents { deriveListeners() }
  }

  private func isForgettable(_ entry: Orphans.Entry) -> Bool {
    let job = jobs[entry.index.offset]
    return job.made == nil && job.isOrphaned && job.active == 0 && job.queue.isEmpty && job.debouncing < 0
      && job.unstored == 0 && !job.isTouched && job.store < batchesDurable.count
      && batchesDurable[Int(job.store)] > entry.after && !failedStores[Int(job.store)] && !basesOfSchedules(entry.index)
  }

  /// Whether dynamic schedules hang on the job.
  private func basesOfSchedules(_ index: JobIndex) -> Bool { scheduleCounts[index] ?? 0 > 0 }

  private mutating func forget(_ index: JobIndex, into actions: inout SchedulerActions) {
    let offset = index.offset
    let name = jobs[offset].entry.definition.name
    actions.stores[Int(jobs[offset].store)].batch.forgotten.append(name)
    orphans.numbers[index] = nil
    forgottenJobs += 1
    names.remove(name) { jobs[$0].entry.definition.name == name }
    if backlogs[index] != nil {
      backlogs[index] = nil
      waitingForFiles.removeAll { $0 == index }
    }
    releaseLimit(of: index)
    joins[index] = nil
    jobs[offset].entry = Self.nothing
    jobs[offset].sharedEntry = nil
    jobs[offset].latestRange = nil
    jobs[offset].made = Self.nobody
    vacate(index)
  }

  /// What a place has that is nobody's.
  private static let nothing = JobEntry(
    JobDefinition(name: "", source: SourceLocation(file: "", line: 0), payload: NoPayload()))

  private final class NoPayload: JobPayload {
    func difference(from other: any JobPayload) -> PayloadDifference { other is NoPayload ? .none : .code }
  }
}
