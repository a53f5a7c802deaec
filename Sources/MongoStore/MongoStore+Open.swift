internal import Basics
internal import Chronology
internal import JobModel

extension MongoStore {
  struct Opened {
    var lease: HostLease?
    var writer: StoreWriter?
    var notes: [String] = []
    var isReplicated = false
  }

  /// Looks at the server, makes the database a store if it is empty, and takes the role that the mode asks for.
  static func open(
    _ server: MongoServer, _ mode: StoreAccess, _ options: Options
  ) throws(StoreError) -> Opened {
    let hello = try server.ask(["hello": 1])
    // 4.4: collections and indexes in transactions, updates that are pipelines.
    guard let wire = hello["maxWireVersion"]?.int, wire >= 9 else { throw server.failure.old }
    let hasTransactions = hello["setName"] != nil || hello["msg"]?.text == "isdbgrid"
    if options.mustExist, try server.first(Find(Collections.meta, ["_id": StoreState.id])) == nil {
      throw server.failure.absent
    }
    var opened = Opened()
    opened.isReplicated = hasTransactions
    guard mode != .reader else {
      try awaitJournals(server, hasTransactions: hasTransactions, options)
      return opened
    }
    let isOlder = try prepare(server)
    if mode == .scheduler || mode == .transfer {
      var options = options
      options.isReplicated = hasTransactions
      options.moves = mode == .transfer
      opened.lease = try HostLease(taking: server, options)
    } else if isOlder {
      try raiseAlone(server, options)
    }
    do throws(StoreError) {
      if let epoch = opened.lease?.epoch {
        try take(server, epoch, since: mode == .scheduler ? options.clock.now : nil)
        if isOlder { try raise(server, epoch) }
      }
      let applier = mode == .scheduler && !hasTransactions ? try makeApplier(server, opened.lease) : nil
      let writer = StoreWriter(
        server, hasTransactions: hasTransactions, lease: opened.lease, state: StoreState(), options: options,
        applier: applier)
      do throws(ServerError) {
        try server.withClient { (client) throws(ServerError) in try writer.look(client) }
      } catch {
        writer.close()
        throw server.failure.error(error)
      }
      if isOlder { writer.forgetJournals(alsoOlder: opened.lease != nil) }
      guard mode != .transfer else {
        writer.close()
        return opened
      }
      guard writer.state.transfer == nil else {
        writer.close()
        throw server.failure.halfMoved
      }
      server.set(applier)
      opened.writer = writer
    } catch {
      opened.lease?.release()
      throw error
    }
    if !hasTransactions {
      opened.notes.append(
        "\(server.failure.location): the server is alone, without transactions: each commit is written twice, first to a "
          + "journal; a replica set, also of one member, writes it once")
    }
    return opened
  }

  private static func makeApplier(_ server: MongoServer, _ lease: HostLease?) throws(StoreError) -> JournalApplier {
    try JournalApplier(server) { () throws(ServerError) in try lease?.prove() }
  }

  /// Waits until what was committed before is in its documents. What a host that has died has left of its journals is
  /// brought there, where that is allowed: else what is read is what was there a moment before.
  private static func awaitJournals(
    _ server: MongoServer, hasTransactions: Bool, _ options: Options
  ) throws(StoreError) {
    let state = try MongoReader(server: server).state()
    guard let last = state.journals.last?.sequence else { return }
    // The host of an older version says nothing, and brings each commit to its documents before anybody is told of it.
    if state.isOlder, let holder = try HostLease.holder(on: server), holder.isAlive != false { return }
    let deadline = monotonicNow() + 5_000_000_000
    do throws(ServerError) {
      try server.withClient { (client) throws(ServerError) in
        while try StoreWriter.applied(client) < last, monotonicNow() < deadline {
          if let holder = try? HostLease.holder(on: server), holder.isAlive != false {
            _ = Monitor(false).wait(until: monotonicNow() + 10_000_000, for: { $0 ? true : nil })
            continue
          }
          let writer = StoreWriter(
            server, hasTransactions: hasTransactions, lease: nil, state: state, options: options)
          defer { writer.close() }
          // A user who may only read, or a server that takes nothing.
          do throws(ServerError) { try writer.applyJournals(of: state, client) } catch {
            if error.store != nil { throw error }
          }
          return
        }
      }
    } catch { throw server.failure.error(error) }
  }

  /// From now on no commit of a host before this one is made.
  private static func take(_ server: MongoServer, _ epoch: Int64, since: Instant?) throws(StoreError) {
    var fields: BSONDocument = ["epoch": .int(epoch)]
    fields.add("host_since", since?.nanoseconds)
    let entry: BSON = [
      "q": ["_id": StoreState.id, "epoch": ["$lt": .int(epoch)]], "u": ["$set": .document(fields)],
    ]
    let answer = try server.ask(
      ["update": .text(Collections.meta), "updates": [entry], "writeConcern": .onDisk])
    guard answer["n"]?.int == 1 else {
      let holder = try HostLease.holder(on: server)
      throw server.failure.locked(holder?.description ?? "it has just started")
    }
  }

