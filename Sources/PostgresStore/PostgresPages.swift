internal import Chronology
internal import JobModel

/// Reads all rows of a section in pages, in the order of a key. A page without rows is the last one.
struct PostgresPages {
  let readers: PostgresReaders
  private var target: PostgresTarget { readers.target }

  func page(of section: StoreSection, after cursor: String?) throws(StoreError) -> StorePage {
    let (target, number) = (target, cursor.flatMap { Int64($0) } ?? .min)
    switch section {
    case .schedules: return try schedules(after: cursor)
    case .runs: return try runs(after: number)
    case .steps:
      let rows = try pairs(
        "SELECT \(PostgresSteps.columns), octet_length(coalesce(result, '')) AS weight FROM steps", "run, position",
        cursor)
      let steps = try PostgresSteps.steps(rows, target)
      return page(rows) { (.step(steps[$0]), "\(steps[$0].run.number) \(steps[$0].position)") }
    case .intents:
      let rows = try ask(
        "SELECT \(PostgresSteps.intentColumns), octet_length(operations) AS weight FROM intents WHERE id > $1", "id"
      ) { $0.add(number) }
      let intents = PostgresSteps.intents(rows)
      return page(rows) { (.intent(intents[$0]), "\(intents[$0].id)") }
    case .log: return try log(after: cursor)
    case .decisions:
      let rows = try ask(
        "SELECT \(PostgresDecisions.columns), coalesce(sequence, id), id, 0 AS weight FROM decisions WHERE id > $1",
        "id"
      ) { $0.add(number) }
      let ranges = try PostgresDecisions.ranges(rows, target)
      return page(rows) { (.decision(ranges[$0], sequence: rows.integer($0, 11)), "\(rows.integer($0, 12))") }
    case .keyValues: return try keyValues(after: cursor)
    case .files: return try files(after: cursor)
    case .audit:
      let rows = try ask(
        "SELECT \(PostgresAudit.columns), octet_length(coalesce(details, '')) AS weight FROM audit WHERE id > $1", "id"
      ) { $0.add(number) }
      let lines = PostgresAudit.lines(rows)
      return page(rows) { (.audit(lines[$0]), "\(lines[$0].id)") }
    }
  }

  /// Rows with a column `weight`, as many as a page may have, and no more bytes than that either.
  private func ask(
    _ sql: String, _ order: String, _ fill: (inout PostgresParameters) -> Void
  ) throws(StoreError) -> PostgresRows {
    try readers.ask(
      """
      SELECT * FROM (SELECT *, sum(weight) OVER (ORDER BY \(order)) - weight AS before \
      FROM (\(sql) ORDER BY \(order) LIMIT \(StorePage.mostRows)) p) q WHERE before <= \(StorePage.mostBytes) \
      ORDER BY \(order)
      """, fill)
  }

  /// By a key of two numbers.
  private func pairs(_ sql: String, _ order: String, _ cursor: String?) throws(StoreError) -> PostgresRows {
    let numbers = (cursor ?? "").split(separator: " ").compactMap { Int64($0) }
    return try ask("\(sql) WHERE (\(order)) > ($1, $2)", order) {
      $0.add(numbers.count == 2 ? numbers[0] : .min)
      $0.add(numbers.count == 2 ? numbers[1] : .min)
    }
  }

  private func page(_ rows: PostgresRows, _ row: (Int) -> (StoreRow, String)) -> StorePage {
    var page = StorePage()
    for index in 0..<rows.count {
      let (next, cursor) = row(index)
      guard page.add(next) else { break }
      page.next = cursor
    }
    return page
  }

  /// Jobs' own first, by name, then dynamic ones, by id: `j` or `d` before the text.
  private func schedules(after cursor: String?) throws(StoreError) -> StorePage {
    let text = cursor.map { String($0.dropFirst()) }
    if cursor?.utf8.first != UInt8(ascii: "d") {
      let rows = try readers.ask(
        PostgresSchedules.selectDeclared(where: "$1::text IS NULL OR job > $1") + " LIMIT \(StorePage.mostRows)"
      ) { $0.add(text) }
      let records = PostgresSchedules.declared(rows)
      if !records.isEmpty { return page(rows) { (.schedule(records[$0]), "j" + records[$0].job) } }
    }
    let last = cursor?.utf8.first == UInt8(ascii: "d") ? text : nil
    let rows = try readers.ask(
      PostgresSchedules.selectDynamic(where: "$1::text IS NULL OR id > $1", order: "id")
        + " LIMIT \(StorePage.mostRows)"
    ) { $0.add(last) }
    let records = try PostgresSchedules.dynamic(rows, target)
    return page(rows) { (.schedule(records[$0]), "d" + (records[$0].id ?? "")) }
  }

