import Chronology
import Hosting
import JobModel
import Triggers

/// The schedules and last runs that stores know.
struct KnownSchedules {
  private let stores: ReadStores
  /// By the name of the store, and the job.
  private var schedules: [ObjectIdentifier: [String: ScheduleRecord]] = [:]
  /// Dynamic ones, by job.
  private(set) var dynamic: [String: [ScheduleRecord]] = [:]
  /// By the name of the store, and the job.
  private var lastRuns: [ObjectIdentifier: [String: RunRecord]] = [:]

  /// - Parameter jobs: those whose latest runs are asked for, all at once.
  init(_ stores: ReadStores, jobs: [JobDefinition] = []) throws {
    self.stores = stores
    let stored = jobs.lazy.compactMap { job in stores.store(of: job).map { ($0, job.name) } }
    for (_, members) in Dictionary(grouping: stored, by: { ObjectIdentifier($0.0) }) {
      let store = members[0].0
      lastRuns[ObjectIdentifier(store)] = try ReadStores.orFail { try store.lastRuns(of: members.map(\.1)) }
    }
    var found: [ScheduleRecord] = []
    for member in stores.members {
      let records = try ReadStores.orFail { try member.store.schedules() }
      let own = records.filter { $0.dynamic == nil }
      schedules[ObjectIdentifier(member.store)] = Dictionary(
        own.map { ($0.job, $0) }, uniquingKeysWith: { first, _ in first })
      found += records.filter { $0.dynamic != nil }
    }
    dynamic = Dictionary(grouping: found, by: \.job)
  }

  /// Where the job's own schedule stands, in the store that it has now; nil: that store knows nothing of it.
  func schedule(of job: JobDefinition) -> ScheduleRecord? {
    stores.store(of: job).flatMap { schedules[ObjectIdentifier($0)]?[job.name] }
  }

  /// The newest run that has ended; a brief one.
  func lastRun(of job: JobDefinition) -> RunRecord? {
    stores.store(of: job).flatMap { lastRuns[ObjectIdentifier($0)]?[job.name] }
  }

  /// What a host would fire next: where the store stands, if it knows this very trigger, else as if it were registered
  /// now.
  static func nextFire(_ job: JobDefinition, _ record: ScheduleRecord?, after now: Instant) -> Instant? {
    guard let trigger = job.trigger else { return nil }
    if let record, record.trigger == trigger.text { return record.nextFire }
    return trigger.anchored(at: now).next(after: now)
  }
}
