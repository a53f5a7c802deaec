/// What answers the questions to a store, without waiting for its writer.
package protocol StoreReading: Sendable {
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord]
  func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine]
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange]
  func files(of job: String) throws(StoreError) -> [FileMark]
  func schedules() throws(StoreError) -> [ScheduleRecord]
  func schedules(of jobs: [String]) throws(StoreError) -> [ScheduleRecord]
  func steps(of run: RunID) throws(StoreError) -> [RunStep]
  func progress(of run: RunID) throws(StoreError) -> RunLogLine?
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine]
  func jobNames() throws(StoreError) -> [String]
  func openRuns() throws(StoreError) -> [RunRecord]
}

/// A store that has its questions answered by a part of it.
package protocol ReadingStore: InspectableStore {
  var questions: any StoreReading { get }
}

extension ReadingStore {
  package func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { try questions.runs(query) }
  package func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine] { try questions.audit(query) }
  package func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] {
    try questions.decisions(query)
  }
  package func files(of job: String) throws(StoreError) -> [FileMark] { try questions.files(of: job) }
  package func schedules() throws(StoreError) -> [ScheduleRecord] { try questions.schedules() }
  package func schedules(of jobs: [String]) throws(StoreError) -> [ScheduleRecord] {
    try questions.schedules(of: jobs)
  }
  package func steps(of run: RunID) throws(StoreError) -> [RunStep] { try questions.steps(of: run) }
  package func progress(of run: RunID) throws(StoreError) -> RunLogLine? { try questions.progress(of: run) }
  package func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] {
    try questions.log(of: run, limit: limit)
  }
  package func jobNames() throws(StoreError) -> [String] { try questions.jobNames() }
  package func openRuns() throws(StoreError) -> [RunRecord] { try questions.openRuns() }
}
