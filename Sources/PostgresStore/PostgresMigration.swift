internal import Chronology
internal import JobModel

/// Brings the tables to this version, or says why they cannot be used.
enum PostgresMigration {
  /// - Parameter mayChange: makes or upgrades them; otherwise they must be of this version.
  static func prepare(
    _ connection: PostgresConnection, _ target: PostgresTarget, mayChange: Bool
  ) throws(StoreError) {
    if try version(connection) == PostgresSchema.currentVersion { return }
    if mayChange { try migrate(connection, target) }
    switch try version(connection) {
    case nil: throw target.empty
    case PostgresSchema.currentVersion?: return
    case let version?: throw version > PostgresSchema.currentVersion ? target.newer : target.older
    }
  }

  /// nil: there is nothing of moondial's.
  static func version(_ connection: PostgresConnection) throws(StoreError) -> Int? {
    let found = try connection.ask("SELECT to_regclass('\(PostgresSchema.name).versions') IS NOT NULL")
    guard found.integer(0, 0) != 0 else { return nil }
    let rows = try connection.ask("SELECT coalesce(max(version), 0)::bigint FROM versions")
    return rows.count(0, 0)
  }

  /// Each migration is a transaction with its row in `versions`: a crash leaves the version before.
  private static func migrate(_ connection: PostgresConnection, _ target: PostgresTarget) throws(StoreError) {
    let lock = "SELECT pg_advisory_lock(hashtext('\(PostgresSchema.name)'))"
    _ = try connection.ask(lock)
    defer {
      // A session that is gone has given its locks back.
      do throws(StoreError) {
        _ = try connection.ask("SELECT pg_advisory_unlock(hashtext('\(PostgresSchema.name)'))")
      } catch {}
    }
    let before = try version(connection) ?? 0
    for (index, script) in PostgresSchema.migrations.enumerated().dropFirst(before) {
      var statements = ["BEGIN"]
      if index == 0 {
        statements += [
          "CREATE SCHEMA IF NOT EXISTS \(PostgresSchema.name)",
          "CREATE TABLE versions(version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
        ]
      }
      statements += PostgresSchema.statements(of: script)
      statements += ["INSERT INTO versions(version) VALUES(\(index + 1))", "COMMIT"]
      _ = try connection.run(statements.map { PostgresStep($0) })
    }
  }

  /// What an operator should know: whether this machine's clock and the server's differ.
  static func notes(_ connection: PostgresConnection, _ target: PostgresTarget) throws(StoreError) -> [String] {
    let before = SystemWallClock().now
    let rows = try connection.ask("SELECT (extract(epoch FROM clock_timestamp()) * 1e9)::bigint")
    let after = SystemWallClock().now
    guard rows.count == 1 else { return [] }
    let server = rows.integer(0, 0)
    // Nanoseconds that this clock is ahead of the server's at least.
    let ahead = before.nanoseconds - server
    let behind = server - after.nanoseconds
    let difference = max(ahead, behind)
    guard difference > 1_000_000_000 else { return [] }
    return [
      "\(target.location): this machine's clock is \(difference / 1_000_000_000) s "
        + "\(ahead > 0 ? "ahead of" : "behind") the server's: fire times are by this machine's clock, and leases by "
        + "the server's; set both by NTP"
    ]
  }
}

extension PostgresSchema {
  /// The statements of a migration: prepared statements are one each. A function's body is between `$$`, and is one.
  static func statements(of script: String) -> [String] {
    var statements: [String] = []
    var current = ""
    var isInBody = false
    for line in script.split(separator: "\n") where !line.drop(while: { $0 == " " }).hasPrefix("-- ") {
      current += line + "\n"
      if line.contains("$$") { isInBody = !isInBody }
      if !isInBody, line.hasSuffix(";") {
        statements.append(String(current.dropLast(2)))
        current = ""
      }
    }
    return statements
  }
}
