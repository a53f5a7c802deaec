package import Chronology

/// All changes that must land together. Order inside a batch: the order of the fields.
package struct StoreBatch: Sendable {
  /// Upserts: by job name, and by id dynamic ones.
  package var schedules: [ScheduleRecord] = []
  /// The small, frequent change of a schedule.
  package var fires: [FireUpdate] = []
  /// Accepted fires that cannot be claimed yet (queue, window, event): upserts by run id, `claimedAt == nil`. A claimed
  /// run between two attempts stands here too, and a parked one (`park`).
  package var waiting: [RunRecord] = []
  /// Claims: upserts by run id, `claimedAt != nil`, `outcome == nil`.
  package var claims: [RunRecord] = []
  /// Outcomes: upserts by run id, `outcome != nil`.
  package var finished: [RunRecord] = []
  /// Changes of steps and intents, in order, after those of the runs.
  package var steps: [StepChange] = []
  /// Waiting rows whose instants ended in a decision range after all: removed.
  package var dropped: [RunID] = []
  /// Appended, but for those with a `number` up to the highest that was committed since the store was opened: a batch
  /// that is handed over again adds nothing. A store may extend its newest range of the job when `isContinued(by:)`
  /// holds.
  package var decisions: [DecisionRange] = []
  /// Upserts by job and path, in order; a mark without a version removes its row.
  package var files: [FileMark] = []
  /// Ids of dynamic schedules that are over: removed, after everything above. Their runs and decisions stay.
  package var unscheduled: [String] = []
  /// Names of orphaned jobs that the scheduler has forgotten, after everything above. What a store keeps of them only
  /// to be quick goes too; a memory store keeps nothing of them. Should one come back, the scheduler asks for its
  /// schedules.
  package var forgotten: [String] = []
  /// Set when the wall clock was set back beyond the bridge.
  package var clockEpoch: ClockEpoch?
  /// Set when everything was paused or resumed.
  package var hostPause: HostPauseChange?
  /// Appended; a line whose id is there already stays as it is.
  package var audit: [AuditLine] = []

  package init() {}

  package var isEmpty: Bool {
    schedules.isEmpty && fires.isEmpty && waiting.isEmpty && claims.isEmpty && finished.isEmpty && dropped.isEmpty
      && decisions.isEmpty && files.isEmpty && unscheduled.isEmpty && forgotten.isEmpty && steps.isEmpty
      && clockEpoch == nil && hostPause == nil && audit.isEmpty
  }

  /// Appends `later`, whose changes take effect after this batch's own.
  ///
  /// Only legal when no key of `later` occurs in this batch in a field that is applied after it; a scheduler merges
  /// what it retries with what has come since, where that holds because runs only move forward (waiting → claimed →
  /// finished).
  package mutating func append(_ later: StoreBatch) {
    if !later.schedules.isEmpty, !fires.isEmpty {
      // A whole schedule record says more, and later, than the small changes before it, which are applied after it.
      let renewed = Set(later.schedules.map { ScheduleKey(job: $0.job, id: $0.id) })
      fires.removeAll { renewed.contains(ScheduleKey(job: $0.job, id: $0.schedule)) }
    }
    if !later.schedules.isEmpty, !unscheduled.isEmpty {
      // A schedule that took the id of one that went is not to go with it.
      let renewed = Set(later.schedules.compactMap(\.id))
      unscheduled.removeAll { renewed.contains($0) }
    }
    schedules += later.schedules
    fires += later.fires
    waiting += later.waiting
    claims += later.claims
    finished += later.finished
    steps += later.steps
    dropped += later.dropped
    decisions += later.decisions
    files += later.files
    unscheduled += later.unscheduled
    if !forgotten.isEmpty, !later.schedules.isEmpty {
      let back = Set(later.schedules.map(\.job))
      forgotten.removeAll { back.contains($0) }
    }
    forgotten += later.forgotten
    clockEpoch = later.clockEpoch ?? clockEpoch
    hostPause = later.hostPause ?? hostPause
    audit += later.audit
  }

  package mutating func removeAll() {
    guard !isEmpty else { return }
    schedules.removeAll(keepingCapacity: true)
    fires.removeAll(keepingCapacity: true)
    waiting.removeAll(keepingCapacity: true)
    claims.removeAll(keepingCapacity: true)
    finished.removeAll(keepingCapacity: true)
    steps.removeAll(keepingCapacity: true)
    dropped.removeAll(keepingCapacity: true)
    decisions.removeAll(keepingCapacity: true)
    files.removeAll(keepingCapacity: true)
    unscheduled.removeAll(keepingCapacity: true)
    forgotten.removeAll(keepingCapacity: true)
    clockEpoch = nil
    hostPause = nil
    audit.removeAll(keepingCapacity: true)
  }
}

/// A schedule moved on: `nextFire` is the first instant without a decision, a claim or a waiting row.
package struct FireUpdate: Sendable, Equatable {
  package var job: String
  /// The id of a dynamic schedule; nil: the job's own moved.
  package var schedule: String?
  package var nextFire: Instant?
  package var lastFire: Instant
  package var fireCount: Int
  /// The job's index in its scheduler's table: the same for a job as long as the scheduler lives. It spares a store a
  /// search by name; the name decides.
  package var index: JobHint

  package init(
    job: String, schedule: String? = nil, nextFire: Instant?, lastFire: Instant, fireCount: Int, index: JobIndex? = nil
  ) {
    self.job = job
    self.schedule = schedule
    self.index = JobHint(index)
    self.nextFire = nextFire
    self.lastFire = lastFire
    self.fireCount = fireCount
  }
}
