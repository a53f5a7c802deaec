internal import StoreSupport

/// One command that brings some changes to their documents.
struct WriteCommand: Sendable {
  /// Throws when nothing may be written any more.
  typealias Permission = @Sendable () throws(ServerError) -> Void

  let collection: String
  /// The documents are new: they are inserted, which costs the server less than an update that finds nothing.
  let inserts: Bool
  private let changes: ArraySlice<Change>
  private let entries: [BSON]

  /// The commands for `changes`, in no order that matters: each document is changed once.
  ///
  /// - Parameter insertsNew: whether documents that are taken for new ones are inserted.
  static func all(for changes: [Change], insertsNew: Bool) -> [WriteCommand] {
    var all: [WriteCommand] = []
    for (collection, changes) in Dictionary(grouping: changes, by: \.collection).sorted(by: { $0.key < $1.key }) {
      for inserts in [true, false] {
        let changes = changes.filter { (insertsNew && $0.isNew) == inserts }
        let entries = changes.map { inserts ? $0.insertion : $0.update.encoded }
        for range in Portions.ranges(of: entries.map(\.count)) {
          all.append(
            WriteCommand(
              collection: collection, inserts: inserts, changes: changes[range],
              entries: entries[range].map { .encoded($0) }))
        }
      }
    }
    return all
  }

  /// Sends it, and waits until it is on the disk: a later commit forgets the journal, and a server that crashes and is
  /// back between two commands may be met over a new connection, so that nobody looks at its journal again.
  ///
  /// - Parameter mayWrite: asked right before the server is.
  /// - Throws: the first error of an entry. Without a transaction a duplicate is none: a document that a later commit
  ///   has changed is not met by the condition of an update, and cannot be made anew either.
  func run(_ client: MongoClient, _ mayWrite: Permission) throws(ServerError) {
    try mayWrite()
    var command = document(isOrdered: false)
    command.add("writeConcern", .onDisk)
    let answer = try client.run(command)
    guard inserts else { return try StoreWriter.check(answer, ignoresDuplicates: true) }
    var known: [Change] = []
    for value in answer["writeErrors"]?.array ?? [] {
      guard let error = value.document else { continue }
      let failed = ServerError(entry: error)
      guard failed.isDuplicate, let index = error["index"]?.int, 0..<Int64(changes.count) ~= index else {
        throw failed
      }
      known.append(changes[changes.startIndex + Int(index)])
    }
    // They were there after all.
    for command in Self.all(for: known, insertsNew: false) {
      try command.run(client, mayWrite)
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
