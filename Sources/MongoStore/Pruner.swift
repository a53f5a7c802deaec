internal import Basics
internal import Chronology
internal import JobModel

/// Removes history beyond the limits after commits, a slice at a time: 500 runs, or the ranges of one job.
///
/// It removes only what has ended, so a former host that does it late removes nothing that anybody needs. What it knows
/// is a cache: losing it only delays pruning.
///
/// Owned by the writer's thread.
struct Pruner {
  /// How often age is looked at. Nanoseconds.
  static let agePeriod: Int64 = 60 * 1_000_000_000
  private static let runsPerSlice = 500
  private static let failurePause: Int64 = 1_000_000_000
  /// Documents that one look at the oldest runs reads.
  private static let lookedAt = 1_000

  private let server: MongoServer
  private var retention: Retention
  /// Runs and ranges added per job since they were last counted.
  private var freshRuns: [String: Int] = [:]
  private var freshRanges: [String: Int] = [:]
  private var crowded: [String] = []
  private var crowdedRanges: [String] = []
  /// Whether all jobs are to be counted: after opening, and when limits changed.
  private var mustSurvey = true
  private var nextAgeLook: Int64 = 0
  private var looksAtAge = false
  /// The last line that was added since lines were removed.
  private var lastAudit: Int64?
  /// The text after which the walk over all of them goes on; nil: it is not under way.
  private var textCursor: BSON?
  private var nextSweep: Int64 = 0
  /// After a failure.
  private var pausedUntil: Int64 = 0

  init(_ server: MongoServer, _ retention: Retention) {
    self.server = server
    self.retention = retention
  }

  mutating func set(_ retention: Retention) {
    guard retention != self.retention else { return }
    self.retention = retention
    mustSurvey = true
    nextAgeLook = 0
  }

  /// What a commit has added. Asks no server: who waits for the commit waits for this.
  mutating func heard(_ news: StoreWriter.News) {
    for (job, count) in news.finished {
      guard let kept = limit(of: job).runs else { continue }
      freshRuns[job, default: 0] += count
      if freshRuns[job]! >= max(16, kept / 8) {
        freshRuns[job] = nil
        crowded.append(job)
      }
    }
    for (job, count) in news.ranges {
      freshRanges[job, default: 0] += count
      if freshRanges[job]! >= max(16, retention.ranges / 8) {
        freshRanges[job] = nil
        crowdedRanges.append(job)
      }
    }
    lastAudit = news.lastAudit ?? lastAudit
    if freshRuns.count > 10_000 { freshRuns = [:] }
    if freshRanges.count > 10_000 { freshRanges = [:] }
  }

  /// Whether there is something to do at once.
  func isDue(_ now: Instant) -> Bool {
    guard monotonicNow() >= pausedUntil else { return false }
    return mustSurvey || lastAudit != nil || !crowded.isEmpty || !crowdedRanges.isEmpty || looksAtAge
      || textCursor != nil || monotonicNow() >= nextAgeLook
  }

  /// Does a little of what is due.
  mutating func work(_ writer: StoreWriter, _ now: Instant) {
    guard isDue(now) else { return }
    // Or what is on its way to its document would come after its removal.
    do throws(ServerError) {
      try server.awaitChanges(
        of: Collections.runs, Collections.decisions, Collections.steps, Collections.audit)
    } catch {
      pausedUntil = monotonicNow() + Self.failurePause
      return
    }
    if monotonicNow() >= nextAgeLook {
      nextAgeLook = monotonicNow() + Self.agePeriod
      looksAtAge = true
      writer.expireValues(at: now)
      writer.forgetJournals()
    }
    do throws(StoreError) {
      if mustSurvey {
        mustSurvey = false
        try survey()
      } else if let last = lastAudit.take() {
        try removeAudit(before: last)
      } else if let job = crowdedRanges.popLast() {
        try removeRanges(of: job)
      } else if let job = crowded.popLast() {
        if try removeRuns(of: job) { crowded.append(job) }
      } else if looksAtAge {
        looksAtAge = try removeOld(now)
        if !looksAtAge, monotonicNow() >= nextSweep {
          nextSweep = monotonicNow() + 3_600 * 1_000_000_000
          textCursor = .some(.bytes([]))
        }
      } else if let cursor = textCursor {
        textCursor = try sweep(after: cursor, writer)
      }
    } catch {
      // The next commit tells a server that is away; what was not removed is found again.
      mustSurvey = true
      pausedUntil = monotonicNow() + Self.agePeriod
    }
  }

  private func limit(of job: String) -> Retention.Limit { retention.jobs[job] ?? retention.standard }

  /// Counts the runs and ranges of all jobs.
  private mutating func survey() throws(StoreError) {
    for (job, count) in try counts(Collections.runs, ["outcome": ["$gt": ""]]) {
      if let kept = limit(of: job).runs, count > kept { crowded.append(job) }
    }
    for (job, count) in try counts(Collections.decisions, [:]) where count > retention.ranges {
      crowdedRanges.append(job)
    }
  }

