internal import Chronology
package import JobModel

extension MongoStore: DiagnosableStore {
  /// Reads all documents, as a migration does, and tells which cannot be understood.
  package func doctor() throws(StoreError) -> StoreReport {
    let state = try reader.state()
    var report = StoreReport(location: location)
    report.schemaVersion = Int(StoreState.schema)
    report.scheduler = try HostLease.holder(on: server)?.description
    report.clockEpoch = state.clockEpoch
    let statistics = try server.ask(["dbStats": 1])
    report.size = StoreReport.FileSize(
      fileBytes: Int64(statistics.count("storageSize") + statistics.count("indexSize")), logBytes: 0, freeBytes: 0)
    for section in StoreSection.allCases {
      var cursor: String?
      do throws(StoreError) {
        repeat { cursor = try page(of: section, after: cursor).next } while cursor != nil
      } catch {
        guard error.code == .corrupt else { throw error }
        report.damages.append(error.message)
      }
    }
    report.counts.jobs = try reader.jobNames().count
    report.counts.schedules = try reader.count(Collections.schedules, ["gone": .null, "id": .null])
    report.counts.runs = try reader.count(Collections.runs, ["outcome": ["$gt": ""]])
    report.counts.decisions = try reader.count(Collections.decisions)
    report.counts.logLines = try reader.count(Collections.log)
    report.counts.keyValues = try reader.count(Collections.keyValues, ["gone": .null])
    report.counts.watchedFiles = try reader.count(Collections.files, ["gone": .null])
    report.oldestRun = try scheduledAt(first: 1)
    report.newestRun = try scheduledAt(first: -1)
    let open = try reader.openRuns()
    report.openRunCount = open.count
    report.openRuns = open.prefix(100).map {
      StoreReport.OpenRun(id: $0.id, job: $0.job, scheduledAt: $0.scheduledAt, claimedAt: $0.claimedAt)
    }
    return report
  }

  private func scheduledAt(first order: Int64) throws(StoreError) -> Instant? {
    try server.first(Find(Collections.runs, ["outcome": ["$gt": ""]], sort: ["scheduled_at": .int(order)]))?
      .instant("scheduled_at")
  }
}

extension MongoStore: ForgettingStore {
  /// For a store that is open alongside a host; blocks on the network.
  package func forget(_ job: String) throws(StoreError) -> Forgetting {
    let known = try reader.schedules(of: [job])
    guard !known.isEmpty else { return .unknown }
    guard known.allSatisfy({ $0.orphanedAt != nil }) else { return .declared }
    let files = try reader.files(of: job)
    let waiting = try reader.openRuns().filter { $0.job == job && $0.claimedAt == nil }
    // A host that is up has them in its memory, and would execute them without the steps that they have done.
    if isHosted, let begun = waiting.first(where: { $0.startedAt != nil }) { return .underWay(begun.id) }
    var batch = StoreBatch()
    batch.dropped = waiting.map(\.id)
    batch.files = files.map { FileMark(job: job, path: $0.path, version: nil, at: $0.at) }
    batch.unscheduled = known.compactMap(\.id)
    batch.forgotten = [job]
    try commit(batch)
    let own: BSON = [
      "q": ["_id": ScheduleDocuments.key(.job(job)), "orphaned_at": ["$gt": .int(.min)]], "limit": 1,
    ]
    try server.ask(
      ["delete": .text(Collections.schedules), "deletes": [own], "writeConcern": .onDisk])
    return .forgotten
  }
}
