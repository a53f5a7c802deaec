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
    // Jobs that are given the same share one text, however long a result is.
    var plain: JSONText?
    var joined: (arrivals: [UpstreamArrival], event: JSONText)?
    for next in waiting where next.trigger.includes(outcome) {
      if next.isJoin, !arrive(record, at: next.job) { continue }
      guard listens(next.job, &evaluation) else {
        endJoin(next.job)
        continue
      }
      let event: JSONText
      if let arrivals = listeners.arrivals[next.job] {
        if let joined, joined.arrivals == arrivals {
          event = joined.event
        } else {
          event = Self.afterEvent(record, outcome, arrivals)
          joined = (arrivals, event)
        }
      } else {
        event = plain ?? Self.afterEvent(record, outcome)
        plain = event
      }
      accept(next.job, cause: .after, at: evaluation.now.wall, event: event, &evaluation)
      endJoin(next.job)
    }
  }

  /// A success that a join waits for. Whether it was the last one that was missing.
  private mutating func arrive(_ record: RunRecord, at index: JobIndex) -> Bool {
    guard !jobs[index.offset].isOrphaned else { return false }
    jobs.keep(index)
    return listeners.arrive(
      UpstreamArrival(job: record.job, run: record.id, result: record.result), at: index,
      of: jobs[index.offset].entry.definition.afterAll)
  }

  /// A join has run, or decided not to: it waits for each of its jobs anew.
  mutating func endJoin(_ index: JobIndex) {
    if listeners.endJoin(index) { jobs.keep(index) }
  }

  private static func afterEvent(
    _ record: RunRecord, _ outcome: Outcome, _ arrivals: [UpstreamArrival] = []
  ) -> JSONText {
    let run = "\"job\":\(quoted(record.job)),\"run\":\(record.id)"
    var text = "{\"name\":\"after\",\(run),\"outcome\":\(quoted(outcome.rawValue))"
    if let result = record.result { text += ",\"result\":\(result.text)" }
    if let error = record.error { text += ",\"error\":\(quoted(error.message))" }
    text += ",\"data\":{\(run)}"
    if !arrivals.isEmpty {
      text += ",\"runs\":" + object(arrivals.map { ($0.job, "\($0.run)") })
      text += ",\"results\":" + object(arrivals.compactMap { arrival in arrival.result.map { (arrival.job, $0.text) } })
    }
    return JSONText(text + "}")
  }

  /// An object of members that are JSON already.
  private static func object(_ members: [(key: String, value: String)]) -> String {
    "{" + members.map { "\(quoted($0.key)):\($0.value)" }.joined(separator: ",") + "}"
  }
}
