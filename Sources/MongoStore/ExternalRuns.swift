internal import Basics
internal import Chronology
package import JobModel
internal import StoreSupport

/// Says which runs belong to living processes alongside the host: each has a document in `external` under a lease by
/// the server's clock, which the process renews until it closes the store. So a host that starts never ends, or
/// repeats, a run that is alive, and does end one whose process died.
final class ExternalRuns: Sendable {
  private struct State {
    var runs: [Int64] = []
    var thread: StoreThread?
    var isClosed = false
  }
  private let server: MongoServer
  private let holder: Holder
  private let state = Monitor(State())

  init(server: MongoServer, now: Instant) {
    self.server = server
    holder = Holder(now: now)
  }

  /// Marks `run` as alive until this is closed.
  func mark(_ run: RunID) throws(StoreError) {
    var fields = BSONDocument(fields: holder.fields.map { ($0.0, ["$literal": $0.1]) })
    fields.add("lease", HostLease.end())
    let entry: BSON = ["q": ["_id": .int(run.number)], "u": [["$set": .document(fields)]], "upsert": true]
    try server.ask(
      ["update": .text(Collections.external), "updates": [entry], "writeConcern": .onDisk])
    try state.withLock { state throws(StoreError) in
      state.runs.append(run.number)
      if state.thread == nil { state.thread = try StoreThread(name: "mongo-external") { [self] in renew() } }
    }
  }

  private static let period = HostLease.length * 1_000_000 / 3

  private func renew() {
    var pause = Self.period
    while true {
      if state.wait(until: monotonicNow() + pause, for: { $0.isClosed ? true : nil }) != nil { return }
      let ids = BSON.array(state.withLock { $0.runs }.map { .int($0) })
      let entry: BSON = ["q": ["_id": ["$in": ids]], "u": [["$set": ["lease": HostLease.end()]]], "multi": true]
      do throws(ServerError) {
        try server.run(["update": .text(Collections.external), "updates": [entry], "writeConcern": .onDisk])
        pause = Self.period
      } catch {
        // A server that was away is told as soon as it is back: a host that starts then looks.
        pause = Self.period / 16
      }
    }
  }

  func close() {
    let (thread, runs) = state.change { state in
      state.isClosed = true
      return (state.thread.take(), state.runs)
    }
    thread?.join()
    guard !runs.isEmpty else { return }
    let entry: BSON = ["q": ["_id": ["$in": .array(runs.map { .int($0) })]], "limit": 0]
    _ = try? server.run(["delete": .text(Collections.external), "deletes": [entry], "writeConcern": .onDisk])
  }

  /// The runs among `runs` whose process is alive alongside the host.
  static func alive(among runs: [RunRecord], on server: MongoServer) throws(StoreError) -> Set<RunID> {
    guard !runs.isEmpty else { return [] }
    let ids = BSON.array(runs.map { .int($0.id.number) })
    let found = try server.all(Find(Collections.external, ["_id": ["$in": ids]])) { $0 }
    guard !found.isEmpty else { return [] }
    let isLeased: BSON = ["$gt": [["$ifNull": ["$lease", .date(0)]], "$$NOW"]]
    let leased = Set(
      try server.all(Find(Collections.external, ["_id": ["$in": ids], "$expr": isLeased])) { $0["_id"]?.int ?? 0 })
    let alive = found.compactMap { document -> RunID? in
      guard let id = document["_id"]?.int else { return nil }
      // What can be seen from here counts more than a lease, which nobody could renew while the server was away.
      return Holder(document).isAlive ?? leased.contains(id) ? RunID(id) : nil
    }
    return Set(alive)
  }
}

extension MongoStore: ExternalRunStore {
  package func externalRunID() throws(StoreError) -> RunID {
    guard let external else {
      throw StoreError(
        .readOnly, "\(location): the store is not open alongside a host: it has no ids for runs of others")
    }
    let id = try takeRunID()
    try external.mark(id)
    return id
  }
}
