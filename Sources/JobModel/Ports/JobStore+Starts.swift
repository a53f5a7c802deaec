package import Chronology

/// That attempts of one run began, as its row tells.
package struct RecordedStart: Sendable, Equatable {
  package var job: String
  /// When the last of them began at the latest; the others began before.
  package var at: Instant
  /// At least 1.
  package var attempts: Int

  package init(job: String, at: Instant, attempts: Int) {
    self.job = job
    self.at = at
    self.attempts = attempts
  }

  /// nil when no attempt of the run has begun.
  package init?(_ record: RunRecord) {
    // Of an interrupted run nobody may have seen the last start, and of one that was lost and cancelled none.
    let started = record.outcome == .interrupted ? nil : record.lastStartedAt
    guard record.attempts > 0, let at = started ?? record.finishedAt else { return nil }
    self.init(job: record.job, at: at, attempts: Int(record.attempts))
  }
}

extension JobStore {
  /// The starts of a job's ended runs from `since` on, in no order. Blocks on the disk; about 3 µs for each of the
  /// job's runs.
  ///
  /// Runs are kept by id, in the order of which they were accepted, and one may have waited for long: so it goes on
  /// beyond the first that ended before `since`, until ten thousand in a row did.
  package func starts(of job: String, since: Instant) throws(StoreError) -> [RecordedStart] {
    var starts: [RecordedStart] = []
    var before: RunID?
    var endedBefore = 0
    while true {
      let page = try runs(RunQuery(job: job, before: before, limit: 1_000))
      for run in page {
        guard let ended = run.finishedAt, run.outcome != nil else { continue }
        endedBefore = ended < since ? endedBefore + 1 : 0
        if let start = RecordedStart(run), start.at >= since { starts.append(start) }
      }
      guard page.count == 1_000, endedBefore < 10_000 else { return starts }
      before = page.last?.id
    }
  }
}
