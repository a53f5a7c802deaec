internal import Basics
internal import CMongoShim
internal import Glibc
internal import JobModel

/// A database of a server or replica set: commands to it, and their answers.
///
/// Threading: any thread. Each command blocks until its answer is there, or until none came in time.
@safe
final class MongoServer: @unchecked Sendable {
  // @unchecked: the pool is libmongoc's own for all threads; it is set at the beginning and freed in `close`, once.
  let failure: MongoFailure
  let database: String
  /// What the server knows this process's connections by: nobody else has that name.
  let application = "moondial " + drawnName()
  private let pool: OpaquePointer
  private let users = Monitor((count: 0, isClosed: false))
  /// What brings journals to their documents; nil: nothing does.
  let applier = Monitor<JournalApplier?>(nil)

  /// Milliseconds. An address may say otherwise (`serverSelectionTimeoutMS`, …).
  private static let patience: (selection: Int32, connection: Int32, answer: Int32) = (3_000, 3_000, 60_000)

  /// - Throws: when the text is no address. Asks no server.
  init(_ address: String, failure: MongoFailure) throws(StoreError) {
    self.failure = failure
    var error = moon_mongo_error()
    // Safe: the text and the error live across the call; the pool is owned from here on.
    guard
      let made = unsafe moon_mongo_open(
        address, application, Self.patience.selection, Self.patience.connection, Self.patience.answer, &error)
    else {
      let text = Self.text(of: error)
      guard error.domain != MOON_MONGO_ABSENT else {
        throw StoreError(.unsupported, "\(failure.location): \(text)")
      }
      throw failure.noAddress(text)
    }
    unsafe pool = made
    // Safe: the text lives as long as the pool, and is copied here.
    database = unsafe moon_mongo_database(made).map { unsafe String(cString: $0) } ?? "moondial"
  }

  deinit { close() }

  /// Waits for the commands that are under way. Later ones fail.
  func close() {
    let isFirst = users.change { users in
      defer { users.isClosed = true }
      return !users.isClosed
    }
    guard isFirst else { return }
    _ = users.wait { $0.count == 0 ? true : nil }
    // libmongoc's monitor looks twice a second whether it is to end: nobody need wait for that.
    let last = unsafe LastPool(pool: pool)
    if let thread = try? NamedThread("mongo-close", { last.close() }) { thread.abandon() } else { last.close() }
  }

  /// A pool that nobody uses any more.
  @safe private struct LastPool: @unchecked Sendable {
    // @unchecked: handed over to one thread, which is the last one to use it.
    let pool: OpaquePointer
    @unsafe init(pool: OpaquePointer) { unsafe self.pool = unsafe pool }
    // Safe: nobody has a client any more, and nobody gets one.
    func close() { unsafe moon_mongo_close(pool) }
  }

  /// Runs `body` with a connection of its own.
  func withClient<Result>(
    _ body: (MongoClient) throws(ServerError) -> Result
  ) throws(ServerError) -> Result {
    let isOpen = users.change { users in
      if !users.isClosed { users.count += 1 }
      return !users.isClosed
    }
    guard isOpen else { throw ServerError(code: 1, text: "the store is closed") }
    defer { users.change { $0.count -= 1 } }
    // Safe: the pool is open while `count` is above zero, and the client goes back to it.
    let client = unsafe moon_mongo_take(pool)
    guard let client = unsafe client else { throw ServerError(code: 1, text: "there is no connection") }
    defer { unsafe moon_mongo_give_back(pool, client) }
    return try body(unsafe MongoClient(client, database: database))
  }

  /// What brings journals to their documents from now on; nil: nothing does.
  func set(_ applier: JournalApplier?) { self.applier.withLock { $0 = applier } }

  /// Waits until what this process has committed so far is in the documents of `collections`: who has been told of a
  /// commit sees it.
  func awaitChanges(of collections: String...) throws(ServerError) {
    try applier.withLock { $0 }?.awaitChanges(of: collections)
  }

