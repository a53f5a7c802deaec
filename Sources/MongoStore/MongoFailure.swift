internal import JobModel
internal import StoreSupport

/// What a server, or the way to it, answered against a command.
struct ServerError: Error, Sendable {
  /// The server's code (`error_codes.yml`), or libmongoc's.
  var code: UInt32
  /// libmongoc's domain (`mongoc_error_domain_t`).
  var domain: UInt32 = 0
  var text: String
  /// What the server says about trying again.
  var labels: [String] = []
  /// The sentence, when it is no matter of the server.
  var store: StoreError?

  init(code: UInt32, domain: UInt32 = 0, text: String, labels: [String] = []) {
    self.code = code
    self.domain = domain
    self.text = text
    self.labels = labels
  }

  /// Of one entry of a command that writes several.
  init(entry: BSONDocument) {
    self.init(code: UInt32(clamping: entry["code"]?.int ?? 1), text: entry["errmsg"]?.text ?? "")
  }

  init(_ store: StoreError) {
    self.init(code: 0, text: store.message)
    self.store = store
  }

  /// Somebody else has committed something: what is there has to be read again.
  static let stale = ServerError(code: .max, text: "somebody else was writing")
  var isStale: Bool { code == .max }

  /// No answer came, or the server is not one that takes writes now: what was asked may have happened or not.
  var isAway: Bool {
    // MONGOC_ERROR_STREAM, MONGOC_ERROR_SERVER_SELECTION.
    if domain == 2 || domain == 15 { return true }
    // MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_SESSION_FAILURE: each server that is up has sessions, and a member of a
    // replica set that has just started does not know yet that it is one.
    if domain == 1, code == 52 { return true }
    return Self.away.contains(code)
  }
  /// HostUnreachable, HostNotFound, NetworkTimeout, ShutdownInProgress, PrimarySteppedDown, ExceededTimeLimit,
  /// SocketException, NotWritablePrimary, InterruptedAtShutdown, InterruptedDueToReplStateChange,
  /// NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary, WriteConcernFailed.
  private static let away: Set<UInt32> = [
    6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 64,
  ]

  /// The transaction has changed nothing, and may be tried again: WriteConflict, NoSuchTransaction.
  var isTransient: Bool { labels.contains("TransientTransactionError") || code == 112 || code == 251 }

  /// DuplicateKey.
  var isDuplicate: Bool { code == 11000 }

  /// Unauthorized: the user may not do that.
  var isForbidden: Bool { code == 13 }

  /// IndexOptionsConflict, IndexKeySpecsConflict.
  var isIndexConflict: Bool { code == 85 || code == 86 }
}

/// Makes sentences for an operator of what a server says.
struct MongoFailure: Sendable {
  /// Where the store lies, without a password.
  let location: String
  private let address: PublicAddress

  /// - Parameter address: `mongodb://…`; it may hold a password.
  init(_ address: String) {
    self.address = PublicAddress(StoreAddress(address))
    location = MongoAddress.location(self.address)
  }

  /// The text is no address of a server.
  func noAddress(_ why: String) -> StoreError {
    // What the library says about an address may repeat parts of it.
    StoreError(.unsupported, "\(location): this is no address of a server: \(address.words(why))")
  }

  func error(_ error: ServerError) -> StoreError {
    var error = error
    error.text = address.words(error.text)
    if let store = error.store { return store }
    if error.isAway {
      return StoreError(.io, "\(location): the server does not answer (\(error.text)): look whether it is up")
    }
    switch error.code {
    case 13:
      return StoreError(
        .readOnly, "\(location): the user may not do that (\(error.text)): give it the role readWrite on the database")
    case 18:
      return StoreError(.io, "\(location): the server refuses the user or password: correct the address")
    case 14_031:
      return StoreError(.full, "\(location): the server has no space left: free some; nothing was written")
    default: return StoreError(.io, "\(location): \(error.text) (MongoDB error \(error.code))")
    }
  }

  var onlyRead: StoreError {
    StoreError(
      .readOnly,
      "\(location): the store is not open for batches: open it as scheduler or alongside one to change it")
  }

  /// A document that this version does not understand.
  func unreadable(_ what: String) -> StoreError {
    StoreError(
      .corrupt,
      "\(location): \(what) is not as moondial writes it: a newer moondial did, or somebody else; install "
        + "that version, or remove it with mongosh")
  }

  var newer: StoreError {
    StoreError(
      .version,
      "\(location): written by a newer moondial than this one: install that version, or restore a backup from before")
  }

  var foreign: StoreError {
    StoreError(
      .corrupt,
      "\(location): the database has collections, but is no store of moondial's: name another database")
  }

  var absent: StoreError {
    StoreError(
      .absent, "\(location): there is no store in this database: start a host on it first, or name another one")
  }

  var old: StoreError {
    StoreError(.unsupported, "\(location): the server is older than MongoDB 4.4: use a newer one")
  }

  func tooLarge(_ collection: String) -> StoreError {
    StoreError(
      .quota,
      "\(location): something for \(collection) is larger than the 15 MB that fit into a document: keep it elsewhere")
  }

  func locked(_ holder: String) -> StoreError {
    StoreError(
      .locked,
      "\(location): another host schedules from this store (\(holder)): stop it, or name another database")
  }

  func lost(_ holder: String) -> StoreError {
    StoreError(
      .lost,
      "\(location): another host (\(holder)) has taken this store over: this one starts nothing from it any more, and "
        + "how its runs end is not written; stop one of the two")
  }

  /// The answer to a batch that was written, when nobody knows who has the store.
  var late: StoreError {
    StoreError(
      .io,
      "\(location): the server's answer came after the lease had ended: it was written, and nothing begins by it before "
        + "the lease is renewed")
  }

  /// Why what was committed is not brought to its documents, when nobody knows who has the store.
  var doubtful: StoreError {
    StoreError(
      .io,
      "\(location): the lease may have ended: what was committed comes to its documents when the lease is renewed, or "
        + "another host brings it there")
  }

  /// The answer to a batch that was written, when another host has it.
  var overtaken: StoreError {
    StoreError(
      .lost,
      "\(location): another host has taken this store over while this one waited for an answer: what it wrote last is "
        + "the other one's to settle")
  }

  /// Somebody has removed what was committed.
  func cutJournal(_ sequence: Int64) -> StoreError {
    StoreError(
      .corrupt,
      "\(location): a part of commit \(sequence) is missing in the collection journal, and the commit is not known to "
        + "be in its documents: somebody has removed it; restore a backup")
  }

  /// A store of an older version stays as it is beneath a host of that version.
  func olderHost(_ holder: String) -> StoreError {
    StoreError(
      .locked,
      "\(location): an older moondial has written this store, and its host is up (\(holder)): stop that host, and start "
        + "one of this version")
  }

  var halfMoved: StoreError {
    StoreError(
      .locked,
      "\(location): something is being moved into this store, and that is not finished: run the same "
        + "`moondial migrate` again, which goes on where it stopped, or name another store")
  }
}
