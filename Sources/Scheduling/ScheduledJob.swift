package import Chronology
package import JobModel
package import Triggers

/// One job in the scheduler's table: its definition, and where its schedule stands.
package struct ScheduledJob: Sendable {
  package var entry: JobEntry
  /// The definition's trigger with the schedule's anchor; nil when it runs only on events or when asked.
  package var trigger: AnyTrigger?
  /// The first instant without a decision, a waiting row or an active run. nil: never again.
  package var nextFire: Instant?
  package var lastFire: Instant?
  package var anchor: Instant?
  package var fireCount: Int
  package var registeredAt: Instant
  package var isPaused: Bool
  package var orphanedAt: Instant?
  /// Runs that count against `max_instances`: all active ones but those in `queue` and `debouncing`.
  package var active: Int32 = 0
  /// Slots of accepted fires that wait for an instance to end, in fire-time order.
  var queue: [Int32] = []
  /// Accepted runs that are neither claimed nor have a waiting row.
  var unstored: Int32 = 0
  /// Slot of the run that collects events; −1 when there is none.
  var debouncing: Int32 = -1
  /// Index into the scheduler's stores and executors.
  var store: Int16
  var executor: Int16
  /// Jitter's and `H`'s seed.
  let hash: UInt64
  /// Whether this evaluation must tell the store where the schedule stands now.
  var isTouched = false

  var definition: JobDefinition { entry.definition }
  package var isOrphaned: Bool { orphanedAt != nil }

  /// When an instant is due: its fire time and its share of the job's jitter. Never reaches the next fire time.
  func due(_ fireTime: Instant) -> Int64 {
    let jitter = entry.definition.jitter
    guard jitter > 0 else { return fireTime.nanoseconds }
    let offset = Jitter.offsetNanoseconds(
      schedule: hash, fireTime: fireTime, jitter: jitter, nextFireTime: trigger?.next(after: fireTime))
    return fireTime.advanced(byNanoseconds: offset).nanoseconds
  }

  /// The row that survives a restart.
  package func record(clockEpoch: ClockEpoch) -> ScheduleRecord {
    var record = ScheduleRecord(job: entry.definition.name, trigger: entry.definition.trigger?.text, registeredAt: registeredAt)
    record.nextFire = nextFire
    record.anchor = anchor
    record.lastFire = lastFire
    record.fireCount = fireCount
    record.clockEpoch = clockEpoch
    record.isPaused = isPaused
    record.orphanedAt = orphanedAt
    return record
  }
}