  /// Runs one command.
  @discardableResult
  func run(_ command: BSONDocument) throws(ServerError) -> BSONDocument {
    try withClient { (client) throws(ServerError) in try client.run(command) }
  }

  /// The same, with what went wrong as a sentence.
  @discardableResult
  func ask(_ command: BSONDocument) throws(StoreError) -> BSONDocument {
    do { return try run(command) } catch { throw failure.error(error) }
  }

  static func text(of error: moon_mongo_error) -> String {
    unsafe withUnsafeBytes(of: error.text) { bytes in
      // Safe: the bytes of a local; the text ends in a zero.
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}

/// A connection that one thread has for a while.
@safe
struct MongoClient {
  private let client: OpaquePointer
  private let database: String

  /// - Parameter client: valid as long as this value.
  @unsafe init(_ client: OpaquePointer, database: String) {
    unsafe self.client = unsafe client
    self.database = database
  }

  @discardableResult
  func run(
    _ command: BSONDocument, in transaction: MongoTransaction? = nil, on other: String? = nil
  ) throws(ServerError) -> BSONDocument {
    var error = moon_mongo_error()
    var size = 0
    let bytes = command.bytes
    // Safe: bytes, name and error live across the call; the answer is of `size` bytes and freed here.
    let answer = unsafe moon_mongo_run(
      client, other ?? database, bytes, bytes.count, transaction?.session, &size, &error)
    guard let answer = unsafe answer else { throw ServerError(code: 1, text: "there is no memory") }
    defer { unsafe free(answer) }
    let document = BSONDocument(unsafe Array(UnsafeBufferPointer(start: answer, count: size))) ?? BSONDocument()
    let labels = document["errorLabels"]?.array?.compactMap(\.text) ?? []
    if error.code != 0 {
      throw ServerError(code: error.code, domain: error.domain, text: MongoServer.text(of: error), labels: labels)
    }
    if let concern = document["writeConcernError"]?.document {
      throw ServerError(
        code: UInt32(clamping: concern["code"]?.int ?? 64), text: concern["errmsg"]?.text ?? "", labels: labels)
    }
    return document
  }

  /// Runs `body` in a session: a server keeps a cursor for the session that it was made in.
  func conversation<Result>(_ body: (MongoTransaction) throws(ServerError) -> Result) throws(ServerError) -> Result {
    var error = moon_mongo_error()
    // Safe: the error lives across the call; the session is ended below.
    let session = unsafe moon_mongo_converse(client, &error)
    guard let session = unsafe session else {
      throw ServerError(code: error.code, domain: error.domain, text: MongoServer.text(of: error))
    }
    defer { unsafe moon_mongo_end(session) }
    return try body(unsafe MongoTransaction(session))
  }

  /// Runs `body` in a transaction and commits it, unless it throws.
  func transaction<Result>(
    _ body: (MongoTransaction) throws(ServerError) -> Result
  ) throws(ServerError) -> Result {
    var error = moon_mongo_error()
    // Safe: the error lives across the call; the transaction is ended below.
    let session = unsafe moon_mongo_begin(client, &error)
    guard let session = unsafe session else {
      throw ServerError(code: error.code, domain: error.domain, text: MongoServer.text(of: error))
    }
    defer { unsafe moon_mongo_end(session) }
    let result = try body(unsafe MongoTransaction(session))
    guard unsafe moon_mongo_commit(session, &error) else {
      throw ServerError(code: error.code, domain: error.domain, text: MongoServer.text(of: error))
    }
    return result
  }
}

/// A session, with a transaction that is under way or without: for the closure that it was handed to, and no longer.
@safe
struct MongoTransaction {
  fileprivate let session: OpaquePointer
  @unsafe fileprivate init(_ session: OpaquePointer) { unsafe self.session = unsafe session }
}
