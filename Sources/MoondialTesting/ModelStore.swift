internal import Basics
package import Chronology
package import JobModel
internal import MemoryStore
internal import Synchronization

/// A store as the protocol describes it and nothing more: dictionaries that survive a simulated crash, whole batches or
/// nothing. It keeps every row and range for ever, unmerged, so that a simulation can check each decision.
package final class ModelStore: JobStore {
  package struct Contents: Sendable {
    package var schedules: [ScheduleKey: ScheduleRecord] = [:]
    package var runs: [RunID: RunRecord] = [:]
    package var decisions: [DecisionRange] = []
    package var files: [String: [String: FileMark]] = [:]
    package var clockEpoch = ClockEpoch(0)
    package var highestRun: Int64 = 0
    package var highestDecision: Int64 = 0
    package var pause: PauseNote?
    package var audit: [AuditLine] = []
    /// By run, and by position.
    package var steps: [RunID: [Int32: RunStep]] = [:]
    package var intents: [RunIntent] = []
    package var lastIntent: Int64 = 0
    /// What came to be kept of runs that had been given up: sentences.
    package var late: [String] = []

    var inOrder: [ScheduleRecord] { schedules.values.sorted { ($0.job, $0.id ?? "") < ($1.job, $1.id ?? "") } }
  }

  package let name = "model"
  private let state = Mutex(Contents())
  /// Has the values, and nothing else.
  private let values = MemoryStore()
  package var keyValues: any KeyValueStore { values.keyValues }

  package init() {}

  package var contents: Contents { state.withLock { $0 } }

  package func load() throws(StoreError) -> StoreSnapshot {
    state.withLock { state in
      var snapshot = StoreSnapshot(nextRunID: RunID(state.highestRun + 1), clockEpoch: state.clockEpoch)
      snapshot.nextDecision = state.highestDecision + 1
      snapshot.schedules = state.inOrder
      snapshot.pause = state.pause
      snapshot.nextAudit = (state.audit.map(\.id).max() ?? 0) + 1
      snapshot.intents = state.intents
      snapshot.unfinished = state.runs.values.filter { $0.outcome == nil }.sorted { $0.id < $1.id }
      return snapshot
    }
  }

  package func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    state.withLock { state in
      for case .put(let step) in batch.steps { state.noteLate(step) }
      for record in batch.schedules { state.schedules[ScheduleKey(job: record.job, id: record.id)] = record }
      for fire in batch.fires {
        let key = ScheduleKey(job: fire.job, id: fire.schedule)
        state.schedules[key]?.nextFire = fire.nextFire
        state.schedules[key]?.lastFire = fire.lastFire
        state.schedules[key]?.fireCount = fire.fireCount
      }
      for record in batch.waiting + batch.claims + batch.finished {
        state.runs[record.id] = record
        state.highestRun = max(state.highestRun, record.id.number)
      }
      for change in batch.steps { state.apply(change) }
      for id in batch.dropped { state.runs[id] = nil }
      for range in batch.decisions where range.number > state.highestDecision {
        state.decisions.append(range)
        state.highestDecision = range.number
      }
      for mark in batch.files { state.files[mark.job, default: [:]][mark.path] = mark.version == nil ? nil : mark }
      for id in batch.unscheduled { state.schedules[.dynamic(id)] = nil }
      state.clockEpoch = batch.clockEpoch ?? state.clockEpoch
      if let change = batch.hostPause {
        state.pause = if case .paused(let note) = change { note } else { nil }
      }
      let known = Set(state.audit.map(\.id))
      state.audit += batch.audit.filter { !known.contains($0.id) }
    }
    completion(nil)
  }

  package func steps(of run: RunID) throws(StoreError) -> [RunStep] {
    state.withLock { ($0.steps[run] ?? [:]).values.sorted { $0.position < $1.position } }
  }

  package func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    let known = state.withLock { $0.known(transaction) }
    if let known { return completion(.success(.committed(intent: known))) }
    let answer = Monitor<Result<TransactionAnswer, StoreError>?>(nil)
    values.commit(transaction, at: now) { result in answer.withLock { $0 = result } }
    var result = answer.withLock { $0 } ?? .failure(.closed(name))
    if case .success(.committed) = result {
      result = state.withLock { state in
        if let run = transaction.finished {
          state.runs[run.id] = run
          state.highestRun = max(state.highestRun, run.id.number)
        }
        if let step = transaction.step {
          state.noteLate(step)
          state.apply(.put(step))
        }
        guard var intent = transaction.intent else { return .success(.committed(intent: 0)) }
        state.lastIntent += 1
        intent.id = state.lastIntent
        state.intents.append(intent)
        return .success(.committed(intent: intent.id))
      }
    }
    completion(result)
  }

  package func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] {
    if let id = query.id { return state.withLock { $0.runs[id].map { [$0] } ?? [] } }
    return state.withLock { state in
      let found = state.runs.values.filter { run in
        (query.job == nil || run.job == query.job) && query.before.map { run.id < $0 } ?? true
      }
      return Array(found.sorted { $0.id > $1.id }.prefix(max(0, query.limit)))
    }
  }
  package func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] {
    state.withLock { $0.decisions.filter { query.job == nil || $0.job == query.job }.reversed() }
  }
  package func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine] {
    state.withLock { Array($0.audit.filter(query.matches).sorted { $0.id > $1.id }.prefix(max(0, query.limit))) }
  }
  package func files(of job: String) throws(StoreError) -> [FileMark] {
    state.withLock { Array(($0.files[job] ?? [:]).values) }
  }
  package func schedules() throws(StoreError) -> [ScheduleRecord] {
    state.withLock { $0.inOrder }
  }
  package func append(log lines: [RunLogLine]) {}
  package func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] { [] }
  package func progress(of run: RunID) throws(StoreError) -> RunLogLine? { nil }
  package func close() {}
}

extension ModelStore.Contents {
  /// The intent of a transaction that was committed before, 0 without one; nil: it was not.
  fileprivate func known(_ transaction: RunTransaction) -> Int64? {
    let (run, position): (RunID, Int32)
    if let step = transaction.step {
      guard steps[step.run]?[step.position] != nil else { return nil }
      (run, position) = (step.run, step.position)
    } else if let finished = transaction.finished, runs[finished.id]?.outcome != nil {
      (run, position) = (finished.id, 0)
    } else {
      return nil
    }
    return intents.first { $0.run == run && $0.position == position }?.id ?? 0
  }

  /// Before it is kept. One that is kept again is not late.
  fileprivate mutating func noteLate(_ step: RunStep) {
    guard runs[step.run]?.outcome == .interrupted, steps[step.run]?[step.position] == nil else { return }
    late.append("step \(step.position) of run \(step.run) was kept after the run was given up")
  }

  fileprivate mutating func apply(_ change: StepChange) {
    switch change {
    case .put(let step): steps[step.run, default: [:]][step.position] = step
    case .end(let end):
      guard steps[end.run]?[end.position]?.finishedAt == nil else { return }
      steps[end.run]?[end.position]?.finishedAt = end.finishedAt
      steps[end.run]?[end.position]?.result = end.result
    case .inherit(let runs):
      for var step in (steps[runs.from] ?? [:]).values where steps[runs.to]?[step.position] == nil {
        step.run = runs.to
        steps[runs.to, default: [:]][step.position] = step
      }
    case .performed(let id): intents.removeAll { $0.id == id }
    }
  }
}
