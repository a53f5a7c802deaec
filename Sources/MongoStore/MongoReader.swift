internal import Chronology
internal import JobModel

/// Answers questions about a store, each on a connection of its own. In the host of a server without transactions a
/// question waits until what was committed before is in its documents (``JournalApplier``), and never for a commit that
/// is being made; in other processes it waits for nothing.
///
/// Threading: any thread; blocks on the network.
struct MongoReader: StoreReading {
  let server: MongoServer
  private var failure: MongoFailure { server.failure }

  /// What is there once; in a database that no host has used, what a new store has.
  func state() throws(StoreError) -> StoreState {
    guard let document = try server.first(Find(Collections.meta, ["_id": StoreState.id])) else { return StoreState() }
    return try StoreState(document, failure: failure)
  }

  // MARK: Schedules

  /// By job name; of one job its own first, then dynamic ones by id.
  func schedules() throws(StoreError) -> [ScheduleRecord] { try schedules(["gone": .null]) }

  func schedules(of jobs: [String]) throws(StoreError) -> [ScheduleRecord] {
    try schedules(["gone": .null, "job": ["$in": .array(jobs.map { .text($0) })]])
  }

  private func schedules(_ filter: BSONDocument) throws(StoreError) -> [ScheduleRecord] {
    var records = try server.all(Find(Collections.schedules, filter)) { document throws(StoreError) in
      try ScheduleDocuments.record(document, failure: failure)
    }
    try addResults(to: &records)
    return records.sorted { ($0.job, $0.id ?? "") < ($1.job, $1.id ?? "") }
  }

  /// What the runs that joins have seen returned, as far as history still has them.
  private func addResults(to records: inout [ScheduleRecord]) throws(StoreError) {
    let wanted = Set(records.flatMap { $0.arrivals.map(\.run) })
    guard !wanted.isEmpty else { return }
    let ids = BSON.array(wanted.map { .int($0.number) })
    var results: [RunID: JSONText] = [:]
    for run in try runs(Find(Collections.runs, ["_id": ["$in": ids], "gone": .null])) { results[run.id] = run.result }
    for place in records.indices {
      for arrival in records[place].arrivals.indices {
        records[place].arrivals[arrival].result = results[records[place].arrivals[arrival].run]
      }
    }
  }

  // MARK: Runs

  /// Runs that have not ended, oldest first.
  func openRuns() throws(StoreError) -> [RunRecord] {
    try runs(Find(Collections.runs, ["outcome": .null, "gone": .null], sort: ["_id": 1]))
  }

  /// Newest first.
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] {
    if query.limit <= 0 || query.outcomes?.isEmpty == true { return [] }
    var filter: BSONDocument = ["gone": .null]
    filter.add("job", query.job)
    var ids = BSONDocument()
    ids.add("$eq", query.id?.number)
    ids.add("$lt", query.before?.number)
    if !ids.isEmpty { filter.add("_id", .document(ids)) }
    var times = BSONDocument()
    times.add("$gte", query.from?.nanoseconds)
    times.add("$lt", query.to?.nanoseconds)
    if !times.isEmpty { filter.add("scheduled_at", .document(times)) }
    if let outcomes = query.outcomes {
      filter.add("outcome", ["$in": .array(outcomes.map { .text($0.rawValue) })])
    }
    return try runs(Find(Collections.runs, filter, sort: ["_id": -1], limit: min(query.limit, 1 << 30)))
  }

  func runs(_ find: Find) throws(StoreError) -> [RunRecord] {
    let documents = try server.all(find) { $0 }
    let texts = try TextReader(of: documents, on: server)
    var runs: [RunRecord] = []
    runs.reserveCapacity(documents.count)
    for document in documents { runs.append(try RunDocuments.record(document, texts: texts, failure: failure)) }
    return runs
  }

  // MARK: The rest

  /// Newest first.
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] {
    if query.limit <= 0 { return [] }
    var filter = BSONDocument()
    filter.add("job", query.job)
    if let at = query.at {
      filter.add(
        "first", query.before.map { ["$lt": .int($0.nanoseconds)] } ?? ["$lte": .int(at.nanoseconds)])
      filter.add("last", ["$gte": .int(at.nanoseconds)])
    }
    let find = Find(Collections.decisions, filter, sort: ["sequence": -1], limit: min(query.limit, 1 << 30))
    return try server.all(find) { document throws(StoreError) in
      try DecisionDocuments.range(document, failure: failure)
    }
  }

  /// Newest first.
  func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine] {
    if query.limit <= 0 { return [] }
    var filter = BSONDocument()
    filter.add("action", query.action)
    filter.add("subject", query.subject)
    filter.add("by", query.by)
    filter.add("_id", query.before.map { ["$lt": .int($0)] })
    var times = BSONDocument()
    times.add("$gte", query.from?.nanoseconds)
    times.add("$lt", query.to?.nanoseconds)
    if !times.isEmpty { filter.add("at", .document(times)) }
    return try server.all(Find(Collections.audit, filter, sort: ["_id": -1], limit: min(query.limit, 1 << 30))) {
      AuditDocuments.line($0)
    }
  }

  func files(of job: String) throws(StoreError) -> [FileMark] {
    // Paths are never empty, and no text is larger than a document.
    let keys: BSON = ["$gte": FileDocuments.key(job: job, path: ""), "$lt": ["job": .text(job), "path": [:]]]
    return try server.all(Find(Collections.files, ["_id": keys, "gone": .null])) { FileDocuments.mark($0) }
      .compactMap { $0 }
  }

  /// The last `limit` lines, oldest first.
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] {
    if limit <= 0 { return [] }
    let find = Find(
      Collections.log, ["_id": LogDocuments.keys(of: run.number, from: 1)], sort: ["_id": -1],
      limit: min(limit, 1 << 30))
    return try server.all(find) { LogDocuments.line($0) }.reversed()
  }

  func progress(of run: RunID) throws(StoreError) -> RunLogLine? {
    try server.first(Find(Collections.log, ["_id": LogDocuments.key(run: run.number, number: 0)]))
      .map { LogDocuments.line($0) }
  }

  /// The names of all jobs that it has anything of, sorted.
  func jobNames() throws(StoreError) -> [String] {
    var names: Set<String> = []
    for collection in [Collections.schedules, Collections.runs, Collections.decisions] {
      let command: BSONDocument = ["distinct": .text(collection), "key": "job"]
      do throws(ServerError) { try server.awaitChanges(of: collection) } catch { throw failure.error(error) }
      for value in try server.ask(command)["values"]?.array ?? [] { if let name = value.text { names.insert(name) } }
    }
    return names.sorted()
  }

  func count(_ collection: String, _ filter: BSONDocument = [:]) throws(StoreError) -> Int {
    do throws(ServerError) { try server.awaitChanges(of: collection) } catch { throw failure.error(error) }
    let group: BSON = ["$group": ["_id": .null, "n": ["$sum": 1]]]
    let command: BSONDocument = [
      "aggregate": .text(collection), "pipeline": [["$match": .document(filter)], group], "cursor": [:],
    ]
    let first = try server.ask(command)["cursor"]?.document?["firstBatch"]?.array?.first?.document
    return first?.count("n") ?? 0
  }
}
