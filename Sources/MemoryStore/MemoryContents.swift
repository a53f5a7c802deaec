internal import Basics
internal import Chronology
internal import JobModel

/// What a memory store knows. Owned by the store's lock.
struct MemoryContents: ~Copyable {
  var isClosed = false
  var log = MemoryLog()
  /// In the order in which they were met; found by `names`.
  private var jobs: ContiguousArray<JobMemory> = []
  private var names = NameIndex()
  /// Dynamic schedules, by id.
  private var dynamic: [String: ScheduleRecord] = [:]
  /// The same by the scheduler's index, as far as it was told.
  private var homes: ContiguousArray<JobMemory?> = []
  private var clockEpoch = ClockEpoch(0)
  private var pause: PauseNote?
  private var audit = MemoryAudit()
  private(set) var steps = MemorySteps()
  private var highestRun = RunID(0)
  /// Which job's each claimed run is.
  private var open = OpenRuns()
  /// The jobs of a batch's `fires`, in their order; its memory is used again and again.
  private var moved: [JobMemory] = []
  /// Numbers decision ranges over all jobs, so that those of several jobs can be put in order.
  private var lastSequence: Int64 = 0
  /// The highest number of a decision.
  private var lastDecision: Int64 = 0

  // MARK: Changes

  mutating func apply(_ batch: borrowing StoreBatch) {
    for record in batch.schedules {
      if let id = record.id {
        dynamic[id] = record
      } else {
        memory(of: record.job, at: record.index.value).schedule = record
      }
    }
    // A batch that moves a schedule past an instant claims its run too, mostly at the same place: one search serves
    // both.
    moved.removeAll(keepingCapacity: true)
    // By index, here and below: an element that a loop hands out is a copy.
    for index in batch.fires.indices {
      let memory = memory(of: batch.fires[index].job, at: batch.fires[index].index.value)
      moved.append(memory)
      if let id = batch.fires[index].schedule {
        dynamic[id]?.move(batch.fires[index])
      } else {
        memory.schedule?.move(batch.fires[index])
      }
    }
    for run in batch.waiting { put(run, memory(of: run.job)) }
    for index in batch.claims.indices {
      let isMoved = index < moved.count && batch.fires[index].job == batch.claims[index].job
      let memory = isMoved ? moved[index] : memory(of: batch.claims[index].job)
      open.enter(memory, for: batch.claims[index].id)
      put(batch.claims[index], memory)
    }
    for index in batch.finished.indices {
      put(batch.finished[index], open.leave(batch.finished[index].id) ?? memory(of: batch.finished[index].job))
    }
    if !steps.isEmpty { for index in batch.finished.indices { steps.noteEnd(of: batch.finished[index].id) } }
    if !batch.steps.isEmpty { applySteps(batch.steps) }
    for id in batch.dropped {
      drop(id)
      steps.noteEnd(of: id)
    }
    for range in batch.decisions { decide(range) }
    for mark in batch.files { memory(of: mark.job).history.files[mark.path] = mark.version == nil ? nil : mark }
    for id in batch.unscheduled { dynamic[id] = nil }
    if !batch.forgotten.isEmpty { forget(Set(batch.forgotten)) }
    if let epoch = batch.clockEpoch { clockEpoch = epoch }
    switch batch.hostPause {
    case .paused(let note)?: pause = note
    case .resumed?: pause = nil
    case nil: break
    }
    for index in batch.audit.indices { audit.append(batch.audit[index]) }
  }

  private mutating func applySteps(_ changes: [StepChange]) {
    steps.apply(changes)
    guard steps.mustSweep else { return }
    steps.sweep(keeping: Set(histories(of: nil).lazy.flatMap { $0.runs.inOrder.map(\.id) }))
  }

  /// Jobs that are gone leave nothing behind. O(jobs): the index of names has no holes.
  private mutating func forget(_ gone: Set<String>) {
    jobs.removeAll { gone.contains($0.name) && $0.schedule?.orphanedAt != nil }
    names = NameIndex()
    names.reserveCapacity(jobs.count)
    for place in jobs.indices { names.insert(jobs[place].name, at: place) }
    homes = []
    dynamic = dynamic.filter { !gone.contains($0.value.job) }
  }

  var jobCount: Int { jobs.count }

  /// An id that no run has had, and none will have that is not told so: those that a host counts are left out.
  mutating func takeRunID() -> RunID {
    repeat { highestRun = RunID(highestRun.number + 1) } while !highestRun.isForExternalRuns
    return highestRun
  }

  private mutating func put(_ run: RunRecord, _ memory: JobMemory) {
    memory.history.put(run)
    if run.id > highestRun { highestRun = run.id }
  }

  /// Whether a transaction was committed before, and the id of its intent while that is not carried out; nil: it was
  /// not.
  borrowing func known(_ transaction: borrowing RunTransaction) -> Int64? {
    if let step = transaction.step {
      guard steps.steps(of: step.run).contains(where: { $0.position == step.position }) else { return nil }
      return steps.intent(of: step.run, step.position)
    }
    guard let run = transaction.finished,
      runs(RunQuery(job: run.job, id: run.id)).first?.outcome != nil
    else { return nil }
    return steps.intent(of: run.id, 0)
  }

  /// - Returns: the id of its intent.
  mutating func commit(_ transaction: borrowing RunTransaction) -> Int64 {
    if let run = transaction.finished { put(run, open.leave(run.id) ?? memory(of: run.job)) }
    if let step = transaction.step { applySteps([.put(step)]) }
    return transaction.intent.map { steps.add($0) } ?? 0
  }

