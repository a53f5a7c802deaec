internal import Chronology
package import JobModel
internal import StoreSupport

extension PostgresStore: TransferableStore {
  /// Each host, each run of a process alongside, each value that was set and each line of the audit change it; moving
  /// does not.
  package func fingerprint() throws(StoreError) -> String {
    let rows = try readers.ask(
      """
      SELECT concat_ws(' ', l.changes, l.highest_run, (SELECT last_value FROM kv_versions), \
      (SELECT coalesce(max(id), 0) FROM audit)) FROM leadership l
      """)
    return "\(location) \(rows.count == 1 ? rows.text(0, 0) : "")"
  }

  package func count(of section: StoreSection) throws(StoreError) -> Int {
    let counts = section.tables(dynamicSchedules: "dynamic_schedules").map { "(SELECT count(*) FROM \($0))" }
    return try readers.ask("SELECT " + counts.joined(separator: " + ")).count(0, 0)
  }

  package func counters() throws(StoreError) -> StoreCounters {
    let rows = Array(
      try readers.snapshot([
        PostgresStep("SELECT clock_epoch, highest_run FROM leadership"),
        PostgresStep("SELECT reason, paused_by, paused_at FROM host_pause"),
        PostgresStep("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM kv_versions"),
      ]))
    var counters = StoreCounters()
    counters.clockEpoch = ClockEpoch(rows[0].count == 1 ? rows[0].smallCount(0, 0) : 0)
    counters.highestRun = rows[0].count == 1 ? rows[0].integer(0, 1) : 0
    if rows[1].count == 1 {
      counters.pause = PauseNote(
        reason: rows[1].optionalText(0, 0), by: rows[1].text(0, 1), at: Instant(nanoseconds: rows[1].integer(0, 2)))
    }
    counters.keyValueVersion = rows[2].integer(0, 0)
    return counters
  }

  package func page(of section: StoreSection, after cursor: String?) throws(StoreError) -> StorePage {
    try PostgresPages(readers: readers).page(of: section, after: cursor)
  }

  package func transferMark() throws(StoreError) -> String? {
    let rows = try readers.ask("SELECT transfer FROM leadership")
    return rows.count == 1 ? rows.optionalText(0, 0) : nil
  }

  // MARK: Into it

  /// One transaction, as each of these, which proves that nobody else has taken the store.
  package func receive(_ rows: [StoreRow], mark: String) throws(StoreError) {
    try move(PostgresReceipt.steps(rows) + [PostgresReceipt.marking(mark)])
  }

  package func finishTransfer(_ counters: StoreCounters) throws(StoreError) {
    try move(PostgresReceipt.end(counters))
  }

  package func clear(mark: String) throws(StoreError) { try move(PostgresReceipt.clearing(mark)) }

  private func move(_ steps: [PostgresStep]) throws(StoreError) {
    guard mode == .transfer, let commits else { throw target.onlyRead }
    _ = try commits.write(steps)
  }
}
