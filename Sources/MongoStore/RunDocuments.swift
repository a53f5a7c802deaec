internal import Chronology
internal import JobModel

/// How a `RunRecord` lies in `runs`, both ways.
enum RunDocuments {
  static func document(_ run: RunRecord, texts: inout LongTexts) -> BSONDocument {
    var document: BSONDocument = ["job": .text(run.job), "cause": .text(run.cause.rawValue)]
    document.add("outcome", run.outcome?.rawValue)
    document.add("scheduled_at", run.scheduledAt.nanoseconds)
    document.add("clock_epoch", Int64(run.clockEpoch.number))
    document.add("missed", Int64(run.missed))
    document.add("claimed_at", run.claimedAt?.nanoseconds)
    document.add("started_at", run.startedAt?.nanoseconds)
    document.add("finished_at", run.finishedAt?.nanoseconds)
    document.add("attempts", Int64(run.attempts))
    document.add("memory_peak", Int64(run.memoryPeakBytes))
    document.add("duration", run.duration)
    guard !run.isPlain else { return document }
    addDetails(of: run, to: &document, texts: &texts)
    return document
  }

  private static func addDetails(of run: RunRecord, to document: inout BSONDocument, texts: inout LongTexts) {
    document.add("schedule", run.schedule)
    document.add("recovers", run.recovers?.number)
    document.add("retried_at", run.retriedAt?.nanoseconds)
    document.add("resumes_at", run.resumesAt?.nanoseconds)
    if let park = run.park {
      var parked: BSONDocument = ["position": .int(Int64(park.position))]
      parked.add("until", park.until?.nanoseconds)
      parked.add("event", park.event)
      document.add("park", .document(parked))
    }
    document.add("error_file", run.error?.file)
    document.add("error_line", run.error?.line.map { Int64($0) })
    var hashes: [BSON] = []
    let long = [
      ("error", run.error?.message), ("traceback", run.error?.traceback), ("error_data", run.error?.data),
      ("result", run.result?.text), ("params", run.params?.text), ("event", run.event?.text),
    ]
    for (name, text) in long {
      guard let text else { continue }
      let value = texts.value(text)
      if value.bytes != nil { hashes.append(value) }
      document.add(name, value)
    }
    if !hashes.isEmpty { document.add("texts", .array(hashes)) }
  }

  /// - Parameter texts: finds long ones.
  static func record(
    _ document: BSONDocument, texts: borrowing TextReader, failure: MongoFailure
  ) throws(StoreError) -> RunRecord {
    guard let id = document["_id"]?.int, let job = document["job"]?.text,
      let cause = document["cause"]?.text.flatMap({ RunCause(rawValue: $0) })
    else { throw failure.unreadable("a run") }
    var run = RunRecord(
      id: RunID(id), job: job, cause: cause, scheduledAt: document.instant("scheduled_at") ?? .epoch)
    run.clockEpoch = document.epoch("clock_epoch")
    run.missed = document.count("missed")
    run.claimedAt = document.instant("claimed_at")
    run.startedAt = document.instant("started_at")
    run.finishedAt = document.instant("finished_at")
    run.attempts = Int32(clamping: document.count("attempts"))
    if let word = document["outcome"]?.text {
      guard let outcome = Outcome(rawValue: word) else { throw failure.unreadable("the outcome of run \(id)") }
      run.outcome = outcome
    }
    run.memoryPeakBytes = document.count("memory_peak")
    run.duration = min(max(0, document["duration"]?.int ?? 0), 1 << 62)
    if let message = try texts.text(document["error"]) {
      run.error = RunError(
        message: message, file: document["error_file"]?.text, line: document["error_line"]?.int.map { Int($0) },
        traceback: try texts.text(document["traceback"]), data: try texts.text(document["error_data"]))
    }
    run.result = try texts.text(document["result"]).map { JSONText($0) }
    run.params = try texts.text(document["params"]).map { JSONText($0) }
    run.event = try texts.text(document["event"]).map { JSONText($0) }
    run.recovers = document["recovers"]?.int.map { RunID($0) }
    run.schedule = document["schedule"]?.text
    run.retriedAt = document.instant("retried_at")
    run.resumesAt = document.instant("resumes_at")
    run.park = document["park"]?.document.map {
      RunPark(
        position: Int32(clamping: $0["position"]?.int ?? 0), until: $0.instant("until"), event: $0["event"]?.text)
    }
    return run
  }
}

/// Finds long texts by their hashes; of one question, each once.
struct TextReader: ~Copyable {
  private var known: [[UInt8]: String] = [:]
  private let failure: MongoFailure

  /// Reads those that the documents name.
  init(of documents: [BSONDocument], on server: MongoServer) throws(StoreError) {
    failure = server.failure
    var wanted: Set<[UInt8]> = []
    for document in documents {
      for value in document["texts"]?.array ?? [] { if let hash = value.bytes { wanted.insert(hash) } }
    }
    // A few at a time: one answer has 16 MB at most, and a text may have one.
    var rest = Array(wanted)
    while !rest.isEmpty {
      let some = rest.suffix(200)
      rest.removeLast(some.count)
      let hashes = BSON.array(some.map { .bytes($0) })
      try server.find(Find(Collections.texts, ["_id": ["$in": hashes]])) { document in
        if let hash = document["_id"]?.bytes { known[hash] = document["text"]?.text }
        return true
      }
    }
  }

  func text(_ value: BSON?) throws(StoreError) -> String? {
    guard let hash = value?.bytes else { return value?.text }
    guard let text = known[hash] else { throw failure.unreadable("a text of a run (it is missing)") }
    return text
  }
}

extension BSONDocument {
  func instant(_ name: String) -> Instant? { self[name]?.int.map { Instant(nanoseconds: $0) } }

  /// A number of things, 0...2⁵³: another program may have written any number.
  func count(_ name: String) -> Int { Int(min(max(0, self[name]?.int ?? 0), 1 << 53)) }

  func epoch(_ name: String) -> ClockEpoch {
    ClockEpoch(Int32(min(max(0, self[name]?.int ?? 0), 1_000_000_000)))
  }
}
