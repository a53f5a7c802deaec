internal import GRDB
internal import JobModel

/// Where a run's row has its event, or its parameters: in itself while they are short, else in `payloads`.
struct StoredPayload {
  var text: String?
  var id: Int64?
}

/// Writes long events and parameters once, however many rows have them: an event of a megabyte that a thousand jobs
/// listen to is a megabyte.
///
/// They are found by their content. Rows name them by number; those that no row names any more are removed by
/// ``PayloadSweep``.
///
/// Owned by the writer.
struct PayloadWriter {
  /// Bytes that a row keeps in itself: below, a row of another table costs more than it spares.
  static let inlineBytes = 512
  /// How many of the open transaction are known without a search. Runs of one event follow each other.
  private static let remembered = 8

  private var recent: [(text: String, id: Int64)] = []
  /// What was added since the last sweep began.
  private var added = (count: 0, bytes: 0)
  private let find, insert: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    find = try PreparedStatement(
      "SELECT id FROM payloads WHERE hash = ?1 AND text = ?2", on: database, failure: failure)
    insert = try PreparedStatement(
      "INSERT INTO payloads(hash, text) VALUES(?1, ?2) RETURNING id", on: database, failure: failure)
  }

  /// What a row says for `payload`, which is in the file then.
  mutating func store(_ payload: JSONText?) throws(StoreError) -> StoredPayload {
    guard let text = payload?.text else { return StoredPayload() }
    guard text.utf8.count > Self.inlineBytes else { return StoredPayload(text: text) }
    // Copies of one string share their bytes, and are found equal without a look at them.
    if let known = recent.last(where: { $0.text == text }) { return StoredPayload(id: known.id) }
    let hash = Int64(bitPattern: JSONText(text).stableHash)
    find.bind(1, hash)
    find.bind(2, text)
    var id = try find.first { $0.integer(0) }
    if id == nil {
      insert.bind(1, hash)
      insert.bind(2, text)
      id = try insert.first { $0.integer(0) }
      added.count += 1
      added.bytes += text.utf8.count
    }
    if recent.count == Self.remembered { recent.removeFirst() }
    if let id { recent.append((text, id)) }
    return StoredPayload(id: id)
  }

  /// Whether a sweep is worth its while: as much was added as lay there, or many bytes. Rows that are written again
  /// with another event leave the former one behind.
  ///
  /// - Parameter kept: how many the last sweep has left.
  mutating func mustSweep(kept: Int) -> Bool {
    guard added.count >= max(1_000, kept / 2) || added.bytes >= 16 << 20 && added.count >= kept / 64 else {
      return false
    }
    added = (0, 0)
    return true
  }

  /// Another transaction may follow one in which they were removed.
  mutating func transactionEnded() {
    if !recent.isEmpty { recent.removeAll(keepingCapacity: true) }
  }
}

/// Reads long events and parameters; of one question, each once.
final class PayloadReader {
  private var known: [Int64: JSONText] = [:]
  private let find: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    find = try PreparedStatement("SELECT text FROM payloads WHERE id = ?1", on: database, failure: failure)
  }

  func text(of id: Int64) throws(StoreError) -> JSONText? {
    if let text = known[id] { return text }
    find.bind(1, id)
    let text = try find.first { JSONText($0.text(0)) }
    known[id] = text
    return text
  }
}

/// Removes payloads that no row names, a few at a time, by their numbers.
///
/// Owned by the pruner. A rollback only means that some are looked at again at the next sweep.
struct PayloadSweep {
  private static let perSlice = 64
  /// The last one that was looked at; nil: no sweep is under way. The first one begins with the writer: what was
  /// forgotten in a crash goes then.
  private var cursor: Int64? = .min
  private var left = 0
  /// How many the last sweep has left.
  private(set) var kept = 0
  private let next, delete: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    next = try PreparedStatement(
      "SELECT id FROM payloads WHERE id > ?1 ORDER BY id LIMIT \(Self.perSlice)", on: database, failure: failure)
    let named = ["open_runs", "runs"].flatMap { table in
      ["event_payload", "params_payload"].map { "NOT EXISTS (SELECT 1 FROM \(table) WHERE \($0) = ?1)" }
    }
    delete = try PreparedStatement(
      "DELETE FROM payloads WHERE id = ?1 AND \(named.joined(separator: " AND "))", on: database, failure: failure)
  }

  var isDue: Bool { cursor != nil }

  mutating func start() {
    guard cursor == nil else { return }
    cursor = .min
    left = 0
  }

  mutating func slice() throws(StoreError) {
    guard let position = cursor else { return }
    next.bind(1, position)
    let ids = try next.all { $0.integer(0) }
    for id in ids {
      delete.bind(1, id)
      try delete.run()
      if delete.changes == 0 { left += 1 }
    }
    cursor = ids.count == Self.perSlice ? ids.last : nil
    if cursor == nil { kept = left }
  }
}
