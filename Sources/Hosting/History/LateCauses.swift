internal import Chronology
internal import JobModel

/// Why runs of a job were claimed late, and what became of runs that other fire times were coalesced into: as far as
/// the stores know.
///
/// What is kept of a run is when it was due, claimed and started. From that, from its neighbours and from the time at
/// which the host came up follows a cause; where several are left, the sentence names them.
struct LateCauses {
  /// Nanoseconds between fire time and claim that are worth a word.
  private static let noteworthy: Int64 = 1_000_000_000
  /// A claim so soon after the end of the job's last instance had waited for it. Nanoseconds.
  private static let atOnce: Int64 = 100_000_000

  /// Runs of the job around the late ones.
  private var neighbours: [RunRecord] = []
  /// Since when the last host is, or was, up.
  private let hostSince: Instant?
  /// Runs that ranges name and no store has.
  private var missing: Set<RunID> = []
  /// The job's oldest run that is kept.
  private var oldestKept: RunID?

  init(
    _ stores: StoreUnion, job: String, runs: [RunRecord], ranges: [DecisionRange], hostSince: Instant?
  ) throws(StoreError) {
    self.hostSince = hostSince
    for run in runs where Self.delay(of: run) != nil {
      neighbours += try Self.brief(stores, RunQuery(job: job, before: run.id, limit: 20))
    }
    for id in Set(ranges.compactMap(\.run)) where try Self.brief(stores, RunQuery(job: job, id: id)).isEmpty {
      missing.insert(id)
    }
    if let first = missing.min() {
      // Pruning goes from the oldest on, so one that is older than the missing run tells that it was never there.
      oldestKept = try Self.brief(stores, RunQuery(job: job, before: first, limit: 1)).first?.id
    }
  }

  /// Their times are all that matters here.
  private static func brief(_ stores: StoreUnion, _ query: RunQuery) throws(StoreError) -> [RunRecord] {
    var query = query
    query.isBrief = true
    return try stores.runs(query).map(\.record)
  }

  /// How late the claim was, if that is worth a word.
  private static func delay(of run: RunRecord) -> Int64? {
    guard run.cause == .schedule, let claimed = run.claimedAt else { return nil }
    let delay = claimed.nanoseconds(since: run.scheduledAt)
    return delay >= noteworthy ? delay : nil
  }

  /// `claimed 3.0 s late: run 41 of the job went on until then`; nil when the claim came in time.
  func message(of run: RunRecord, _ zone: TimeZoneRules) -> String? {
    guard let delay = Self.delay(of: run), let claimed = run.claimedAt else { return nil }
    let late = "claimed \(TimeFormat.span(delay)) late"
    let former = neighbours.first { other in
      guard other.id < run.id, let ended = other.finishedAt else { return false }
      return ended > run.scheduledAt && ended <= claimed && claimed.nanoseconds(since: ended) <= Self.atOnce
    }
    if let former { return "\(late): run \(former.id) of the job went on until then" }
    if let hostSince, run.scheduledAt < hostSince, hostSince <= claimed {
      return "\(late): no host was up until \(TimeFormat.time(hostSince, in: zone))"
    }
    if run.missed > 0 {
      return "\(late): the host was down or stood still, the machine slept, or the claim window was full"
    }
    // A process that is stopped or starved writes nothing down about it.
    return "\(late): by its jitter, or because the host stood still (stopped, starved, or the machine slept), "
      + "the claim window was full or the store did not write"
  }

  /// What a coalesced range says of the run that stands for it. A run that waited for its claim until it was too late,
  /// or which another one replaced, was never claimed, and its own fire time has a range of its own.
  func message(ofCoalesced range: DecisionRange) -> String {
    guard let run = range.run else { return "coalesced into one run" }
    if !missing.contains(run) { return "coalesced into run \(run)" }
    return oldestKept == nil
      ? "coalesced into run \(run), which was pruned, or was never claimed"
      : "coalesced into run \(run), which was never claimed: what became of its own fire time is told apart"
  }
}