  private func counts(_ collection: String, _ filter: BSON) throws(StoreError) -> [(job: String, count: Int)] {
    var found: [(job: String, count: Int)] = []
    let group: BSON = ["$group": ["_id": "$job", "n": ["$sum": 1]]]
    let command: BSONDocument = [
      "aggregate": .text(collection), "pipeline": [["$match": filter], group], "cursor": [:],
    ]
    do throws(ServerError) {
      try server.withClient { (client) throws(ServerError) in
        try client.walk(command, of: collection) { document in
          if let job = document["_id"]?.text { found.append((job, document.count("n"))) }
          return true
        }
      }
    } catch { throw server.failure.error(error) }
    return found
  }

  /// - Returns: whether there are more.
  private func removeRuns(of job: String) throws(StoreError) -> Bool {
    guard let kept = limit(of: job).runs else { return false }
    let filter: BSONDocument = ["job": .text(job), "outcome": ["$gt": ""]]
    let command: BSONDocument = [
      "find": .text(Collections.runs), "filter": .document(filter), "sort": ["_id": -1],
      "skip": .int(Int64(max(0, kept))), "limit": .int(Int64(Self.runsPerSlice)), "projection": ["_id": 1],
    ]
    let batch = try server.ask(command)["cursor"]?.document?["firstBatch"]?.array ?? []
    let runs = batch.compactMap { $0.document?["_id"]?.int }
    try remove(runs)
    return runs.count == Self.runsPerSlice
  }

  private func removeRanges(of job: String) throws(StoreError) {
    let command: BSONDocument = [
      "find": .text(Collections.decisions), "filter": ["job": .text(job)], "sort": ["sequence": -1],
      "skip": .int(Int64(min(max(0, retention.ranges), 1 << 31))), "limit": 1,
    ]
    let batch = try server.ask(command)["cursor"]?.document?["firstBatch"]?.array ?? []
    guard let last = batch.first?.document?["sequence"]?.int else { return }
    let entry: BSON = ["q": ["job": .text(job), "sequence": ["$lte": .int(last)]], "limit": 0]
    try server.ask(["delete": .text(Collections.decisions), "deletes": [entry]])
  }

  private func removeAudit(before last: Int64) throws(StoreError) {
    guard retention.auditLines < 1 << 40 else { return }
    let entry: BSON = ["q": ["_id": ["$lte": .int(last - Int64(max(0, retention.auditLines)))]], "limit": 0]
    try server.ask(["delete": .text(Collections.audit), "deletes": [entry]])
  }

  /// Ids rise nearly as time does, so the oldest runs come first.
  ///
  /// - Returns: whether there may be more.
  private func removeOld(_ now: Instant) throws(StoreError) -> Bool {
    var find = Find(Collections.runs, ["outcome": ["$gt": ""]], sort: ["_id": 1], limit: Self.lookedAt)
    find.fields = ["job": 1, "finished_at": 1]
    var old: [Int64] = []
    var seen = 0
    try server.find(find) { document in
      seen += 1
      if let id = document["_id"]?.int, let job = document["job"]?.text, let age = limit(of: job).age,
        let finished = document.instant("finished_at"), finished.advanced(byNanoseconds: age) < now
      {
        old.append(id)
      }
      return true
    }
    try remove(old)
    return seen == Self.lookedAt && !old.isEmpty
  }

  private func remove(_ runs: [Int64]) throws(StoreError) {
    guard !runs.isEmpty else { return }
    LogWriter.remove(runs, on: server)
    LogWriter.removeSteps(of: runs, on: server)
    let entry: BSON = ["q": ["_id": ["$in": .array(runs.map { .int($0) })]], "limit": 0]
    try server.ask(["delete": .text(Collections.runs), "deletes": [entry]])
  }

  /// Removes long texts that no run names, and that were not written lately: a run that is being written names it soon.
  ///
  /// - Returns: where to go on; nil: that was the end.
  private func sweep(after cursor: BSON, _ writer: StoreWriter) throws(StoreError) -> BSON? {
    var find = Find(Collections.texts, ["_id": ["$gt": cursor]], sort: ["_id": 1], limit: 100)
    find.fields = ["_id": 1]
    let hashes = try server.all(find) { $0["_id"] ?? .null }
    guard let last = hashes.last else { return nil }
    var named: Set<[UInt8]> = []
    for collection in [Collections.runs, Collections.steps] {
      let used = try server.ask(
        ["distinct": .text(collection), "key": "texts", "query": ["texts": ["$in": .array(hashes)]]])
      named.formUnion((used["values"]?.array ?? []).compactMap(\.bytes))
    }
    let gone = hashes.filter { $0.bytes.map { !named.contains($0) } ?? true }
    if !gone.isEmpty {
      let hourAgo: BSON = ["$expr": ["$lt": ["$at", ["$subtract": ["$$NOW", .int(3_600_000)]]]]]
      let entry: BSON = ["q": ["$and": [["_id": ["$in": .array(gone)]], hourAgo]], "limit": 0]
      try server.ask(["delete": .text(Collections.texts), "deletes": [entry]])
      // By whatever clock: what may be gone is written again.
      writer.recent.forget(gone)
    }
    return hashes.count == 100 ? last : nil
  }
}
