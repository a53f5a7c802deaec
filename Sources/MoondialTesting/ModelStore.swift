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

    var inOrder: [ScheduleRecord] { schedules.values.sorted { ($0.job, $0.id ?? "") < ($1.job, $1.id ?? "") } }
  }

  package let name = "model"
  private let state = Mutex(Contents())
  package let keyValues: any KeyValueStore = MemoryStore().keyValues

  package init() {}

  package var contents: Contents { state.withLock { $0 } }

  package func load() throws(StoreError) -> StoreSnapshot {
    state.withLock { state in
      var snapshot = StoreSnapshot(nextRunID: RunID(state.highestRun + 1), clockEpoch: state.clockEpoch)
      snapshot.nextDecision = state.highestDecision + 1
      snapshot.schedules = state.inOrder
      snapshot.pause = state.pause
      snapshot.nextAudit = (state.audit.map(\.id).max() ?? 0) + 1
      snapshot.unfinished = state.runs.values.filter { $0.outcome == nil }.sorted { $0.id < $1.id }
      return snapshot
    }
  }

  package func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    state.withLock { state in
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

  package func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] {
    state.withLock { $0.runs.values.filter { query.job == nil || $0.job == query.job }.sorted { $0.id > $1.id } }
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
