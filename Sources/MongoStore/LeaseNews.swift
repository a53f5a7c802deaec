internal import JobModel

extension MongoServer {
  /// Waits until somebody gives the lease back or takes it: a replica set tells that by itself, in a change stream.
  ///
  /// - Parameters:
  ///   - milliseconds: for how long at most.
  ///   - isFree: asked when the stream is there: what happened before is not in it.
  /// - Returns: false when the server tells nothing, or is away: then it has not waited.
  func awaitLeaseChange(upTo milliseconds: Int64, unless isFree: () throws(StoreError) -> Bool) -> Bool {
    // A renewal is nobody's business.
    let isNews: BSON = [
      "documentKey._id": HostLease.id,
      "$or": [
        ["operationType": ["$ne": "update"]], ["updateDescription.removedFields": "lease"],
        ["updateDescription.updatedFields.epoch": ["$exists": true]],
      ],
    ]
    let open: BSONDocument = [
      "aggregate": .text(Collections.meta), "pipeline": [["$changeStream": [:]], ["$match": isNews]], "cursor": [:],
    ]
    do throws(ServerError) {
      try withClient { (client) throws(ServerError) in
        try client.conversation { (session) throws(ServerError) in
          let stream = try client.run(open, in: session)["cursor"]?.document
          guard let id = stream?["id"]?.int, id != 0 else { throw ServerError(code: 1, text: "there is no stream") }
          defer { _ = try? client.run(["killCursors": .text(Collections.meta), "cursors": [.int(id)]], in: session) }
          do throws(StoreError) { if try isFree() { return } } catch { throw ServerError(error) }
          let more: BSONDocument = [
            "getMore": .int(id), "collection": .text(Collections.meta), "maxTimeMS": .int(milliseconds),
          ]
          _ = try client.run(more, in: session)
        }
      }
      return true
    } catch { return false }
  }
}