  /// Drops are rare and name no job, so all jobs are asked. O(jobs).
  private mutating func drop(_ id: RunID) {
    for memory in jobs where memory.known?.drop(id) == true { return }
  }

  private mutating func decide(_ range: DecisionRange) {
    if range.number > 0 {
      guard range.number > lastDecision else { return }
      lastDecision = range.number
    }
    let memory = memory(of: range.job).history
    // Schedules of one job take turns in its ring: what is continued is the newest range of the same one.
    let slot = memory.decisions.newestSlot { $0.range.schedule == range.schedule }
    if let slot, memory.decisions[slot].range.isContinued(by: range) {
      memory.decisions[slot].range = memory.decisions[slot].range.extended(by: range)
    } else {
      lastSequence += 1
      var kept = range
      kept.continues = nil
      kept.number = 0
      memory.decisions.append((lastSequence, kept))
    }
  }

  /// Made if it is not there.
  private mutating func memory(of job: String) -> JobMemory {
    if let memory = known(job) { return memory }
    let memory = JobMemory(job)
    names.insert(job, at: jobs.count)
    jobs.append(memory)
    return memory
  }

  private borrowing func known(_ job: String) -> JobMemory? {
    let jobs = jobs
    return names.index(of: job) { jobs[$0].name == job }.map { jobs[$0] }
  }

  /// Without a search where the scheduler says which job it is, from the second time on.
  private mutating func memory(of job: String, at index: JobIndex?) -> JobMemory {
    guard let index else { return memory(of: job) }
    if index.offset < homes.count, let known = homes[index.offset], known.name == job { return known }
    let memory = memory(of: job)
    while homes.count <= index.offset { homes.append(nil) }
    homes[index.offset] = memory
    return memory
  }

  // MARK: Questions

  borrowing func snapshot() -> StoreSnapshot {
    var snapshot = StoreSnapshot(nextRunID: RunID(highestRun.number + 1), clockEpoch: clockEpoch)
    snapshot.nextDecision = lastDecision + 1
    snapshot.pause = pause
    snapshot.intents = steps.openIntents
    snapshot.nextAudit = audit.lastID + 1
    snapshot.schedules = schedules()
    for history in histories(of: nil) { snapshot.unfinished += history.runs.inOrder.filter { $0.outcome == nil } }
    snapshot.unfinished.sort { $0.id < $1.id }
    return snapshot
  }

  borrowing func schedules() -> [ScheduleRecord] { jobs.compactMap(\.schedule) + dynamic.values }

  borrowing func runs(_ query: RunQuery) -> [RunRecord] {
    var found: [RunRecord] = []
    for history in histories(of: query.job) { found += history.runs.inOrder.filter(query.matches) }
    found.sort { $0.id > $1.id }
    return Array(found.prefix(max(0, query.limit)))
  }

  borrowing func decisions(_ query: DecisionQuery) -> [DecisionRange] {
    var found: [(sequence: Int64, range: DecisionRange)] = []
    for history in histories(of: query.job) { found += history.decisions.inOrder.filter { query.matches($0.range) } }
    found.sort { $0.sequence > $1.sequence }
    return found.prefix(max(0, query.limit)).map(\.range)
  }

  borrowing func audit(_ query: AuditLineQuery) -> [AuditLine] { audit.lines(query) }

  borrowing func files(of job: String) -> [FileMark] { known(job)?.known.map { Array($0.files.values) } ?? [] }

  private borrowing func histories(of job: String?) -> [JobMemory.History] {
    guard let job else { return jobs.compactMap(\.known) }
    return known(job)?.known.map { [$0] } ?? []
  }
}

/// Claimed runs → their job's memory, so that an outcome, which comes soon after its claim, is put away without a
/// search by name (a hash, and two cache lines of a dictionary that is larger than the cache when jobs are many).
///
/// Run ids rise by one, so the latest of them are a window with a moving start. A run that stays open while 4,096
/// others are claimed loses its entry, and is searched for by its job's name.
private struct OpenRuns {
  private static let room = 4_096
  /// By id, wrapping around; allocated with the first claim.
  private var entries: ContiguousArray<(run: RunID, memory: JobMemory?)> = []

  mutating func enter(_ memory: JobMemory, for run: RunID) {
    if entries.isEmpty { entries = ContiguousArray(repeating: (RunID(0), nil), count: Self.room) }
    entries[index(of: run)] = (run, memory)
  }

  /// Takes the entry out, if the run still has it.
  mutating func leave(_ run: RunID) -> JobMemory? {
    guard !entries.isEmpty, entries[index(of: run)].run == run else { return nil }
    return entries[index(of: run)].memory.take()
  }

  private func index(of run: RunID) -> Int { Int(truncatingIfNeeded: run.number) & (Self.room - 1) }
}

extension RunQuery {
  /// Whether `run` belongs to the answer, the limit aside.
  func matches(_ run: RunRecord) -> Bool {
    if let job, run.job != job { return false }
    if let id, run.id != id { return false }
    if let before, run.id >= before { return false }
    if let from, run.scheduledAt < from { return false }
    if let to, run.scheduledAt >= to { return false }
    guard let outcomes else { return true }
    return run.outcome.map(outcomes.contains) ?? false
  }
}

extension DecisionQuery {
  func matches(_ range: DecisionRange) -> Bool {
    if let job, range.job != job { return false }
    guard let at else { return true }
    return (before.map { range.first < $0 } ?? (range.first <= at)) && at <= range.last
  }
}

extension ScheduleRecord {
  /// The small change that a fire makes.
  fileprivate mutating func move(_ update: FireUpdate) {
    nextFire = update.nextFire
    lastFire = update.lastFire
    fireCount = update.fireCount
  }
}
