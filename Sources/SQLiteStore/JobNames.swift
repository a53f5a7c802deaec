internal import GRDB
internal import JobModel

/// The numbers under which a store file knows its jobs. Owned by the writer; a name is looked up in the file once.
struct JobNames {
  private var numbers: [String: Int64] = [:]
  /// Names that came with the open transaction, and go if it is rolled back.
  private var uncommitted: [String] = []
  private let find: PreparedStatement
  private let insert: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    find = try PreparedStatement("SELECT id FROM jobs WHERE name = ?1", on: database, failure: failure)
    // Another process may add the same name (a run alongside the host), so a conflict is not an error.
    insert = try PreparedStatement(
      "INSERT INTO jobs(name) VALUES(?1) ON CONFLICT(name) DO NOTHING", on: database, failure: failure)
  }

  /// How many jobs the writer has met since it was opened.
  var count: Int { numbers.count }

  /// The number of `name`, which gets one now if it has none. ~30 ns when known.
  mutating func number(of name: String) throws(StoreError) -> Int64 {
    if let number = numbers[name] { return number }
    var found = try existingNumber(of: name)
    if found == nil {
      insert.bind(1, name)
      try insert.run()
      found = try existingNumber(of: name)
    }
    guard let found else { preconditionFailure("a job name that was just inserted is there") }
    numbers[name] = found
    uncommitted.append(name)
    return found
  }

  /// The number of `name` if the file has one.
  func existingNumber(of name: String) throws(StoreError) -> Int64? {
    if let number = numbers[name] { return number }
    find.bind(1, name)
    return try find.first { $0.integer(0) }
  }

  /// The number of `name` if it is known here; it is not from now on, until it is asked for.
  mutating func forget(_ name: String) -> Int64? { numbers.removeValue(forKey: name) }

  mutating func transactionCommitted() { uncommitted.removeAll(keepingCapacity: true) }

  mutating func transactionRolledBack() {
    for name in uncommitted { numbers[name] = nil }
    uncommitted.removeAll(keepingCapacity: true)
  }
}
