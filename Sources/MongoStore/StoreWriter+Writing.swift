internal import JobModel
internal import StoreSupport

extension StoreWriter {
  /// Bytes of journals in the document itself, which each commit writes anew; what is more lies in parts. A document
  /// has 16 MB at most.
  private static let inlineBytes = 64 << 10
  private static let partBytes = 8 << 20
  /// What MongoDB allows is 16 MB.
  private static let documentBytes = 15 << 20
  /// Bytes of one command.
  private static let bytesAtOnce = 6 << 20

  /// Makes a commit of `plan`.
  func write(_ plan: CommitPlan, _ client: MongoClient) throws(ServerError) {
    var texts = LongTexts()
    var changes = plan.changes.changes(after: state.highestRun, texts: &texts)
    // A change that is committed must fit into its document.
    if let large = changes.first(where: { $0.size > Self.documentBytes }) {
      throw ServerError(server.failure.tooLarge(large.collection))
    }
    if texts.texts.values.contains(where: { $0.utf8.count > Self.documentBytes }) {
      throw ServerError(server.failure.tooLarge(Collections.texts))
    }
    try write(texts, client)
    var next = plan.state
    next.sequence = state.sequence + 1
    next.journals = []
    for index in changes.indices { changes[index].sequence = next.sequence }
    if hasTransactions {
      do throws(ServerError) { try transact(changes, next, insertsNew: true, client) } catch {
        // A schedule that was taken for a new one was there.
        guard error.isDuplicate else { throw error }
        try transact(changes, next, insertsNew: false, client)
      }
    } else {
      try journal(changes, &next, client)
    }
    state = next
  }

  private func transact(
    _ changes: [Change], _ next: StoreState, insertsNew: Bool, _ client: MongoClient
  ) throws(ServerError) {
    let update = commitment(next)
    try client.transaction { (transaction) throws(ServerError) in
      try commit(update, client, in: transaction)
      for command in WriteCommand.all(for: changes, insertsNew: insertsNew) {
        try command.run(client, in: transaction)
      }
    }
  }

  private func journal(_ changes: [Change], _ next: inout StoreState, _ client: MongoClient) throws(ServerError) {
    if let applier { try applier.awaitRoom() }
    // Of commits that are in their documents nobody need know any more.
    next.journals = applier.map { applier in state.journals.filter { $0.sequence > applier.applied } } ?? []
    if !changes.isEmpty { next.journals.append(try keep(changes, of: next, client)) }
    try commit(commitment(next), client, in: nil)
    if let applier {
      applier.add(changes, sequence: next.sequence)
    } else {
      try apply(changes, insertsNew: true, client)
      next.journals = []
      Self.mark(applied: next.sequence, client)
    }
  }

  /// The change of the document `store`, under its condition.
  private func commitment(_ next: StoreState) -> BSON {
    var filter: BSONDocument = ["_id": StoreState.id, "sequence": .int(state.sequence)]
    filter.add("epoch", epoch)
    return ["q": .document(filter), "u": ["$set": .document(next.committed)]]
  }

  private func commit(
    _ update: BSON, _ client: MongoClient, in transaction: MongoTransaction?
  ) throws(ServerError) {
    var command: BSONDocument = ["update": .text(Collections.meta), "updates": [update]]
    // On the disk, and with that everything that was written before it: the server has one log.
    if transaction == nil { command.add("writeConcern", .onDisk) }
    let answer = try client.run(command, in: transaction)
    try Self.check(answer, ignoresDuplicates: false)
    if answer["n"]?.int != 1 { throw .stale }
  }

