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
    let mustStart = state.change { state in
      state.runs.append(run.number)
      return state.thread == nil
    }
    guard mustStart else { return }
    let thread = try StoreThread(name: "mongo-external") { [self] in renew() }
    state.change { $0.thread = thread }
  }

  private func renew() {
    while true {
      let runs = state.wait(
        until: monotonicNow() + HostLease.length * 1_000_000 / 3, for: { $0.isClosed ? [] as [Int64] : nil })
      if runs != nil { return }
      let ids = BSON.array(state.withLock { $0.runs }.map { .int($0) })
      let entry: BSON = ["q": ["_id": ["$in": ids]], "u": [["$set": ["lease": HostLease.end()]]], "multi": true]
      _ = try? server.run(["update": .text(Collections.external), "updates": [entry], "writeConcern": .onDisk])
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
    _ = try? server.run(["delete": .text(Collections.external), "deletes": [entry]])
  }

  /// The runs among `runs` whose process is alive alongside the host.
  static func alive(among runs: [RunRecord], on server: MongoServer) throws(StoreError) -> Set<RunID> {
    guard !runs.isEmpty else { return [] }
    let ids = BSON.array(runs.map { .int($0.id.number) })
    let isLeased: BSON = ["$gt": [["$ifNull": ["$lease", .date(0)]], "$$NOW"]]
    let found = try server.all(Find(Collections.external, ["_id": ["$in": ids], "$expr": isLeased])) { $0 }
    return Set(
      found.filter { Holder($0).isAlive != false }.compactMap { $0["_id"]?.int.map { RunID($0) } })
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
