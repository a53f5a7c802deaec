internal import Basics
internal import Chronology
internal import JobModel

/// The `kv` of a MongoDB store. Changes join the writer's next commit; questions are answered by a few threads of their
/// own, because the caller (a worker of scripts) must not wait for the network.
final class MongoKeyValues: KeyValueStore {
  private let server: MongoServer
  private let loop: WriterLoop?
  /// Whether a failover could take back what is only on one server.
  private let isReplicated: Bool
  private let pool = BlockingPool(name: "mongo-kv", threads: 2)

  init(server: MongoServer, loop: WriterLoop?, isReplicated: Bool) {
    self.server = server
    self.isReplicated = isReplicated
    self.loop = loop
  }

  func value(
    of key: String, in space: String, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<KeyValue?>, StoreError>) -> Void
  ) {
    ask(completion) { [isReplicated] server throws(StoreError) in
      let filter: BSONDocument = [
        "_id": KeyValueDocuments.key(key, in: space), "gone": .null, "$or": KeyValueDocuments.live(at: now),
      ]
      var find = Find(Collections.keyValues, filter)
      find.isOfMajority = isReplicated
      guard let document = try server.first(find) else { return .value(nil) }
      let value = KeyValueDocuments.value(document)
      let size = value.value.text.utf8.count
      return size <= bytes ? .value(value) : .larger(size)
    }
  }

  func keys(
    prefix: String, in space: String, limit: Int, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<[String]>, StoreError>) -> Void
  ) {
    ask(completion) { [isReplicated] server throws(StoreError) in
      var keys: [String] = []
      var size = 0
      guard limit > 0 else { return .value(keys) }
      // In byte order from the prefix on; it ends at the first key without it.
      let range: BSON = [
        "$gte": KeyValueDocuments.key(prefix, in: space), "$lt": ["space": .text(space), "key": [:]],
      ]
      let filter: BSONDocument = ["_id": range, "gone": .null, "$or": KeyValueDocuments.live(at: now)]
      var find = Find(Collections.keyValues, filter, sort: ["_id": 1])
      find.fields = ["_id": 1]
      find.isOfMajority = isReplicated
      try server.find(find) { document in
        guard let key = document["_id"]?.document?["key"]?.text, key.utf8.starts(with: prefix.utf8) else {
          return false
        }
        size += key.utf8.count + Self.keyOverhead
        if size > bytes { return false }
        keys.append(key)
        return keys.count < limit
      }
      return size <= bytes ? .value(keys) : .larger(size)
    }
  }

  func change(
    _ change: KeyValueChange, at now: Instant, completion: @escaping @Sendable (Result<Bool, StoreError>) -> Void
  ) {
    guard let loop else { return completion(.failure(server.failure.onlyRead)) }
    loop.submit(.keyValue(change, now, completion))
  }

  /// Answers what is waiting, then ends the threads.
  func close() { pool.stop() }

  private func ask<Answer: Sendable>(
    _ completion: @escaping @Sendable (Result<Answer, StoreError>) -> Void,
    _ question: @escaping @Sendable (MongoServer) throws(StoreError) -> Answer
  ) {
    let isTaken = pool.run { [server] in
      do throws(StoreError) { completion(.success(try question(server))) } catch { completion(.failure(error)) }
    }
    if !isTaken { completion(.failure(StoreError(.io, "\(server.failure.location): \(pool.refusal)"))) }
  }
}
