internal import JobModel

/// What any host reads of a shared model: the same, whoever leads. How it writes is a host's own.
protocol SharedModelReader: LinkedStore {
  var model: SharedModel { get }
}

extension SharedModelReader {
  var name: String { "model" }
  var contents: any JobStore { model.contents }
  var keyValues: any KeyValueStore { model.contents.keyValues }
  func load() throws(StoreError) -> StoreSnapshot { try model.contents.load() }
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { try model.contents.runs(query) }
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { try model.contents.decisions(query) }
  func files(of job: String) throws(StoreError) -> [FileMark] { try model.contents.files(of: job) }
  func schedules() throws(StoreError) -> [ScheduleRecord] { try model.contents.schedules() }
  func append(log lines: [RunLogLine]) {}
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] { [] }
  func steps(of run: RunID) throws(StoreError) -> [RunStep] { try model.contents.steps(of: run) }
  func progress(of run: RunID) throws(StoreError) -> RunLogLine? { nil }
  func close() {}
}
