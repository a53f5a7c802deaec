internal import JobModel
internal import StoreSupport

extension StoreWriter {
  /// What MongoDB allows is 16 MB.
  private static let documentBytes = 15 << 20

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
      try Self.mark(applied: next.sequence, client)
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
    if transaction == nil { command.add("writeConcern", .onDisk) }
    let answer = try client.run(command, in: transaction)
    try Self.check(answer, ignoresDuplicates: false)
    if answer["n"]?.int != 1 { throw .stale }
  }

  /// Texts that were written lately are there.
  private func write(_ texts: LongTexts, _ client: MongoClient) throws(ServerError) {
    let now = HeldLease.now
    let missing = recent.missing(of: texts, now: now)
    for range in Portions.ranges(of: missing.map(\.text.utf8.count)) {
      let entries = missing[range].map { hash, text -> BSON in
        // By the server's clock, as what is removed for its age.
        let fields: BSON = ["text": ["$literal": .text(text)], "at": "$$NOW"]
        return ["q": ["_id": .bytes(hash)], "u": [["$set": fields]], "upsert": true]
      }
      let command: BSONDocument = [
        "update": .text(Collections.texts), "updates": .array(entries), "ordered": false,
        "writeConcern": .onDisk,
      ]
      try Self.check(client.run(command), ignoresDuplicates: true)
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