  private func keep(
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
        "q": ["_id": Self.partKey(journal, journal.parts)], "u": ["bytes": .bytes(part)], "upsert": true,
      ]
      // With the commit it is on the disk: the server has one log.
      let command: BSONDocument = [
        "update": .text(Collections.journal), "updates": [entry], "writeConcern": ["w": 1],
      ]
      try Self.check(client.run(command), ignoresDuplicates: false)
      journal.parts += 1
    }
    return journal
  }

  private static func partKey(_ journal: StoreState.Journal, _ part: Int) -> BSON {
    ["commit": .text(journal.commit), "part": .int(Int64(part))]
  }

  private static func changes(
    of journal: StoreState.Journal, _ client: MongoClient
  ) throws(ServerError) -> [Change] {
    var bytes = journal.bytes ?? []
    for part in 0..<journal.parts {
      // Parts go when the journal is applied.
      guard let document = try client.first(Find(Collections.journal, ["_id": partKey(journal, part)])) else {
        return []
      }
      bytes += document["bytes"]?.bytes ?? []
    }
    return (BSONDocument(bytes)?["changes"]?.array ?? []).compactMap { value in
      value.document.flatMap { Change($0, sequence: journal.sequence) }
    }
  }

  /// Brings the changes of all journals that are not known to be applied to their documents. Some, or all, are there.
  func applyJournals(of found: StoreState, _ client: MongoClient) throws(ServerError) {
    let applied = found.journals.isEmpty ? 0 : try Self.applied(client)
    var changes = PendingChanges()
    for journal in found.journals where journal.sequence > applied {
      for change in try Self.changes(of: journal, client) { changes.add(change) }
    }
    guard !changes.isEmpty else { return }
    try apply(changes.all, insertsNew: false, client)
    Self.mark(applied: found.sequence, client)
  }

  private func apply(_ changes: [Change], insertsNew: Bool, _ client: MongoClient) throws(ServerError) {
    try sideBySide.run(WriteCommand.all(for: changes, insertsNew: insertsNew), client)
  }

  // MARK: How far it is applied

  private static let appliedID: BSON = "applied"

  /// Says that the changes of all commits up to this one are in their documents. A hint: without it they are brought
  /// there once more.
  static func mark(applied sequence: Int64, _ client: MongoClient) {
    let entry: BSON = ["q": ["_id": appliedID], "u": ["$max": ["sequence": .int(sequence)]], "upsert": true]
    _ = try? client.run(["update": .text(Collections.meta), "updates": [entry], "writeConcern": ["w": 1]])
  }

  static func applied(_ client: MongoClient) throws(ServerError) -> Int64 {
    try client.first(Find(Collections.meta, ["_id": appliedID]))?["sequence"]?.int ?? 0
  }

  /// Texts that were written lately are there.
  private func write(_ texts: LongTexts, _ client: MongoClient) throws(ServerError) {
    let now = HeldLease.now
    var entries: [BSON] = []
    var bytes = 0
    let missing = recent.missing(of: texts, now: now)
    for (index, (hash, text)) in missing.enumerated() {
      // By the server's clock, as what is removed for its age.
      let fields: BSON = ["text": ["$literal": .text(text)], "at": "$$NOW"]
      entries.append(["q": ["_id": .bytes(hash)], "u": [["$set": fields]], "upsert": true])
      bytes += text.utf8.count
      // A text of a run has a megabyte or two at most; a command has room for 16.
      guard bytes > Self.bytesAtOnce || index == missing.count - 1 else { continue }
      let command: BSONDocument = [
        "update": .text(Collections.texts), "updates": .array(entries), "ordered": false,
        "writeConcern": .onDisk,
      ]
      try Self.check(client.run(command), ignoresDuplicates: true)
      entries.removeAll()
      bytes = 0
    }
    for (hash, _) in missing { recent.wrote(hash, at: now) }
  }

  /// Throws the first error of single entries.
  static func check(_ answer: BSONDocument, ignoresDuplicates: Bool) throws(ServerError) {
    for value in answer["writeErrors"]?.array ?? [] {
      guard let error = value.document else { continue }
      let failed = ServerError(entry: error)
      if !(ignoresDuplicates && failed.isDuplicate) { throw failed }
    }
  }
}
