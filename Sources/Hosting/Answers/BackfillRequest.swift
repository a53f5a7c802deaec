package import JobModel

/// Runs of a job for the fire times of a range, past ones mostly: `from <= fire < to`.
package struct BackfillRequest: Sendable, Codable, Equatable {
  package var job: String
  package var from: HostTime
  package var to: HostTime
  /// One run for the latest fire, with the others as `missed`; otherwise one run a fire.
  package var coalesce: Bool?
  /// What becomes of a fire that meets `max_instances` runs: `queue` unless something else is said.
  package var overlap: OverlapPolicy?
  package var params: JSONDocument?
  /// Only tell what would run.
  package var dryRun: Bool?

  /// Runs of one request.
  package static let most = 1_000

  package init(job: String, from: HostTime, to: HostTime) {
    self.job = job
    self.from = from
    self.to = to
  }

  private enum CodingKeys: String, CodingKey {
    case job, from, to, coalesce, overlap, params
    case dryRun = "dry_run"
  }
}

package struct BackfillAnswer: Sendable, Codable, Equatable {
  package var job: String
  /// The fire times of the range.
  package var fires: [HostTime]
  /// The runs that were accepted, in the order of their fires; none of a dry run.
  package var runs: [Int64]
  /// Fires that the overlap policy let go, which are recorded.
  package var skipped: Int
  package var isDryRun: Bool

  private enum CodingKeys: String, CodingKey {
    case job, fires, runs, skipped
    case isDryRun = "dry_run"
  }

  package init(job: String, fires: [HostTime], runs: [Int64], skipped: Int, isDryRun: Bool) {
    self.job = job
    self.fires = fires
    self.runs = runs
    self.skipped = skipped
    self.isDryRun = isDryRun
  }
}
