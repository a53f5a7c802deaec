internal import Chronology
package import JobModel

/// Several stores, asked as one. One number counts the runs of all stores of a host, so that their order is one.
package struct StoreUnion: Sendable {
  package typealias Member = (name: String, store: any JobStore)
  package let members: [Member]

  package init(_ members: [Member]) { self.members = members }

  package subscript(name: String) -> (any JobStore)? { members.first { $0.name == name }?.store }

  /// Newest first.
  func runs(_ query: RunQuery) throws(StoreError) -> [StoredRun] {
    var found: [StoredRun] = []
    for (name, store) in members { found += try store.runs(query).map { StoredRun(record: $0, store: name) } }
    if members.count > 1 { found.sort { $0.record.id > $1.record.id } }
    return Array(found.prefix(query.limit))
  }

  /// The run, wherever it is.
  package func run(_ id: RunID) throws(StoreError) -> StoredRun? { try runs(RunQuery(id: id, limit: 1)).first }

  /// The latest one of a job that has ended; a brief one.
  func lastRun(of job: String) throws(StoreError) -> StoredRun? {
    var latest: StoredRun?
    for (name, store) in members {
      let run = try store.lastRuns(of: [job])[job]
      guard let run, latest.map({ $0.record.id < run.id }) ?? true else { continue }
      latest = StoredRun(record: run, store: name)
    }
    return latest
  }

  /// Newest first.
  package func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] {
    var found: [DecisionRange] = []
    for (_, store) in members { found += try store.decisions(query) }
    if members.count > 1 { found.sort { $0.decidedAt > $1.decidedAt } }
    return Array(found.prefix(query.limit))
  }

  func schedules(of job: String) throws(StoreError) -> [ScheduleRecord] {
    var found: [ScheduleRecord] = []
    for (_, store) in members { found += try store.schedules(of: [job]) }
    return found
  }

  func files(of job: String) throws(StoreError) -> [FileMark] {
    var found: [FileMark] = []
    for (_, store) in members { found += try store.files(of: job) }
    return found
  }

  func starts(of job: String, since: Instant) throws(StoreError) -> [RecordedStart] {
    var found: [RecordedStart] = []
    for (_, store) in members { found += try store.starts(of: job, since: since) }
    return found
  }
}
