internal import Chronology
internal import GRDB
internal import JobModel

extension SQLiteReader {
  /// Runs, newest first: open ones and finished ones, merged by id.
  ///
  /// A page of a job's history costs a scan of the unindexed tail (some ms at most) and then some µs per run. A question that only
  /// unsuccessful runs can answer goes by their own index. Everything else walks back from the newest run until it has enough.
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] {
    if query.limit <= 0 || query.outcomes?.isEmpty == true { return [] }
    let limit = query.limit
    return try read { database in
      var filter = Filter(query)
      if let job = query.job {
        guard let number = try self.job(named: job, on: database) else { return [] }
        filter.job = number
      }
      let open = try find(from: "open_runs r", filter, order: "r.id", limit: limit, on: database)
      let finished = try finishedRuns(filter, limit: limit, on: database)
      // A run is in one of the two tables; the merge is by id, and both are sorted.
      return Array((open + finished).sorted { $0.id > $1.id }.prefix(limit))
    }
  }

  private func finishedRuns(_ filter: Filter, limit: Int, on database: Database) throws(StoreError) -> [RunRecord] {
    if let outcomes = filter.query.outcomes, !outcomes.contains(.succeeded) {
      return try find(
        from: "runs r INDEXED BY runs_unsuccessful", filter, extra: "r.outcome > 0", order: "r.id", limit: limit, on: database)
    }
    guard let job = filter.job, filter.query.id == nil else {
      return try find(from: "runs r", filter, order: "r.id", limit: limit, on: database)
    }
    let filedTo = try integer("SELECT value FROM meta WHERE key = 'filed_to'", on: database) ?? 0
    let tail = try find(from: "runs r", filter, extra: "r.id > \(filedTo)", order: "r.id", limit: limit, on: database)
    guard tail.count < limit else { return tail }
    var indexed = filter
    indexed.job = nil
    // CROSS JOIN keeps SQLite from walking `runs` and asking `job_runs` about each.
    return tail + (try find(
      from: "job_runs k CROSS JOIN runs r ON r.id = k.run", indexed, extra: "k.job = \(job) AND k.run <= \(filedTo)",
      idColumn: "k.run", order: "k.run", limit: limit - tail.count, on: database))
  }

  /// The conditions of a query, with its job as a number.
  private struct Filter {
    let query: RunQuery
    var job: Int64?
    init(_ query: RunQuery) { self.query = query }
  }

  private func find(
    from tables: String, _ filter: Filter, extra: String? = nil, idColumn: String = "r.id", order: String, limit: Int,
    on database: Database
  ) throws(StoreError) -> [RunRecord] {
    var terms = extra.map { [$0] } ?? []
    var values: [Int64] = []
    func require(_ column: String, _ comparison: String, _ value: Int64?) {
      guard let value else { return }
      values.append(value)
      terms.append("\(column) \(comparison) ?\(values.count)")
    }
    let query = filter.query
    require(idColumn, "=", query.id?.number)
    require(idColumn, "<", query.before?.number)
    require("r.job", "=", filter.job)
    require("r.scheduled_at", ">=", query.from?.nanoseconds)
    require("r.scheduled_at", "<", query.to?.nanoseconds)
    if let outcomes = query.outcomes {
      terms.append("r.outcome IN (\(outcomes.map { String($0.code) }.sorted().joined(separator: ", ")))")
    }
    values.append(Int64(limit))
    let found = try statement(
      """
      SELECT \(RunRows.selection) FROM \(tables) WHERE \(terms.isEmpty ? "1" : terms.joined(separator: " AND ")) \
      ORDER BY \(order) DESC LIMIT ?\(values.count)
      """, on: database)
    for (index, value) in values.enumerated() { found.bind(Int32(index + 1), value) }
    return try found.all { row throws(StoreError) in try RunRows.record(from: row, failure: SQLiteFailure(path: pool.path)) }
  }
}
