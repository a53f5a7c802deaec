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
  /// Texts that are known without a search, and their bytes. Runs of one event follow each other.
  private static let remembered = (count: 64, bytes: 8 << 20)

  private var recent = RecentPayloads(limit: remembered)
  /// What unfinished runs have, so that nothing looks at a text again when they end.
  private var open: [RunID: (event: Int64?, params: Int64?)] = [:]
  /// Runs that the open transaction began and ended.
  private var opened: [RunID] = []
  private var closed: [RunID] = []
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
    if let id = recent.id(of: text) { return StoredPayload(id: id) }
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
    if let id { recent.add(text, id) }
    return StoredPayload(id: id)
  }

  /// What the row of an unfinished run says.
  mutating func open(_ run: borrowing RunRecord) throws(StoreError) -> (params: StoredPayload, event: StoredPayload) {
    let stored = (params: try store(run.params), event: try store(run.event))
    if stored.params.id != nil || stored.event.id != nil {
      open[run.id] = (stored.event.id, stored.params.id)
      opened.append(run.id)
    }
    return stored
  }

  /// What the row of a run that is over says. That run's other row is removed in the same transaction, so what it named
  /// is still there.
  mutating func finish(_ run: borrowing RunRecord) throws(StoreError) -> (params: StoredPayload, event: StoredPayload) {
    let known = open[run.id]
    close(run.id)
    func stored(_ payload: JSONText?, _ id: Int64?) throws(StoreError) -> StoredPayload {
      if payload != nil, let id { StoredPayload(id: id) } else { try store(payload) }
    }
    return (try stored(run.params, known?.params), try stored(run.event, known?.event))
  }

  /// The run has no row of an unfinished one any more.
  mutating func close(_ run: RunID) { if open[run] != nil { closed.append(run) } }

  /// Whether a sweep is worth its while: half as much was added as lay there, or many bytes. Rows that are written
  /// again with another event leave the former one behind.
  ///
  /// - Parameter kept: how many the last sweep has left.
  mutating func mustSweep(kept: Int) -> Bool {
    guard added.count >= max(1_000, kept / 2) || added.bytes >= 16 << 20 && added.count >= kept / 64 else {
      return false
    }
    added = (0, 0)
    return true
  }

  /// They were removed from the file.
  mutating func forget(_ ids: [Int64]) { recent.forget(ids) }

  mutating func transactionCommitted() {
    for run in closed { open[run] = nil }
    opened.removeAll(keepingCapacity: true)
    closed.removeAll(keepingCapacity: true)
  }

  /// What was found or added may not be in the file.
  mutating func transactionRolledBack() {
    for run in opened { open[run] = nil }
    opened.removeAll()
    closed.removeAll()
    recent.removeAll()
  }
}

/// The latest texts with their numbers, by where they lie in memory: copies of one string share their bytes, and are
/// known without a look at them. The same text elsewhere is not found.
private struct RecentPayloads {
  private struct Place: Hashable {
    var address: UInt
    var count: Int
  }
  private let limit: (count: Int, bytes: Int)
  /// Oldest first. They are kept, so that nothing else comes to lie where they are.
  private var texts: [(text: String, id: Int64)] = []
  private var ids: [Place: Int64] = [:]
  private var bytes = 0

  init(limit: (count: Int, bytes: Int)) { self.limit = limit }

  func id(of text: String) -> Int64? { Self.place(of: text).flatMap { ids[$0] } }

  mutating func add(_ text: String, _ id: Int64) {
    guard let place = Self.place(of: text), ids[place] == nil else { return }
    texts.append((text, id))
    ids[place] = id
    bytes += place.count
    while texts.count > limit.count || bytes > limit.bytes && texts.count > 1 { drop(at: 0) }
  }

  mutating func forget(_ gone: [Int64]) {
    for index in texts.indices.reversed() where gone.contains(texts[index].id) { drop(at: index) }
  }

  mutating func removeAll() {
    texts.removeAll()
    ids.removeAll()
    bytes = 0
  }

  private mutating func drop(at index: Int) {
    let text = texts.remove(at: index).text
    bytes -= text.utf8.count
    if let place = Self.place(of: text) { ids[place] = nil }
  }

  /// nil for a string that has no bytes of its own.
  private static func place(of text: String) -> Place? {
    // Safe: the address is compared and never read.
    unsafe text.utf8.withContiguousStorageIfAvailable { bytes in
      Place(address: UInt(bitPattern: bytes.baseAddress), count: bytes.count)
    }
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
    let columns = [
      ("open_runs", "event_payload"), ("open_runs", "params_payload"), ("runs", "event_payload"),
      ("runs", "params_payload"), ("steps", "result_payload"),
    ]
    let named = columns.map { "NOT EXISTS (SELECT 1 FROM \($0) WHERE \($1) = ?1)" }
    delete = try PreparedStatement(
      "DELETE FROM payloads WHERE id = ?1 AND \(named.joined(separator: " AND "))", on: database, failure: failure)
  }

  var isDue: Bool { cursor != nil }

  mutating func start() {
    guard cursor == nil else { return }
    cursor = .min
    left = 0
  }

  /// - Returns: those that it has removed.
  mutating func slice() throws(StoreError) -> [Int64] {
    guard let position = cursor else { return [] }
    var gone: [Int64] = []
    next.bind(1, position)
    let ids = try next.all { $0.integer(0) }
    for id in ids {
      delete.bind(1, id)
      try delete.run()
      if delete.changes == 0 { left += 1 } else { gone.append(id) }
    }
    cursor = ids.count == Self.perSlice ? ids.last : nil
    if cursor == nil { kept = left }
    return gone
  }
}
