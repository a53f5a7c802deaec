internal import Chronology
internal import GRDB
package import JobModel
internal import StoreSupport

extension SQLiteStore: TransferableStore {
  /// A host, a process alongside one and a value that was set each change it.
  package func fingerprint() throws(StoreError) -> String {
    try reader.read { database in
      func value(_ sql: String) throws -> String { String(try reader.integer(sql, on: database) ?? 0) }
      func meta(_ key: String) throws -> String { try value("SELECT value FROM meta WHERE key = '\(key)'") }
      let parts = [
        path, try meta(StoreFence.epochKey), try meta(StoreFence.markKey), try meta("kv_version"),
        String(try HighWaterMark.read(on: database, failure: failure)), try value("SELECT max(id) FROM audit"),
      ]
      return parts.joined(separator: " ")
    }
  }

  package func count(of section: StoreSection) throws(StoreError) -> Int {
    try reader.read { database in
      try section.tables(dynamicSchedules: "made_schedules").reduce(0) { sum, table in
        sum + Int(try reader.integer("SELECT count(*) FROM \(table)", on: database) ?? 0)
      }
    }
  }

  package func counters() throws(StoreError) -> StoreCounters {
    try reader.read { database in
      func meta(_ key: String) throws -> Int64 {
        try reader.integer("SELECT value FROM meta WHERE key = '\(key)'", on: database) ?? 0
      }
      var counters = StoreCounters()
      counters.clockEpoch = ClockEpoch(Int32(clamping: try meta("clock_epoch")))
      counters.pause = try AuditRows.pause(in: reader, on: database)
      counters.highestRun = try HighWaterMark.read(on: database, failure: failure)
      counters.keyValueVersion = try meta("kv_version")
      return counters
    }
  }

  package func page(of section: StoreSection, after cursor: String?) throws(StoreError) -> StorePage {
    try reader.read { database in
      let rows = TransferRows(reader: reader, failure: failure, database: database)
      switch section {
      case .schedules: return try rows.schedules(after: cursor)
      case .runs: return try rows.runs(after: cursor)
      case .steps: return try rows.steps(after: cursor)
      case .intents: return try rows.intents(after: cursor)
      case .log: return try rows.log(after: cursor)
      case .decisions: return try rows.decisions(after: cursor)
      case .keyValues: return try rows.keyValues(after: cursor)
      case .files: return try rows.files(after: cursor)
      case .audit: return try rows.audit(after: cursor)
      }
    }
  }

  package func transferMark() throws(StoreError) -> String? {
    try reader.read { try TransferRows.mark(on: $0) }
  }
}

/// Reads the rows of a section a page at a time, in the order of their keys.
///
/// A cursor is the key of the last row: one number, one text, or a number, a space and a text.
struct TransferRows {
  let reader: SQLiteReader
  let failure: SQLiteFailure
  let database: Database

  /// The row of `meta` with the mark of a transfer into this store.
  static let markKey = "transfer"

  static func mark(on database: Database) throws -> String? {
    try String.fetchOne(database, sql: "SELECT value FROM meta WHERE key = '\(markKey)'")
  }

  private func statement(_ sql: String) throws(StoreError) -> PreparedStatement {
    try reader.statement(sql, on: database)
  }

  /// Fills a page from a statement; `row` answers a row and its cursor.
  private func fill(
    _ page: inout StorePage, from statement: PreparedStatement,
    _ row: (PreparedStatement) throws(StoreError) -> (StoreRow, cursor: String)
  ) throws(StoreError) {
    var last: String?
    try statement.forEachRow { current throws(StoreError) in
      let (row, cursor) = try row(current)
      guard page.add(row) else {
        page.next = last
        return false
      }
      last = cursor
      return true
    }
  }

  /// A job's own first, by name, then dynamic ones, by id: `j` or `d` before the text. Neither is ever empty.
  func schedules(after cursor: String?) throws(StoreError) -> StorePage {
    var page = StorePage()
    let isDynamic = cursor?.hasPrefix("d") == true
    let found = try statement(isDynamic ? ScheduleRows.madeByID : ScheduleRows.declaredByName)
    found.bind(1, String((cursor ?? "").dropFirst()))
    if isDynamic {
      try fill(&page, from: found) { row throws(StoreError) in
        let record = try ScheduleRows.made(from: row, failure: failure)
        return (.schedule(record), "d" + (record.id ?? ""))
      }
    } else {
      try fill(&page, from: found) { (.schedule(ScheduleRows.declared(from: $0)), "j" + $0.text(0)) }
      if page.next == nil { page.next = "d" }
    }
    return page
  }

  /// Of both tables, by id.
  func runs(after cursor: String?) throws(StoreError) -> StorePage {
    let after = cursor.flatMap { Int64($0) } ?? .min
    let payloads = try PayloadReader(on: database, failure: failure)
    var found: [RunRecord] = []
    for table in ["open_runs", "runs"] {
      let rows = try statement(
        "SELECT \(RunRows.selection) FROM \(table) r WHERE r.id > ?1 ORDER BY r.id LIMIT \(StorePage.mostRows + 1)")
      rows.bind(1, after)
      var bytes = 0
      try rows.forEachRow { row throws(StoreError) in
        let run = try RunRows.record(from: row, payloads: payloads, failure: failure)
        found.append(run)
        bytes += StoreRow.run(run).bytes
        return bytes <= StorePage.mostBytes
      }
    }
    var page = StorePage()
    var last: RunID?
    for run in found.sorted(by: { $0.id < $1.id }) {
      guard page.add(.run(run)) else {
        page.next = last.map { String($0.number) }
        break
      }
      last = run.id
    }
    // A table whose rows were cut off by their bytes may have more than fitted.
    if page.next == nil, found.reduce(0, { $0 + StoreRow.run($1).bytes }) > StorePage.mostBytes {
      page.next = last.map { String($0.number) }
    }
    return page
  }