  /// Makes collections, indexes and the two documents of `meta`, unless they are there.
  ///
  /// - Returns: whether an older version has made them: then they are as they were.
  private static func prepare(_ server: MongoServer) throws(StoreError) -> Bool {
    if let document = try server.first(Find(Collections.meta, ["_id": StoreState.id])) {
      // Throws when a newer version has written it. It is made last, so the rest is there.
      return try StoreState(document, failure: server.failure).isOlder
    }
    let list = try server.ask(["listCollections": 1, "nameOnly": true])
    let names = (list["cursor"]?.document?["firstBatch"]?.array ?? []).compactMap { $0.document?["name"]?.text }
    let own = Set(Collections.contents + [Collections.meta])
    guard names.allSatisfy({ own.contains($0) || $0.hasPrefix("system.") }) else { throw server.failure.foreign }
    try make(server)
    do throws(ServerError) {
      let answer = try server.run(
        [
          "insert": .text(Collections.meta), "documents": .array(Self.beginning), "ordered": false,
          "writeConcern": .onDisk,
        ])
      try StoreWriter.check(answer, ignoresDuplicates: true)
    } catch { throw server.failure.error(error) }
    return false
  }

  /// Makes the collections and indexes that are not there.
  private static func make(_ server: MongoServer) throws(StoreError) {
    for collection in Collections.contents + [Collections.meta] {
      do throws(ServerError) { try server.run(["create": .text(collection), "writeConcern": .onDisk]) } catch {
        // NamespaceExists.
        guard error.code == 48 else { throw server.failure.error(error) }
      }
    }
    try index(server)
  }

  /// Brings what an older version has made to this one, for who has the lease: a host of that version that were up
  /// would not find the journals of this one. The number of commits rises, so processes of that version alongside read
  /// what is there before they commit again, and find that it is newer than they are.
  private static func raise(_ server: MongoServer, _ epoch: Int64) throws(StoreError) {
    // Another process may have been quicker, while this one waited for the lease.
    guard try MongoReader(server: server).state().isOlder else { return }
    try make(server)
    let entry: BSON = [
      "q": ["_id": StoreState.id, "epoch": .int(epoch), "schema": ["$lt": .int(StoreState.schema)]],
      "u": ["$set": ["schema": .int(StoreState.schema)], "$inc": ["sequence": 1]],
    ]
    let answer = try server.ask(
      ["update": .text(Collections.meta), "updates": [entry], "writeConcern": .onDisk])
    guard answer["n"]?.int == 1 else { throw server.failure.lost("it came later") }
  }

  /// The same for a process alongside, which has no lease for longer than this takes.
  private static func raiseAlone(_ server: MongoServer, _ options: Options) throws(StoreError) {
    if let holder = try HostLease.holder(on: server) { throw server.failure.olderHost(holder.description) }
    var options = options
    options.standsBy = nil
    options.moves = true
    let lease = try HostLease(taking: server, options)
    defer { lease.release() }
    try take(server, lease.epoch, since: nil)
    try raise(server, lease.epoch)
  }

  private static func index(_ server: MongoServer) throws(StoreError) {
    var indexes: [String: [BSON]] = [:]
    for (collection, name, keys) in Collections.indexes {
      indexes[collection, default: []].append(["key": .document(keys), "name": .text(name)])
    }
    for (collection, name, keys) in Collections.sparseIndexes {
      indexes[collection, default: []].append(["key": .document(keys), "name": .text(name), "sparse": true])
    }
    for collection in Collections.marked {
      indexes[collection, default: []].append(
        ["key": ["gone": 1], "name": "gone", "expireAfterSeconds": .int(Collections.markSeconds), "sparse": true])
    }
    for (collection, list) in indexes {
      func make(_ list: [BSON]) throws(ServerError) {
        try server.run(["createIndexes": .text(collection), "indexes": .array(list), "writeConcern": .onDisk])
      }
      do throws(ServerError) { try make(list) } catch {
        guard error.isIndexConflict else { throw server.failure.error(error) }
        // An older version has made some of them otherwise: they serve as well.
        for index in list {
          do throws(ServerError) { try make([index]) } catch {
            guard error.isIndexConflict else { throw server.failure.error(error) }
          }
        }
      }
    }
  }

  /// The documents of `meta` in a store that holds nothing.
  static let beginning: [BSON] = [
    ["_id": HostLease.id, "epoch": 0],
    [
      "_id": StoreState.id, "schema": .int(StoreState.schema), "epoch": 0, "sequence": 0, "highest_run": 0,
      "kv_version": 0, "highest_audit": 0, "clock_epoch": 0,
    ],
  ]
}
