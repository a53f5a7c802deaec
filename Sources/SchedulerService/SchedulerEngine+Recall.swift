package import Chronology
package import JobModel
package import Scheduling
import Triggers

/// Where jobs are looked up that the scheduler has forgotten.
package struct StoredJobs: Sendable {
  package var stores: [any JobStore]
  package var zones: TimeZoneDatabase
  /// Hears of a store that cannot be read: jobs of it that come back begin anew.
  package var report: @Sendable (StoreError) -> Void

  /// - Parameter stores: in the scheduler's order.
  package init(stores: [any JobStore], zones: TimeZoneDatabase, report: @escaping @Sendable (StoreError) -> Void) {
    self.stores = stores
    self.zones = zones
    self.report = report
  }
}

extension SchedulerEngine {
  /// `ask`, for a body that declares `definitions`: what the stores know of them and the scheduler has forgotten is
  /// there when it is called.
  ///
  /// Blocks on the disk when some of them are new to a scheduler that has forgotten any. Not from the scheduler's own
  /// thread.
  package func ask<R: Sendable>(
    recalling definitions: [JobDefinition], from stored: StoredJobs,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> R
  ) -> R {
    var found = RecalledJobs(stores: stored.stores.count)
    while true {
      let known = found
      let answer = ask { core, now, actions -> Result<R, UnknownJobs> in
        let missing = core.forgotten(among: definitions).filter { !known.names.contains($0) }
        guard missing.isEmpty else { return .failure(UnknownJobs(names: missing, at: now.wall)) }
        known.enter(&core, zones: stored.zones)
        let result = body(&core, now, &actions)
        known.enterStarts(&core, at: now)
        return .success(result)
      }
      switch answer {
      case .success(let result): return result
      case .failure(let unknown): found.read(unknown.names, definitions, at: unknown.at, from: stored)
      }
    }
  }
}

/// Jobs that a store may know.
private struct UnknownJobs: Error {
  var names: [String]
  var at: Instant
}

/// What the stores know of jobs that the scheduler has forgotten.
package struct RecalledJobs: Sendable {
  /// The jobs that were asked for.
  private(set) var names: Set<String> = []
  private var records: [[ScheduleRecord]]
  private var starts: [RecordedStart] = []

  package init(stores: Int) { records = Array(repeating: [], count: stores) }

  /// Asks the stores for `names`, which `definitions` declare. Blocks on the disk.
  package mutating func read(
    _ names: [String], _ definitions: [JobDefinition], at now: Instant, from stored: StoredJobs
  ) {
    self.names.formUnion(names)
    let wanted = Set(names)
    let limited = definitions.filter { $0.rate != nil && wanted.contains($0.name) }
    for (index, store) in stored.stores.enumerated() {
      do throws(StoreError) {
        records[index] += try store.schedules(of: names)
        for job in limited {
          let since = now.advanced(byNanoseconds: -(job.rate?.window ?? 0))
          starts += try store.starts(of: job.name, since: since)
        }
      } catch { stored.report(error) }
    }
  }

  /// Hands them to a scheduler that is about to declare them.
  package func enter(_ core: inout SchedulerCore, zones: TimeZoneDatabase) {
    let context = TriggerContext(zones: zones)
    for (store, records) in records.enumerated() where !records.isEmpty {
      core.recall(records, store: store) { try? TriggerText.parse($0, context: context).trigger }
    }
  }

  /// After they were declared.
  package func enterStarts(_ core: inout SchedulerCore, at now: ClockReading) { core.recallStarts(starts, at: now) }
}