  func steps(after cursor: String?) throws(StoreError) -> StorePage {
    let steps = try statement(
      "SELECT \(StepRows.columns) FROM steps WHERE (run, position) > (?1, ?2) ORDER BY run, position")
    let after = pair(cursor)
    steps.bind(1, after?.number ?? .min)
    steps.bind(2, after.flatMap { Int64($0.text) } ?? .min)
    let payloads = try PayloadReader(on: database, failure: failure)
    var page = StorePage()
    try fill(&page, from: steps) { row throws(StoreError) in
      (.step(try StepRows.step(from: row, payloads: payloads, failure: failure)), "\(row.integer(0)) \(row.integer(1))")
    }
    return page
  }

  func intents(after cursor: String?) throws(StoreError) -> StorePage {
    let intents = try statement("SELECT \(StepRows.intentColumns) FROM intents WHERE id > ?1 ORDER BY id")
    intents.bind(1, cursor.flatMap { Int64($0) } ?? .min)
    var page = StorePage()
    try fill(&page, from: intents) { row in (.intent(StepRows.intent(from: row)), String(row.integer(0))) }
    return page
  }

  func log(after cursor: String?) throws(StoreError) -> StorePage {
    let lines = try statement(
      """
      SELECT l.run, l.line, l.at, l.level, l.message, l.fields, \
      (SELECT name FROM jobs WHERE id = (SELECT job FROM log_sizes WHERE run = l.run)) \
      FROM run_log l WHERE (l.run, l.line) > (?1, ?2) ORDER BY l.run, l.line
      """)
    let after = pair(cursor)
    lines.bind(1, after?.number ?? .min)
    lines.bind(2, after.flatMap { Int64($0.text) } ?? .min)
    var page = StorePage()
    try fill(&page, from: lines) { row in
      let line = RunLogLine(
        run: RunID(row.integer(0)), job: row.text(6), at: Instant(nanoseconds: row.integer(2)), level: row.text(3),
        message: row.text(4), fields: row.optionalText(5).map { JSONText($0) })
      return (.logLine(line, number: row.integer(1)), "\(row.integer(0)) \(row.integer(1))")
    }
    return page
  }

  func decisions(after cursor: String?) throws(StoreError) -> StorePage {
    let ranges = try statement(
      """
      SELECT \(DecisionRows.selection), d.sequence, d.job FROM decisions d WHERE (d.job, d.sequence) > (?1, ?2) \
      ORDER BY d.job, d.sequence
      """)
    let after = pair(cursor)
    ranges.bind(1, after?.number ?? .min)
    ranges.bind(2, after.flatMap { Int64($0.text) } ?? .min)
    var page = StorePage()
    try fill(&page, from: ranges) { row throws(StoreError) in
      let sequence = row.integer(DecisionRows.width)
      return (
        .decision(try DecisionRows.range(from: row, failure: failure), sequence: sequence),
        "\(row.integer(DecisionRows.width + 1)) \(sequence)"
      )
    }
    return page
  }

  /// The number of the cursor says how many bytes of its text are the space.
  func keyValues(after cursor: String?) throws(StoreError) -> StorePage {
    let after = pair(cursor)
    let values = try statement(
      """
      SELECT space, key, value, version, expires_at FROM kv \(after == nil ? "" : "WHERE (space, key) > (?1, ?2)") \
      ORDER BY space, key
      """)
    if let after {
      values.bind(1, String(decoding: after.text.utf8.prefix(Int(after.number)), as: UTF8.self))
      values.bind(2, String(decoding: after.text.utf8.dropFirst(Int(after.number)), as: UTF8.self))
    }
    var page = StorePage()
    try fill(&page, from: values) { row in
      let (space, key) = (row.text(0), row.text(1))
      let value = KeyValue(value: JSONText(row.text(2)), version: row.integer(3), expiresAt: row.instant(4))
      return (.keyValue(value, key: key, space: space), "\(space.utf8.count) \(space)\(key)")
    }
    return page
  }

  func files(after cursor: String?) throws(StoreError) -> StorePage {
    let marks = try statement(
      """
      SELECT \(FileMarkRows.columns), job, (SELECT name FROM jobs WHERE id = job) \
      FROM watched_files WHERE (job, path) > (?1, ?2) ORDER BY job, path
      """)
    let after = pair(cursor)
    marks.bind(1, after?.number ?? .min)
    marks.bind(2, after?.text ?? "")
    var page = StorePage()
    try fill(&page, from: marks) { row in
      (.file(FileMarkRows.mark(of: row.text(9), from: row)), "\(row.integer(8)) \(row.text(0))")
    }
    return page
  }

  func audit(after cursor: String?) throws(StoreError) -> StorePage {
    let lines = try statement("SELECT \(AuditRows.columns) FROM audit WHERE id > ?1 ORDER BY id")
    lines.bind(1, cursor.flatMap { Int64($0) } ?? .min)
    var page = StorePage()
    try fill(&page, from: lines) { row in (.audit(AuditRows.line(from: row)), String(row.integer(0))) }
    return page
  }

  /// By bytes: a key that begins with an accent makes one letter with the space before it.
  private func pair(_ cursor: String?) -> (number: Int64, text: String)? {
    guard let bytes = cursor?.utf8, let space = bytes.firstIndex(of: UInt8(ascii: " ")),
      let number = Int64(Substring(bytes[..<space]))
    else { return nil }
    return (number, String(Substring(bytes[bytes.index(after: space)...])))
  }
}
