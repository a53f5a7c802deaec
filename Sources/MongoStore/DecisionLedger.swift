internal import Chronology
internal import JobModel

/// Lets the newest range of a schedule grow instead of adding one, so that a job that is skipped every second for a
/// week is one document.
///
/// Owned by the writer. It remembers the newest range of each schedule that it has met, as the last commit left it, or
/// the one that is being made.
struct DecisionLedger {
  /// Drawn for one opening of the store: numbers of decisions are compared within one.
  let opening = drawnName()
  private typealias Name = ChangeSet.Name
  /// By job and dynamic schedule; the job's own has an empty one. nil: it has none.
  private var newest: [Name: (sequence: Int64, range: DecisionRange)?] = [:]
  /// The highest sequence of each job, over all its schedules.
  private var highest: [Name: Int64] = [:]
  private static let remembered = 50_000

  /// Adds a range to what a commit changes.
  ///
  /// - Parameter last: the highest number so far, which may rise.
  /// - Returns: whether it is a document of its own.
  mutating func append(
    _ range: DecisionRange, last: inout Int64, to changes: inout ChangeSet, on client: MongoClient,
    _ server: MongoServer
  ) throws(ServerError) -> Bool {
    if range.number > 0 {
      guard range.number > last else { return false }
      last = range.number
    }
    let owner = Name(range.job, range.schedule ?? "")
    if let current = try newest(of: owner, range, on: client, server), current.range.isContinued(by: range) {
      let whole = current.range.extended(by: range)
      newest[owner] = .some((current.sequence, whole))
      changes.put(whole, sequence: current.sequence)
      return false
    }
    // Rises within a job whatever the clock does, and puts ranges of several jobs in the order in which they were
    // decided.
    let next = try highestSequence(of: range.job, on: client, server).addingReportingOverflow(1)
    let sequence = max(range.decidedAt.nanoseconds, next.partialValue)
    var kept = range
    kept.continues = nil
    kept.number = 0
    highest[Name(range.job, "")] = sequence
    newest[owner] = .some((sequence, kept))
    changes.put(kept, sequence: sequence)
    return true
  }

  /// What is remembered may not have been committed, or not be the last.
  mutating func forgetAll() {
    newest = [:]
    highest = [:]
  }

  /// Memory for jobs that have gone is not kept for ever.
  mutating func trim() { if newest.count > Self.remembered { forgetAll() } }

  private mutating func newest(
    of owner: Name, _ range: DecisionRange, on client: MongoClient, _ server: MongoServer
  ) throws(ServerError) -> (sequence: Int64, range: DecisionRange)? {
    if let known = newest[owner] { return known }
    try server.awaitChanges(of: Collections.decisions)
    let filter: BSONDocument = [
      "job": .text(range.job), "schedule": range.schedule.map { .text($0) } ?? .null,
    ]
    var found: (sequence: Int64, range: DecisionRange)?
    if let document = try client.first(Find(Collections.decisions, filter, sort: ["sequence": -1])) {
      do throws(StoreError) {
        found = (document["sequence"]?.int ?? 0, try DecisionDocuments.range(document, failure: server.failure))
      } catch { throw ServerError(error) }
    }
    newest[owner] = .some(found)
    return found
  }

  private mutating func highestSequence(
    of job: String, on client: MongoClient, _ server: MongoServer
  ) throws(ServerError) -> Int64 {
    if let known = highest[Name(job, "")] { return known }
    try server.awaitChanges(of: Collections.decisions)
    let newest = try client.first(Find(Collections.decisions, ["job": .text(job)], sort: ["sequence": -1]))
    return newest?["sequence"]?.int ?? Int64.min / 2
  }
}
