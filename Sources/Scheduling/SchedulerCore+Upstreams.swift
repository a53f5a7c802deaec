import Chronology
import JobModel

/// A run has ended → the jobs that run after it.
extension SchedulerCore {
  /// Lets the jobs that run after `record`'s follow its end.
  ///
  /// What they are given names the run and says how it ended, with its result or the message of its error; they need
  /// not look for it in a history that may be pruned by then.
  mutating func passOn(_ record: RunRecord, _ evaluation: inout Evaluation) {
    guard !listeners.downstream.isEmpty, let outcome = record.outcome, let waiting = listeners.downstream[record.job]
    else { return }
    var text: String?
    for next in waiting where next.trigger.includes(outcome) {
      if next.isJoin, !arrive(record, at: next.job) { continue }
      guard listens(next.job, &evaluation) else {
        endJoin(next.job)
        continue
      }
      let common = text ?? Self.afterEvent(record, outcome)
      text = common
      let arrivals = listeners.arrivals[next.job].map { ",\"runs\":{" + Self.members($0) + "}" } ?? ""
      accept(
        next.job, cause: .after, at: evaluation.now.wall, event: JSONText("{" + common + arrivals + "}"), &evaluation)
      endJoin(next.job)
    }
  }

  /// A success that a join waits for. Whether it was the last one that was missing.
  private mutating func arrive(_ record: RunRecord, at index: JobIndex) -> Bool {
    guard !jobs[index.offset].isOrphaned else { return false }
    jobs.keep(index)
    return listeners.arrive(
      UpstreamArrival(job: record.job, run: record.id), at: index,
      of: jobs[index.offset].entry.definition.afterAll)
  }

  /// A join has run, or decided not to: it waits for each of its jobs anew.
  mutating func endJoin(_ index: JobIndex) {
    if listeners.endJoin(index) { jobs.keep(index) }
  }

  private static func afterEvent(_ record: RunRecord, _ outcome: Outcome) -> String {
    let run = "\"job\":\(quoted(record.job)),\"run\":\(record.id)"
    var text = "\"name\":\"after\",\(run),\"outcome\":\(quoted(outcome.rawValue))"
    if let result = record.result { text += ",\"result\":\(result.text)" }
    if let error = record.error { text += ",\"error\":\(quoted(error.message))" }
    return text + ",\"data\":{\(run)}"
  }

  private static func members(_ arrivals: [UpstreamArrival]) -> String {
    arrivals.map { "\(quoted($0.job)):\($0.run)" }.joined(separator: ",")
  }
}
