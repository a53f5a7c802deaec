internal import Basics
internal import Chronology
internal import JobModel

/// The right to schedule from a store: the document `host` of `meta`, with an epoch and an end by the server's clock.
///
/// It keeps a second host out. What keeps a former one from writing is the epoch, which each commit proves
/// (``StoreState``): a lease that ended while the server was away is simply taken again, unless somebody else has it.
///
/// A host that was killed leaves its lease behind. On the machine where it ran the next one sees that its process is
/// gone; elsewhere it waits for the end.
final class HostLease: Sendable {
  static let id: BSON = "host"
  /// Milliseconds.
  static let length: Int64 = 15_000

  let epoch: Int64
  private let server: MongoServer
  private let isEnding = Monitor(false)
  private let thread: NamedThread

  /// Takes the lease. Blocks until the former one is over, if that may be.
  ///
  /// - Throws: `.locked` when a host has it.
  init(taking server: MongoServer, now: Instant, ignoringOthers: Bool) throws(StoreError) {
    self.server = server
    let me = Holder(now: now)
    epoch = try Self.take(server, me, ignoringOthers)
    let (ending, taken) = (isEnding, epoch)
    do throws(ThreadError) {
      thread = try NamedThread("mongo-lease") {
        // Three chances before it ends.
        while ending.wait(until: monotonicNow() + Self.length * 1_000_000 / 3, for: { $0 ? true : nil }) == nil {
          // A server that is away is the writer's to tell.
          _ = try? server.run(Self.renewal(of: taken))
        }
      }
    } catch {
      throw StoreError(.io, "\(error)")
    }
  }

  /// Gives it back, so that the next host need not wait.
  func release() {
    isEnding.change { $0 = true }
    thread.join()
    let entry: BSON = [
      "q": ["_id": Self.id, "epoch": .int(epoch)], "u": ["$unset": ["lease": ""]],
    ]
    _ = try? server.run(["update": .text(Collections.meta), "updates": [entry]])
  }

  /// When a lease that is taken or renewed now ends, in an update that is a pipeline.
  static let end: BSON = ["$add": ["$$NOW", .int(length)]]

  private static func renewal(of epoch: Int64) -> BSONDocument {
    let entry: BSON = ["q": ["_id": id, "epoch": .int(epoch)], "u": [["$set": ["lease": end]]]]
    return ["update": .text(Collections.meta), "updates": [entry]]
  }

  private static func take(
    _ server: MongoServer, _ me: Holder, _ ignoringOthers: Bool
  ) throws(StoreError) -> Int64 {
    if ignoringOthers, let epoch = try attempt(server, me, [:]) { return epoch }
    let deadline = monotonicNow() + (length + 2_000) * 1_000_000
    var seen: Int64?
    while true {
      if let epoch = try attempt(server, me, ["$expr": ["$lte": [["$ifNull": ["$lease", .date(0)]], "$$NOW"]]]) {
        return epoch
      }
      let document = try server.first(Find(Collections.meta, ["_id": id])) ?? [:]
      let holder = Holder(document)
      if holder.isAlive == false, let epoch = try attempt(server, me, ["epoch": document["epoch"] ?? 0]) {
        return epoch
      }
      let lease = document["lease"]?.date
      // It was renewed meanwhile: its host is alive, wherever that is.
      guard holder.isAlive != true, seen == nil || seen == lease, monotonicNow() < deadline else {
        throw server.failure.locked(holder.description)
      }
      seen = lease
      _ = Monitor(false).wait(until: monotonicNow() + 500_000_000, for: { $0 ? true : nil })
    }
  }

  /// nil: the condition does not hold.
  private static func attempt(
    _ server: MongoServer, _ me: Holder, _ condition: BSONDocument
  ) throws(StoreError) -> Int64? {
    var fields = BSONDocument(fields: me.fields.map { ($0.0, ["$literal": $0.1]) })
    fields.add("epoch", ["$add": [["$ifNull": ["$epoch", 0]], 1]])
    fields.add("lease", end)
    let query = BSONDocument(fields: [("_id", id)] + condition.fields.map { ($0.name, $0.value) })
    let answer = try server.ask(
      [
        "findAndModify": .text(Collections.meta), "query": .document(query), "update": [["$set": .document(fields)]],
        "new": true, "writeConcern": ["w": "majority"],
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
