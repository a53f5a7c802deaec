internal import JobModel
internal import StoreSupport

extension StoreWriter {
  /// Bytes of a journal in the document itself; a longer one lies in parts. A document has 16 MB at most.
  private static let journalBytes = 8 << 20
  /// What MongoDB allows is 16 MB.
  private static let documentBytes = 15 << 20
  /// Bytes of one command.
  private static let bytesAtOnce = 6 << 20

  /// Makes a commit of `plan`.
  func write(_ plan: CommitPlan, _ client: MongoClient) throws(ServerError) {
    var texts = LongTexts()
    let changes = plan.changes.changes(after: state.highestRun, texts: &texts)
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
    next.journal = nil
    if hasTransactions {
      do throws(ServerError) { try transact(changes, next, insertsNew: true, client) } catch {
        // A schedule that was taken for a new one was there.
        guard error.isDuplicate else { throw error }
        try transact(changes, next, insertsNew: false, client)
      }
    } else {
      let journal = changes.isEmpty ? nil : try keep(changes, named: next.commit, client)
      try commit(commitment(next, journal: journal), client, in: nil)
      try apply(changes, next.sequence, insertsNew: true, client)
    }
    state = next
  }

  private func transact(
    _ changes: [Change], _ next: StoreState, insertsNew: Bool, _ client: MongoClient
  ) throws(ServerError) {
    let update = commitment(next, journal: nil)
    try client.transaction { (transaction) throws(ServerError) in
      try commit(update, client, in: transaction)
      for command in WriteCommand.all(for: changes, sequence: next.sequence, insertsNew: insertsNew) {
        try command.run(client, in: transaction)
      }
    }
  }

  /// The change of the document `store`, under its condition.
  private func commitment(_ next: StoreState, journal: BSON?) -> BSON {
    var fields = next.committed
    fields.add("journal", journal ?? .null)
    var filter: BSONDocument = ["_id": StoreState.id, "sequence": .int(state.sequence)]
    filter.add("epoch", epoch)
    return ["q": .document(filter), "u": ["$set": .document(fields)]]
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
    _ changes: [Change], named name: String, _ client: MongoClient
  ) throws(ServerError) -> BSON {
    let list: BSONDocument = ["changes": .array(changes.map { .document($0.document) })]
    let bytes = list.bytes
    guard bytes.count > Self.journalBytes else { return ["bytes": .bytes(bytes), "parts": 0] }
    var parts: Int64 = 0
    for start in stride(from: 0, to: bytes.count, by: Self.journalBytes) {
      let part = Array(bytes[start..<min(bytes.count, start + Self.journalBytes)])
      let key: BSON = ["commit": .text(name), "part": .int(parts)]
      let entry: BSON = ["q": ["_id": key], "u": ["bytes": .bytes(part)], "upsert": true]
      let command: BSONDocument = [
        "update": .text(Collections.journal), "updates": [entry], "writeConcern": .onDisk,
      ]
      try Self.check(client.run(command), ignoresDuplicates: false)
      parts += 1
    }
    return ["parts": .int(parts)]
  }

  static func changes(
    of journal: StoreState.Journal, _ state: StoreState, _ client: MongoClient
  ) throws(ServerError) -> [Change] {
    var bytes = journal.bytes ?? []
    for part in 0..<journal.parts {
      let key: BSON = ["commit": .text(state.commit), "part": .int(Int64(part))]
      // Parts go when a later commit has been made; then this journal is applied.
      guard let document = try client.first(Find(Collections.journal, ["_id": key])) else { return [] }
      bytes += document["bytes"]?.bytes ?? []
    }
    return (BSONDocument(bytes)?["changes"]?.array ?? []).compactMap { $0.document.flatMap { Change($0) } }
  }

  /// Brings a journal's changes to their documents.
  func apply(
    _ changes: [Change], _ sequence: Int64, insertsNew: Bool, _ client: MongoClient
  ) throws(ServerError) {
    let commands = WriteCommand.all(for: changes, sequence: sequence, insertsNew: insertsNew)
    try sideBySide.run(commands, sequence: sequence, client)
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