  /// Of both tables, by id.
  private func runs(after number: Int64) throws(StoreError) -> StorePage {
    let texts = ["error", "traceback", "error_data", "result", "params", "event"]
    let size = texts.map { "coalesce(octet_length(\($0)), 0)" }.joined(separator: " + ")
    func select(_ table: String) -> String {
      """
      (SELECT \(PostgresRuns.names), \(size) AS weight FROM \(table) WHERE id > $1 ORDER BY id \
      LIMIT \(StorePage.mostRows))
      """
    }
    let rows = try ask("SELECT * FROM (\(select("open_runs")) UNION ALL \(select("runs"))) u", "id") { $0.add(number) }
    let runs = try PostgresRuns.records(rows, target)
    return page(rows) { (.run(runs[$0]), "\(runs[$0].id.number)") }
  }

  private func log(after cursor: String?) throws(StoreError) -> StorePage {
    let rows = try pairs(
      """
      SELECT run, line, at, level, message, fields, (SELECT job FROM log_sizes s WHERE s.run = l.run) AS job, \
      octet_length(message) + coalesce(octet_length(fields), 0) AS weight FROM run_log l
      """, "run, line", cursor)
    return page(rows) { row in
      let line = RunLogLine(
        run: RunID(rows.integer(row, 0)), job: rows.text(row, 6), at: Instant(nanoseconds: rows.integer(row, 2)),
        level: rows.text(row, 3), message: rows.text(row, 4),
        fields: rows.optionalText(row, 5).map { JSONText($0) })
      let number = rows.integer(row, 1)
      return (.logLine(line, number: number), "\(line.run.number) \(number)")
    }
  }

  /// The cursor is the number of the space and the key's bytes in hexadecimal digits.
  private func keyValues(after cursor: String?) throws(StoreError) -> StorePage {
    let parts = (cursor ?? "").split(separator: " ", omittingEmptySubsequences: false)
    let rows = try ask(
      """
      SELECT space, key, value, version, expires_at, (SELECT name FROM kv_spaces s WHERE s.id = space) AS name, \
      encode(key, 'hex') AS digits, octet_length(key) + octet_length(value) AS weight FROM kv \
      WHERE (space, key) > ($1, decode($2, 'hex'))
      """, "space, key"
    ) {
      $0.add(parts.first.flatMap { Int64($0) } ?? .min)
      $0.add(parts.count == 2 ? String(parts[1]) : "")
    }
    return page(rows) { row in
      let value = KeyValue(
        value: JSONText(rows.text(row, 2)), version: rows.integer(row, 3), expiresAt: rows.instant(row, 4))
      return (
        .keyValue(value, key: rows.key(row, 1), space: rows.text(row, 5)),
        "\(rows.integer(row, 0)) \(rows.text(row, 6))"
      )
    }
  }

  /// The cursor is the hash of the path in hexadecimal digits and the job.
  private func files(after cursor: String?) throws(StoreError) -> StorePage {
    let digits = cursor.map { String(Substring($0.utf8.prefix { $0 != UInt8(ascii: " ") })) }
    let job = cursor.map { String(Substring($0.utf8.drop { $0 != UInt8(ascii: " ") }.dropFirst())) }
    let rows = try ask(
      """
      SELECT \(PostgresFiles.columns), job, encode(path_key, 'hex') AS digits, octet_length(path) AS weight, path_key \
      FROM watched_files WHERE $1::text IS NULL OR (job, path_key) > ($1, decode($2, 'hex'))
      """, "job, path_key"
    ) {
      $0.add(job)
      $0.add(digits ?? "")
    }
    var marks: [FileMark] = []
    for row in 0..<rows.count { marks.append(try PostgresFiles.mark(of: rows.text(row, 8), rows, row, target)) }
    return page(rows) { (.file(marks[$0]), "\(rows.text($0, 9)) \(marks[$0].job)") }
  }
}
