internal import Chronology
internal import JobModel

/// How a `RunStep` lies in `steps`, both ways. Its id is its run and its position.
enum StepDocuments {
  static func key(run: Int64, position: Int64) -> BSON { ["run": .int(run), "position": .int(position)] }

  /// All steps of a run, by position.
  static func keys(of run: Int64) -> BSON {
    ["$gte": key(run: run, position: .min), "$lte": key(run: run, position: .max)]
  }

  static func document(_ step: RunStep, texts: inout LongTexts) -> BSONDocument {
    var document: BSONDocument = [
      "kind": .text(step.kind.rawValue), "name": .text(step.name), "attempt": .int(Int64(step.attempt)),
      "started_at": .int(step.startedAt.nanoseconds),
    ]
    document.add("finished_at", step.finishedAt?.nanoseconds)
    document.add("until", step.until?.nanoseconds)
    guard let result = step.result.map({ texts.value($0.text) }) else { return document }
    document.add("result", result)
    if result.bytes != nil { document.add("texts", [result]) }
    return document
  }

  static func step(
    _ document: BSONDocument, texts: borrowing TextReader, failure: MongoFailure
  ) throws(StoreError) -> RunStep {
    guard let id = document["_id"]?.document, let run = id["run"]?.int, let position = id["position"]?.int,
      let kind = document["kind"]?.text.flatMap({ RunStep.Kind(rawValue: $0) })
    else { throw failure.unreadable("a step") }
    var step = RunStep(
      run: RunID(run), position: Int32(clamping: position), kind: kind, name: document["name"]?.text ?? "",
      attempt: Int32(clamping: document.count("attempt")), startedAt: document.instant("started_at") ?? .epoch)
    step.finishedAt = document.instant("finished_at")
    step.until = document.instant("until")
    step.result = try texts.text(document["result"]).map { JSONText($0) }
    return step
  }
}

/// How a `RunIntent` lies in `intents`, both ways.
enum IntentDocuments {
  static func document(_ intent: RunIntent) -> BSONDocument {
    [
      "run": .int(intent.run.number), "position": .int(Int64(intent.position)), "job": .text(intent.job),
      "at": .int(intent.at.nanoseconds), "operations": .text(intent.operations.text),
    ]
  }

  static func intent(_ document: BSONDocument) -> RunIntent {
    RunIntent(
      id: document["_id"]?.int ?? 0, run: RunID(document["run"]?.int ?? 0),
      position: Int32(clamping: document["position"]?.int ?? 0), job: document["job"]?.text ?? "",
      at: document.instant("at") ?? .epoch, operations: JSONText(document["operations"]?.text ?? "[]"))
  }
}

extension MongoReader {
  func steps(of run: RunID) throws(StoreError) -> [RunStep] {
    try steps(Find(Collections.steps, ["_id": StepDocuments.keys(of: run.number), "gone": .null], sort: ["_id": 1]))
  }

  func steps(_ find: Find) throws(StoreError) -> [RunStep] {
    let documents = try server.all(find) { $0 }
    let texts = try TextReader(of: documents, on: server)
    var steps: [RunStep] = []
    for document in documents {
      steps.append(try StepDocuments.step(document, texts: texts, failure: server.failure))
    }
    return steps
  }

  /// What transactions have asked for and nobody has done yet, in their order.
  func intents() throws(StoreError) -> [RunIntent] {
    try server.all(Find(Collections.intents, ["gone": .null], sort: ["_id": 1])) { IntentDocuments.intent($0) }
  }
}
