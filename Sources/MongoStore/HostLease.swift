internal import Basics
internal import Chronology
internal import JobModel
internal import StoreSupport

/// The right to schedule from a store: the document `host` of `meta`, with an epoch and an end by the server's clock.
///
/// It keeps a second host out. What keeps a former one from writing is the epoch, which each commit proves
/// (``StoreState``); what keeps it from running anything is what it reckons itself (``HeldLease``).
///
/// A host that was killed leaves its lease behind. On the machine where it ran the next one sees that its process is
/// gone; elsewhere it waits for the end.
final class HostLease: Sendable {
  static let id: BSON = "host"
  /// Milliseconds, of a host that says nothing else, and of runs alongside one.
  static let length: Int64 = 15_000

  let epoch: Int64
  let held: HeldLease
  /// Whether another host had the store while this one waited for it.
  let isTakeover: Bool
  private let server: MongoServer
  private let isEnding = Monitor(false)
  private let thread: StoreThread

  /// Takes the lease. Blocks while another host has it and `options` say so, or until a dead one's is over.
  ///
  /// - Throws: `.locked` when a host has it.
  init(taking server: MongoServer, _ options: MongoStore.Options) throws(StoreError) {
    self.server = server
    let me = Holder(now: options.clock.now)
    let milliseconds = max(1, options.lease / 1_000_000)
    var sentAt: Int64 = 0
    var awaited = AwaitedLease(me: me)
    epoch = try Self.take(server, me, milliseconds, options, sentAt: &sentAt, &awaited)
    isTakeover = awaited.isOthers
    held = HeldLease(length: options.lease, sentAt: sentAt)
    let (ending, taken, held) = (isEnding, epoch, held)
    thread = try StoreThread(name: "mongo-lease") {
      while ending.wait(until: Self.nextRenewal(held), for: { $0 ? true : nil }) == nil, !held.isOver {
        // A server that is away is the writer's to tell.
        _ = try? Self.renew(server, taken, milliseconds, held)
      }
    }
  }

  /// At a third of its length; when that did not work, again after a twelfth.
  private static func nextRenewal(_ held: HeldLease) -> Int64 {
    monotonicNow() + max(held.untilRenewal, held.length / 12)
  }

  /// Gives it back, so that the next host need not wait.
  func release() {
    isEnding.change { $0 = true }
    thread.join()
    held.close()
    let entry: BSON = [
      "q": ["_id": Self.id, "epoch": .int(epoch)], "u": ["$unset": ["lease": ""]],
    ]
    _ = try? server.run(["update": .text(Collections.meta), "updates": [entry], "writeConcern": .onDisk])
  }

  // MARK: Renewing it

  /// When a lease that is taken or renewed now ends, in an update that is a pipeline.
  static func end(_ milliseconds: Int64 = length) -> BSON { ["$add": ["$$NOW", .int(milliseconds)]] }

  static func renew(
    _ server: MongoServer, _ epoch: Int64, _ milliseconds: Int64, _ held: HeldLease
  ) throws(ServerError) {
    let entry: BSON = [
      "q": ["_id": id, "epoch": .int(epoch)], "u": [["$set": ["lease": end(milliseconds)]]],
    ]
    let sentAt = HeldLease.now
    // A primary that was cut off from the others may confirm nothing: a majority has it, or it is not renewed. On its
    // disk: a server that forgets a renewal in a crash would give the store away while this host reckons that it has
    // it.
    let answer = try server.run(
      [
        "update": .text(Collections.meta), "updates": [entry],
        "writeConcern": ["w": "majority", "j": true, "wtimeout": .int(max(1_000, milliseconds / 2))],
      ])
    guard answer["n"]?.int == 1 else {
      let document = try? server.first(Find(Collections.meta, ["_id": id]))
      held.lose(server.failure.lost(Holder((document ?? nil) ?? [:]).description).message)
      return
    }
    held.renewed(sentAt: sentAt)
  }

  /// What can be said of a lease at this moment.
  private enum Standing { case sure, doubtful, lost }

  /// Whether nobody else can have the store. When this process was stopped, or the server was slow, for longer than the
  /// lease, the lease is asked for once more, and usually all is well.
  private func standing() -> Standing {
    if held.isSure { return .sure }
    // What failed leaves the doubt.
    _ = try? Self.renew(server, epoch, max(1, held.length / 1_000_000), held)
    return held.isSure ? .sure : held.isOver ? .lost : .doubtful
  }

  /// Why nobody can say whether this host still leads, after a commit was answered; nil: it does.
  func lateness() -> StoreError? {
    switch standing() {
    case .sure: nil
    case .doubtful: server.failure.late
    case .lost: server.failure.overtaken
    }
  }

  /// Proves that nobody else has the store, before something is written that no epoch guards.
  ///
  /// - Throws: `.lost` when another host has it; `.io` when nobody can say.
  func prove() throws(ServerError) {
    switch standing() {
    case .sure: return
    case .doubtful: throw ServerError(server.failure.doubtful)
    case .lost: throw ServerError(server.failure.overtaken)
    }
  }

  // MARK: Taking it

  /// Milliseconds for which who stands by asks a replica set, which tells by itself, nothing: less than answers may
  /// take.
  private static let longestWait: Int64 = 20_000

