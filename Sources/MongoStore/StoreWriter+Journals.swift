internal import JobModel

/// What is known of commits before their changes are in their documents, on a server without transactions.
extension StoreWriter {
  /// Bytes of journals in the document itself, which each commit writes anew; what is more lies in parts. A document
  /// has 16 MB at most.
  private static let inlineBytes = 64 << 10
  private static let partBytes = 8 << 20

  /// Writes what the commit `next` carries, unless it fits into its document.
  ///
  /// - Returns: what the commit names.
  func keep(
    _ changes: [Change], of next: StoreState, _ client: MongoClient
  ) throws(ServerError) -> StoreState.Journal {
    let list: BSONDocument = ["changes": .array(changes.map { .document($0.document) })]
    let bytes = list.bytes
    let others = next.journals.reduce(0) { $0 + ($1.bytes?.count ?? 0) }
    var journal = StoreState.Journal(sequence: next.sequence, commit: next.commit, bytes: bytes, parts: 0)
    guard others + bytes.count > Self.inlineBytes else { return journal }
    journal.bytes = nil
    for start in stride(from: 0, to: bytes.count, by: Self.partBytes) {
      let part = Array(bytes[start..<min(bytes.count, start + Self.partBytes)])
      let entry: BSON = [
        "q": ["_id": Self.partKey(journal, journal.parts)],
        "u": ["sequence": .int(journal.sequence), "bytes": .bytes(part)], "upsert": true,
      ]
      // Before the commit: a server that crashes and is back between the two may be met over a new connection, without
      // an error, and would have the commit without its part.
      let command: BSONDocument = [
        "update": .text(Collections.journal), "updates": [entry], "writeConcern": .onDisk,
      ]
      try Self.check(client.run(command), ignoresDuplicates: false)
      journal.parts += 1
    }
    return journal
  }

  private static func partKey(_ journal: StoreState.Journal, _ part: Int) -> BSON {
    ["commit": .text(journal.commit), "part": .int(Int64(part))]
  }

  /// - Returns: nothing when somebody has applied it meanwhile.
  private func changes(
    of journal: StoreState.Journal, _ client: MongoClient
  ) throws(ServerError) -> [Change] {
    var bytes = journal.bytes ?? []
    for part in 0..<journal.parts {
      let found = try client.first(Find(Collections.journal, ["_id": Self.partKey(journal, part)]))
      // Older versions wrote no number.
      guard let found, (found["sequence"]?.int ?? journal.sequence) == journal.sequence else {
        // Parts go when the server has on its disk that they are applied.
        guard try Self.applied(client) < journal.sequence, try names(journal, client) else { return [] }
        throw ServerError(server.failure.cutJournal(journal.sequence))
      }
      bytes += found["bytes"]?.bytes ?? []
    }
    guard let list = BSONDocument(bytes)?["changes"]?.array else {
      throw ServerError(server.failure.unreadable("the journal of commit \(journal.sequence)"))
    }
    return list.compactMap { value in value.document.flatMap { Change($0, sequence: journal.sequence) } }
  }

  /// Whether the document `store` names it at this moment.
  private func names(_ journal: StoreState.Journal, _ client: MongoClient) throws(ServerError) -> Bool {
    guard let document = try client.first(Find(Collections.meta, ["_id": StoreState.id])) else { return false }
    do throws(StoreError) {
      return try StoreState(document, failure: server.failure).journals.contains { $0.commit == journal.commit }
    } catch { throw ServerError(error) }
  }

  /// Brings the changes of all journals that are not known to be applied to their documents. Some, or all, are there.
  ///
  /// - Throws: also when a part of one is missing, or when this host may not have the store any more.
  func applyJournals(of found: StoreState, _ client: MongoClient) throws(ServerError) {
    let applied = found.journals.isEmpty ? 0 : try Self.applied(client)
    var pending = PendingChanges()
    for journal in found.journals where journal.sequence > applied {
      for change in try changes(of: journal, client) { pending.add(change) }
    }
    guard !pending.isEmpty else { return }
    try apply(pending.all, insertsNew: false, client)
    try Self.mark(applied: found.sequence, client)
  }

  /// A host proves before each command that it has the store still (``JournalApplier`` says what that leaves open). Who
  /// has no lease has no other guard than the numbers of the documents.
  func apply(_ changes: [Change], insertsNew: Bool, _ client: MongoClient) throws(ServerError) {
    try sideBySide.run(WriteCommand.all(for: changes, insertsNew: insertsNew), client) {
      [lease] () throws(ServerError) in try lease?.prove()
    }
  }

  // MARK: How far it is applied

  private static let appliedID: BSON = "applied"

  /// Says that the changes of all commits up to this one are in their documents: who opens the store to read it waits
  /// for that. Without it they are brought there once more, so a user who may not write that writes nothing.
  ///
  /// - Throws: any other failure; it is to be said again then.
  static func mark(
    applied sequence: Int64, _ client: MongoClient, concern: BSON = ["w": 1]
  ) throws(ServerError) {
    let entry: BSON = ["q": ["_id": appliedID], "u": ["$max": ["sequence": .int(sequence)]], "upsert": true]
    let command: BSONDocument = [
      "update": .text(Collections.meta), "updates": [entry], "writeConcern": concern,
    ]
    do throws(ServerError) { try check(client.run(command), ignoresDuplicates: false) } catch {
      guard error.isForbidden else { throw error }
    }
  }

  static func applied(_ client: MongoClient) throws(ServerError) -> Int64 {
    try client.first(Find(Collections.meta, ["_id": appliedID]))?["sequence"]?.int ?? 0
  }

  /// Removes parts of journals that are applied, whoever wrote them. Those of a commit that is being made, or that
  /// another host has made since, have a higher number and stay, also when a host does this that has lost the store.
  ///
  /// - Parameter alsoOlder: whether what older versions have left goes as well, which has no number: for the host that
  ///   has brought the store to this version, after it has applied all journals.
  func forgetJournals(alsoOlder: Bool = false) {
    // Also on a replica set, which may have been a server alone. What was not removed is removed the next time.
    _ = try? server.withClient { (client) throws(ServerError) in
      var some = Find(Collections.journal)
      some.fields = ["_id": 1]
      guard try client.first(some) != nil else { return }
      let applied = try Self.applied(client)
      // Who finds a part missing must find this: it is on the disk before any of them goes.
      try Self.mark(applied: applied, client, concern: .onDisk)
      var filters: [BSON] = [["sequence": ["$lte": .int(applied)]]]
      if alsoOlder { filters.append(["sequence": ["$exists": false]]) }
      let entries = filters.map { filter -> BSON in ["q": filter, "limit": 0] }
      try client.run(["delete": .text(Collections.journal), "deletes": .array(entries)])
    }
  }
}
