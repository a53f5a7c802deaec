internal import Chronology
internal import JobModel

/// Writes what runs log, and keeps it within its quotas: the lines of the oldest runs make room, of a job that has more
/// than its share first. Lines are no part of a commit: a lost one is not an error.
///
/// Owned by the writer's thread.
struct LogWriter {
  private let server: MongoServer
  private var lastLine: Int64 = 0
  private var jobLimit: Int
  private var limit: Int
  /// Bytes that jobs, and all of them, have added since their share was counted.
  private var fresh: [String: Int] = [:]
  private var freshBytes = 0
  /// Runs of which the lines are removed at once.
  private static let runsPerSlice = 64

  init(_ server: MongoServer, _ retention: Retention) {
    self.server = server
    jobLimit = retention.logBytesPerJob
    limit = retention.logBytes
  }

  mutating func set(_ retention: Retention) {
    jobLimit = retention.logBytesPerJob
    limit = retention.logBytes
    freshBytes = limit
  }

  mutating func write(_ lines: [RunLogLine]) {
    var updates: [BSON] = []
    var added: [RunID: (job: String, bytes: Int)] = [:]
    for line in lines {
      var number: Int64 = 0
      if !line.isProgress {
        // The instant, made unique: it rises within a run even when its second part is logged by another process.
        lastLine = max(lastLine + 1, line.at.nanoseconds)
        number = lastLine
        added[line.run, default: (line.job, 0)].bytes += line.bytes
      }
      updates.append(
        [
          "q": ["_id": LogDocuments.key(run: line.run.number, number: number)],
          "u": .document(LogDocuments.document(line)), "upsert": true,
        ])
    }
    send(updates, to: Collections.log)
    let sizes = added.map { run, size -> BSON in
      [
        "q": ["_id": .int(run.number)], "upsert": true,
        "u": ["$inc": ["bytes": .int(Int64(size.bytes))], "$set": ["job": .text(size.job)]],
      ]
    }
    send(sizes, to: Collections.logSizes)
    for (job, bytes) in added.values {
      fresh[job, default: 0] += bytes
      freshBytes += bytes
    }
    trim()
  }

  private func send(_ updates: [BSON], to collection: String) {
    let entries = updates.map(\.encoded)
    for range in Portions.ranges(of: entries.map(\.count)) {
      let some = BSON.array(entries[range].map { .encoded($0) })
      _ = try? server.run(["update": .text(collection), "updates": some, "ordered": false])
    }
  }

  private mutating func trim() {
    for (job, bytes) in fresh where bytes >= jobLimit / 8 {
      fresh[job] = nil
      reduce(["job": .text(job)], from: jobLimit, to: jobLimit - jobLimit / 8)
    }
    // Jobs that are gone leave their names here; forgetting a share delays nothing for long.
    if fresh.count > 10_000 { fresh = [:] }
    guard freshBytes >= limit / 16 else { return }
    freshBytes = 0
    reduce([:], from: limit, to: limit - limit / 16)
  }

  /// Removes lines of the oldest runs that `filter` finds until `least` bytes are left, if there are more than `most`.
  /// The newest one keeps its lines: somebody is reading them.
  private func reduce(_ filter: BSONDocument, from most: Int, to least: Int) {
    let group: BSON = ["$group": ["_id": .null, "bytes": ["$sum": "$bytes"]]]
    let command: BSONDocument = [
      "aggregate": .text(Collections.logSizes), "pipeline": [["$match": .document(filter)], group], "cursor": [:],
    ]
    let sum = (try? server.run(command))?["cursor"]?.document?["firstBatch"]?.array?.first?.document
    guard var bytes = sum?.count("bytes"), bytes > most else { return }
    while bytes > least {
      let find = Find(Collections.logSizes, filter, sort: ["_id": 1], limit: Self.runsPerSlice + 1)
      guard let found = try? server.all(find, { $0 }), found.count > 1 else { return }
      var gone: [Int64] = []
      for document in found.dropLast() where bytes > least {
        guard let run = document["_id"]?.int else { continue }
        gone.append(run)
        bytes -= document.count("bytes")
      }
      Self.remove(gone, on: server)
    }
  }

  /// Runs are gone: their steps go.
  static func removeSteps(of runs: [Int64], on server: MongoServer) {
    guard !runs.isEmpty else { return }
    let steps = runs.map { run -> BSON in ["q": ["_id": StepDocuments.keys(of: run)], "limit": 0] }
    _ = try? server.run(["delete": .text(Collections.steps), "deletes": .array(steps), "ordered": false])
  }

  /// Runs are gone, or make room: their lines go.
  static func remove(_ runs: [Int64], on server: MongoServer) {
    guard !runs.isEmpty else { return }
    let lines = runs.map { run -> BSON in ["q": ["_id": LogDocuments.keys(of: run, from: 0)], "limit": 0] }
    _ = try? server.run(["delete": .text(Collections.log), "deletes": .array(lines), "ordered": false])
    let sizes: BSON = ["q": ["_id": ["$in": .array(runs.map { .int($0) })]], "limit": 0]
    _ = try? server.run(["delete": .text(Collections.logSizes), "deletes": [sizes]])
  }
}