  private static func take(
    _ server: MongoServer, _ me: Holder, _ milliseconds: Int64, _ options: MongoStore.Options, sentAt: inout Int64,
    _ awaited: inout AwaitedLease
  ) throws(StoreError) -> Int64 {
    let deadline = monotonicNow() + (length + 2_000) * 1_000_000
    var seen: Int64?
    var hasSaid = false
    while true {
      var wait = options.standsBy == nil ? 500_000_000 : options.look
      do throws(StoreError) {
        let document = try standing(server)
        let holder = Holder(document)
        sentAt = HeldLease.now
        if hasSaid { awaited.saw(document) }
        if let epoch = try attempt(server, me, milliseconds, condition(document, holder, options), options.moves) {
          endTransactions(of: document["application"]?.text, on: server)
          return epoch
        }
        let lease = document["lease"]?.date
        if let standsBy = options.standsBy {
          if !hasSaid {
            awaited.saw(document)
            standsBy("\(server.failure.location): another host has it (\(holder.description))")
          }
          hasSaid = true
        } else {
          // It was renewed meanwhile: its host is alive, wherever that is.
          guard holder.isAlive != true, seen == nil || seen == lease, monotonicNow() < deadline else {
            throw server.failure.locked(holder.description)
          }
        }
        seen = lease
        // Its end by the server's clock, and a moment more.
        let end = max((document["left"]?.int ?? 0) + 20, 100)
        // A process on this machine is seen to die, which no server tells.
        let most = holder.isAlive == nil ? longestWait : options.look / 1_000_000
        if options.standsBy != nil, options.isReplicated {
          let hasAwaited = server.awaitLeaseChange(upTo: min(end, most)) { () throws(StoreError) in
            (try standing(server)["left"]?.int ?? 0) <= 0
          }
          if hasAwaited { continue }
        }
        wait = min(end * 1_000_000, wait)
      } catch {
        // Who stands by waits for a server that goes away as well.
        guard hasSaid, error.code == .io else { throw error }
      }
      _ = Monitor(false).wait(until: monotonicNow() + wait, for: { $0 ? true : nil })
    }
  }

  /// Under which the lease may be taken from the one whose document was read: it has ended, or its host is dead.
  private static func condition(
    _ document: BSONDocument, _ holder: Holder, _ options: MongoStore.Options
  ) -> BSONDocument {
    var condition: BSONDocument = ["epoch": document["epoch"] ?? 0]
    guard !options.ignoresLease, holder.isAlive != false else { return condition }
    condition.add("$expr", ["$lte": [["$ifNull": ["$lease", .date(0)]], "$$NOW"]])
    return condition
  }

  /// The former host may have died, or been stopped, in the middle of a transaction: the server keeps that for a
  /// minute, with what it has locked. What was not committed then never was. A server that does not allow it makes us
  /// wait.
  private static func endTransactions(of application: String?, on server: MongoServer) {
    guard let application else { return }
    let pipeline: BSON = [
      ["$currentOp": ["allUsers": false, "idleSessions": true]],
      ["$match": ["appName": .text(application), "transaction": ["$exists": true]]],
    ]
    let command: BSONDocument = ["aggregate": 1, "pipeline": pipeline, "cursor": [:]]
    let answer = try? server.withClient { (client) throws(ServerError) in try client.run(command, on: "admin") }
    let found = answer?["cursor"]?.document?["firstBatch"]?.array ?? []
    let sessions = found.compactMap { $0.document?["lsid"]?.document?["id"] }.map { id -> BSON in ["id": id] }
    if !sessions.isEmpty { _ = try? server.run(["killSessions": .array(sessions)]) }
  }

  /// The document, with the milliseconds that the lease has left by the server's clock.
  private static func standing(_ server: MongoServer) throws(StoreError) -> BSONDocument {
    let left: BSON = ["$subtract": [["$ifNull": ["$lease", "$$NOW"]], "$$NOW"]]
    let pipeline: BSON = [["$match": ["_id": id]], ["$addFields": ["left": left]]]
    let answer = try server.ask(["aggregate": .text(Collections.meta), "pipeline": pipeline, "cursor": [:]])
    return answer["cursor"]?.document?["firstBatch"]?.array?.first?.document ?? [:]
  }

  /// nil: the condition does not hold.
  private static func attempt(
    _ server: MongoServer, _ me: Holder, _ milliseconds: Int64, _ condition: BSONDocument, _ moves: Bool
  ) throws(StoreError) -> Int64? {
    var fields = BSONDocument(fields: me.fields.map { ($0.0, ["$literal": $0.1]) })
    fields.add("epoch", ["$add": [["$ifNull": ["$epoch", 0]], 1]])
    fields.add("lease", end(milliseconds))
    fields.add("application", ["$literal": .text(server.application)])
    fields.add("moves", ["$literal": .bool(moves)])
    let query = BSONDocument(fields: [("_id", id)] + condition.fields.map { ($0.name, $0.value) })
    let answer = try server.ask(
      [
        "findAndModify": .text(Collections.meta), "query": .document(query), "update": [["$set": .document(fields)]],
        "new": true, "writeConcern": .onDisk,
      ])
    return answer["value"]?.document?["epoch"]?.int
  }

  /// Who has the lease at this moment; nil: nobody.
  static func holder(on server: MongoServer) throws(StoreError) -> Holder? {
    let filter: BSONDocument = ["_id": id, "$expr": ["$gt": [["$ifNull": ["$lease", .date(0)]], "$$NOW"]]]
    guard let document = try server.first(Find(Collections.meta, filter)) else { return nil }
    let holder = Holder(document)
    return holder.isAlive == false ? nil : holder
  }
}
