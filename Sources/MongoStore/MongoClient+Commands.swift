internal import JobModel

/// A question: which documents of a collection, in which order.
struct Find {
  var collection: String
  var filter: BSONDocument
  var sort: BSONDocument = [:]
  var fields: BSONDocument = [:]
  /// nil: all.
  var limit: Int?
  /// Only what a majority has, so that no failover takes it back.
  var isOfMajority = false

  init(_ collection: String, _ filter: BSONDocument = [:], sort: BSONDocument = [:], limit: Int? = nil) {
    self.collection = collection
    self.filter = filter
    self.sort = sort
    self.limit = limit
  }

  fileprivate var command: BSONDocument {
    var command: BSONDocument = ["find": .text(collection), "filter": .document(filter)]
    if !sort.isEmpty { command.add("sort", .document(sort)) }
    if !fields.isEmpty { command.add("projection", .document(fields)) }
    if let limit { command.add("limit", Int64(limit)) }
    if isOfMajority { command.add("readConcern", ["level": "majority"]) }
    return command
  }
}

extension MongoClient {
  /// Follows a cursor to its end, or until `body` answers false.
  func walk(
    _ command: BSONDocument, of collection: String, _ body: (BSONDocument) -> Bool
  ) throws(ServerError) {
    try conversation { (session) throws(ServerError) in try walk(command, of: collection, in: session, body) }
  }

  private func walk(
    _ command: BSONDocument, of collection: String, in session: MongoTransaction, _ body: (BSONDocument) -> Bool
  ) throws(ServerError) {
    var cursor = try run(command, in: session)["cursor"]?.document
    while let batch = cursor {
      for value in batch["firstBatch"]?.array ?? batch["nextBatch"]?.array ?? [] {
        guard let document = value.document, !body(document) else { continue }
        if let id = batch["id"]?.int, id != 0 {
          // The server would keep it for ten minutes. It is no failure if it has it no more.
          _ = try? run(["killCursors": .text(collection), "cursors": [.int(id)]], in: session)
        }
        return
      }
      guard let id = batch["id"]?.int, id != 0 else { return }
      cursor = try run(["getMore": .int(id), "collection": .text(collection)], in: session)["cursor"]?.document
    }
  }

  func all(_ find: Find) throws(ServerError) -> [BSONDocument] {
    var found: [BSONDocument] = []
    try walk(find.command, of: find.collection) { document in
      found.append(document)
      return true
    }
    return found
  }

  func first(_ find: Find) throws(ServerError) -> BSONDocument? {
    var find = find
    find.limit = 1
    return try all(find).first
  }
}

extension MongoServer {
  /// Hands each document to `body` until it answers false.
  func find(_ find: Find, _ body: (BSONDocument) throws(StoreError) -> Bool) throws(StoreError) {
    var failed: StoreError?
    do throws(ServerError) {
      try awaitChanges(of: find.collection)
      try withClient { (client) throws(ServerError) in
        try client.walk(find.command, of: find.collection) { document in
          do throws(StoreError) { return try body(document) } catch {
            failed = error
            return false
          }
        }
      }
    } catch { throw failure.error(error) }
    if let failed { throw failed }
  }

  func all<Result>(
    _ find: Find, _ read: (BSONDocument) throws(StoreError) -> Result
  ) throws(StoreError) -> [Result] {
    var found: [Result] = []
    try self.find(find) { document throws(StoreError) in
      found.append(try read(document))
      return true
    }
    return found
  }

  func first(_ find: Find) throws(StoreError) -> BSONDocument? {
    var find = find
    find.limit = 1
    return try all(find) { $0 }.first
  }
}
