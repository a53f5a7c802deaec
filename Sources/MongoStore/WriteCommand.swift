internal import StoreSupport

/// One command that brings some changes to their documents.
struct WriteCommand: Sendable {
  /// Entries and bytes of one command.
  private static let entriesAtOnce = 2_000
  private static let bytesAtOnce = 6 << 20

  let collection: String
  /// The documents are new: they are inserted, which costs the server less than an update that finds nothing.
  let inserts: Bool
  private var changes: [Change] = []
  private var entries: [BSON] = []
  private var bytes = 0

  private init(_ collection: String, inserts: Bool) {
    self.collection = collection
    self.inserts = inserts
  }

  /// The commands for `changes`, in no order that matters: each document is changed once.
  ///
  /// - Parameter insertsNew: whether documents that are taken for new ones are inserted.
  static func all(for changes: [Change], insertsNew: Bool) -> [WriteCommand] {
    var all: [WriteCommand] = []
    for (collection, changes) in Dictionary(grouping: changes, by: \.collection).sorted(by: { $0.key < $1.key }) {
      for inserts in [true, false] {
        var command = WriteCommand(collection, inserts: inserts)
        for change in changes where (insertsNew && change.isNew) == inserts {
          command.add(change)
          guard command.isFull else { continue }
          all.append(command)
          command = WriteCommand(collection, inserts: inserts)
        }
        if !command.entries.isEmpty { all.append(command) }
      }
    }
    return all
  }

  private var isFull: Bool { entries.count == Self.entriesAtOnce || bytes > Self.bytesAtOnce }

  private mutating func add(_ change: Change) {
    let entry = inserts ? change.insertion : change.update.encoded
    bytes += entry.count
    changes.append(change)
    entries.append(.encoded(entry))
  }

  /// Sends it, and waits until it is on the disk: a later commit forgets the journal, and a server that crashes and is
  /// back between two commands may be met over a new connection, so that nobody looks at its journal again.
  ///
  /// - Throws: the first error of an entry. Without a transaction a duplicate is none: a document that a later commit
  ///   has changed is not met by the condition of an update, and cannot be made anew either.
  func run(_ client: MongoClient) throws(ServerError) {
    var command = document(isOrdered: false)
    command.add("writeConcern", .onDisk)
    let answer = try client.run(command)
    guard inserts else { return try StoreWriter.check(answer, ignoresDuplicates: true) }
    var known: [Change] = []
    for value in answer["writeErrors"]?.array ?? [] {
      guard let error = value.document else { continue }
      let failed = ServerError(entry: error)
      guard failed.isDuplicate, let index = error["index"]?.int, changes.indices.contains(Int(index)) else {
        throw failed
      }
      known.append(changes[Int(index)])
    }
    // They were there after all.
    for command in Self.all(for: known, insertsNew: false) {
      try command.run(client)
    }
  }

  /// Sends it as a part of a transaction, which ends with the first error.
  func run(_ client: MongoClient, in transaction: MongoTransaction) throws(ServerError) {
    try StoreWriter.check(client.run(document(isOrdered: true), in: transaction), ignoresDuplicates: false)
  }

  private func document(isOrdered: Bool) -> BSONDocument {
    [
      inserts ? "insert" : "update": .text(collection), inserts ? "documents" : "updates": .array(entries),
      "ordered": .bool(isOrdered),
    ]
  }
}
