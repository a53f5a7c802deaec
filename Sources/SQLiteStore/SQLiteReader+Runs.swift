internal import Chronology
internal import GRDB
internal import JobModel

extension SQLiteReader {
  /// Runs, newest first: open ones and finished ones, merged by id.
  ///
  /// A page of a job's history costs a scan of the unindexed tail (some ms at most) and then some µs per run. A
  /// question that only unsuccessful runs can answer goes by their own indexes, one about a span of time by the blocks
  /// of ids that it may lie in (``RunSpans``). Everything else walks back from the newest run until it has enough.
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] {
    if query.limit <= 0 || query.outcomes?.isEmpty == true { return [] }
    return try read { database in
      var search = RunSearch(query)
      if let job = query.job {
        guard let number = try self.job(named: job, on: database) else { return [] }
        search.job = number
      }
      let open = try find(search, in: "open_runs r", on: database)
      let finished = try finishedRuns(search, on: database)
      // A run is in one of the two tables; the merge is by id, and both are sorted.
      return newest(query.limit, of: open + finished)
    }
  }

  /// The latest run of each job that has ended. The tail of `runs` is looked through once, for all of them; a job that
  /// has none there costs one step down its index, about 10 µs.
  func lastRuns(of jobs: [String]) throws(StoreError) -> [String: RunRecord] {
    try read { database in
      let filedTo = min(try integer("SELECT value FROM meta WHERE key = 'filed_to'", on: database) ?? 0, .max - 1)
      let fresh = try freshRuns(of: jobs, after: filedTo, on: database)
      let byID = try statement("SELECT \(RunRows.brief) FROM runs r WHERE r.id = ?1", on: database)
      let filed = try statement(
        """
        SELECT \(RunRows.brief) FROM job_runs k CROSS JOIN runs r ON r.id = k.run WHERE k.job = ?1 AND k.run <= ?2 \
        ORDER BY k.run DESC LIMIT 1
        """, on: database)
      let failure = SQLiteFailure(path: pool.path)
      let payloads = try PayloadReader(on: database, failure: failure)
      var found: [String: RunRecord] = [:]
      for job in jobs {
        guard let number = try self.job(named: job, on: database) else { continue }
        let search = fresh[number] == nil ? filed : byID
        search.bind(1, fresh[number] ?? number)
        if fresh[number] == nil { filed.bind(2, filedTo) }
        let runs = try search.all { row throws(StoreError) in
          try RunRows.record(from: row, payloads: payloads, failure: failure)
        }
        found[job] = runs.first
      }
      return found
    }
  }

  /// The newest run above `filedTo` of each job that has one there; of others than these too, where many are asked for.
  private func freshRuns(
    of jobs: [String], after filedTo: Int64, on database: Database
  ) throws(StoreError) -> [Int64: Int64] {
    var fresh: [Int64: Int64] = [:]
    guard jobs.count > 2 else {
      let one = try statement("SELECT max(id) FROM runs WHERE id > ?1 AND job = ?2", on: database)
      for job in jobs {
        guard let number = try self.job(named: job, on: database) else { continue }
        one.bind(1, filedTo)
        one.bind(2, number)
        if let run = try one.first({ $0.optionalInteger(0) }) ?? nil { fresh[number] = run }
      }
      return fresh
    }
    // The newest of each job is the last that comes by.
    let tail = try statement("SELECT job, id FROM runs WHERE id > ?1 ORDER BY id", on: database)
    tail.bind(1, filedTo)
    for row in try tail.all({ (job: $0.integer(0), run: $0.integer(1)) }) { fresh[row.job] = row.run }
    return fresh
  }

  private func newest(_ limit: Int, of runs: [RunRecord]) -> [RunRecord] {
    Array(runs.sorted { $0.id > $1.id }.prefix(limit))
  }

  private func finishedRuns(_ search: RunSearch, on database: Database) throws(StoreError) -> [RunRecord] {
    var search = search
    guard search.query.id == nil else { return try find(search, in: "runs r", on: database) }
    // Below the last number there is, so that there is always a tail.
    let filedTo = min(try integer("SELECT value FROM meta WHERE key = 'filed_to'", on: database) ?? 0, .max - 1)
    let tail = filedTo + 1...Int64.max
    let filed: [ClosedRange<Int64>]
    if search.query.from == nil && search.query.to == nil {
      filed = [Int64.min...filedTo]
    } else {
      filed = try RunSpans.ranges(
        from: search.query.from?.nanoseconds, to: search.query.to?.nanoseconds, through: filedTo
      ) { sql throws(StoreError) in try statement(sql, on: database) }
    }

    if let outcomes = search.query.outcomes, !outcomes.contains(.succeeded) {
      // One search for each: in an index by outcome and id the newest of one outcome are neighbours, those of several
      // are not.
      search.ids = [tail] + filed
      let index = search.job == nil ? "runs_unsuccessful" : "runs_unsuccessful_of_job"
      var found: [RunRecord] = []
      for outcome in outcomes {
        found += try find(
          search, in: "runs r INDEXED BY \(index)", extra: "r.outcome = \(outcome.code) AND r.outcome > 0", on: database
        )
      }
      return newest(search.query.limit, of: found)
    }
    guard let job = search.job else {
      search.ids = [tail] + filed
      return try find(search, in: "runs r", on: database)
    }
    search.ids = [tail]
    let fresh = try find(search, in: "runs r", on: database)
    guard fresh.count < search.query.limit else { return fresh }
    search.ids = filed
    search.job = nil
    search.limit -= fresh.count
    // CROSS JOIN keeps SQLite from walking `runs` and asking `job_runs` about each.
    return fresh
      + (try find(
        search, in: "job_runs k CROSS JOIN runs r ON r.id = k.run", extra: "k.job = \(job)", id: "k.run", on: database))
  }

  /// What is looked for: a query, with its job as a number and the ids that may answer it.
  private struct RunSearch {
    let query: RunQuery
    var job: Int64?
    /// Newest first; they do not overlap.
    var ids: [ClosedRange<Int64>] = [Int64.min...Int64.max]
    var limit: Int
    init(_ query: RunQuery) {
      self.query = query
      limit = query.limit
    }
  }

  /// The newest runs of some tables that fit. One statement, asked for each range of ids until there are enough.
  private func find(
    _ search: RunSearch, in tables: String, extra: String? = nil, id: String = "r.id", on database: Database
  ) throws(StoreError) -> [RunRecord] {
    let query = search.query
    var terms = ["\(id) BETWEEN ?1 AND ?2"] + (extra.map { [$0] } ?? [])
    var values: [Int64] = []
    func require(_ column: String, _ comparison: String, _ value: Int64?) {
      guard let value else { return }
      values.append(value)
      terms.append("\(column) \(comparison) ?\(values.count + 3)")
    }
    require(id, "=", query.id?.number)
    require("r.job", "=", search.job)
    require("r.scheduled_at", ">=", query.from?.nanoseconds)
    require("r.scheduled_at", "<", query.to?.nanoseconds)
    if let outcomes = query.outcomes {
      terms.append("r.outcome IN (\(outcomes.map { String($0.code) }.sorted().joined(separator: ", ")))")
    }
    let columns = query.isBrief ? RunRows.brief : RunRows.selection
    let statement = try statement(
      "SELECT \(columns) FROM \(tables) WHERE \(terms.joined(separator: " AND ")) ORDER BY \(id) DESC LIMIT ?3",
      on: database)
    for (index, value) in values.enumerated() { statement.bind(Int32(index + 4), value) }
    let last = query.before.map { $0.number == .min ? .min : $0.number - 1 } ?? .max
    let failure = SQLiteFailure(path: pool.path)
    let payloads = try PayloadReader(on: database, failure: failure)
    var found: [RunRecord] = []
    for range in search.ids where range.lowerBound <= last && found.count < search.limit {
      statement.bind(1, range.lowerBound)
      statement.bind(2, min(range.upperBound, last))
      statement.bind(3, search.limit - found.count)
      found += try statement.all { row throws(StoreError) in
        try RunRows.record(from: row, payloads: payloads, failure: failure)
      }
    }
    return found
  }
}
