internal import Chronology
package import JobModel

extension MongoStore: TransferableStore {
  /// Each commit has a number and a name.
  package func fingerprint() throws(StoreError) -> String {
    let state = try reader.state()
    return "\(location) \(state.sequence) \(state.commit)"
  }

  package func count(of section: StoreSection) throws(StoreError) -> Int {
    try reader.count(Self.collection(of: section), ["gone": .null])
  }

  private static func collection(of section: StoreSection) -> String {
    switch section {
    case .schedules: Collections.schedules
    case .runs: Collections.runs
    case .steps: Collections.steps
    case .intents: Collections.intents
    case .log: Collections.log
    case .decisions: Collections.decisions
    case .keyValues: Collections.keyValues
    case .files: Collections.files
    case .audit: Collections.audit
    }
  }

  package func counters() throws(StoreError) -> StoreCounters {
    let state = try reader.state()
    var counters = StoreCounters()
    counters.clockEpoch = state.clockEpoch
    counters.pause = state.pause
    counters.highestRun = state.highestRun
    counters.keyValueVersion = state.keyValueVersion
    return counters
  }

  // MARK: Out of it

  /// In the order of the documents' ids. The cursor is the last one, as BSON in hexadecimal digits.
  package func page(of section: StoreSection, after cursor: String?) throws(StoreError) -> StorePage {
    var filter: BSONDocument = ["gone": .null]
    if let cursor {
      guard let last = BSONDocument(Self.bytes(hex: cursor))?["_id"] else {
        throw server.failure.unreadable("a mark of a migration")
      }
      filter.add("_id", ["$gt": last])
    }
    let find = Find(
      Self.collection(of: section), filter, sort: ["_id": 1], limit: StorePage.mostRows + 1)
    let documents = try server.all(find) { $0 }
    let texts = try TextReader(of: [.runs, .steps].contains(section) ? documents : [], on: server)
    var page = StorePage()
    var last: BSON?
    for document in documents {
      guard try page.add(row(document, of: section, texts)) else {
        page.next = last.map { Self.hex((["_id": $0] as BSONDocument).bytes) }
        break
      }
      last = document["_id"]
    }
    return page
  }

  private func row(
    _ document: BSONDocument, of section: StoreSection, _ texts: borrowing TextReader
  ) throws(StoreError) -> StoreRow {
    let failure = server.failure
    switch section {
    case .schedules: return .schedule(try ScheduleDocuments.record(document, failure: failure))
    case .runs: return .run(try RunDocuments.record(document, texts: texts, failure: failure))
    case .steps: return .step(try StepDocuments.step(document, texts: texts, failure: failure))
    case .intents: return .intent(IntentDocuments.intent(document))
    case .log: return .logLine(LogDocuments.line(document), number: LogDocuments.number(document))
    case .decisions:
      return .decision(
        try DecisionDocuments.range(document, failure: failure), sequence: document["sequence"]?.int ?? 0)
    case .keyValues:
      guard let id = document["_id"]?.document, let space = id["space"]?.text, let key = id["key"]?.text else {
        throw failure.unreadable("a value")
      }
      return .keyValue(KeyValueDocuments.value(document), key: key, space: space)
    case .files:
      guard let mark = FileDocuments.mark(document) else { throw failure.unreadable("a mark of a file") }
      return .file(mark)
    case .audit: return .audit(AuditDocuments.line(document))
    }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func bytes(hex: String) -> [UInt8] {
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count - 1, by: 2).compactMap {
      UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)
    }
  }

  // MARK: Into it

  package func transferMark() throws(StoreError) -> String? { try reader.state().transfer }

  /// Rows first, then the mark.
  package func receive(_ rows: [StoreRow], mark: String) throws(StoreError) {
    try proveAlone()
    var texts = LongTexts()
    var updates: [String: [BSON]] = [:]
    for row in rows {
      let (section, key, document) = Self.document(row, &texts)
      let change = Change(Self.collection(of: section), key, .put(document))
      updates[change.collection, default: []].append(change.replacement)
    }
    for (hash, text) in texts.texts {
      updates[Collections.texts, default: []].append(Self.entry(hash, text))
    }
    for (collection, entries) in updates { try send(entries, to: collection) }
    try set(["transfer": .text(mark)])
  }

  /// A text that is there already is not made old: a host counts on what it has written lately.
  static func entry(_ hash: [UInt8], _ text: String) -> BSON {
    let fields: BSON = ["text": .text(text), "at": .date(0)]
    return ["q": ["_id": .bytes(hash)], "u": ["$setOnInsert": fields], "upsert": true]
  }

  private static func document(_ row: StoreRow, _ texts: inout LongTexts) -> (StoreSection, BSON, BSONDocument) {
    switch row {
    case .schedule(let record):
      let key = ScheduleDocuments.key(ScheduleKey(job: record.job, id: record.id))
      return (.schedules, key, ScheduleDocuments.document(record))
    case .run(let run): return (.runs, .int(run.id.number), RunDocuments.document(run, texts: &texts))
    case .step(let step):
      let key = StepDocuments.key(run: step.run.number, position: Int64(step.position))
      return (.steps, key, StepDocuments.document(step, texts: &texts))
    case .intent(let intent): return (.intents, .int(intent.id), IntentDocuments.document(intent))
    case .logLine(let line, let number):
      return (.log, LogDocuments.key(run: line.run.number, number: number), LogDocuments.document(line))
    case .decision(let range, let sequence):
      let key = DecisionDocuments.key(job: range.job, sequence: sequence)
      return (.decisions, key, DecisionDocuments.document(range, sequence: sequence))
    case .keyValue(let value, let key, let space):
      return (.keyValues, KeyValueDocuments.key(key, in: space), KeyValueDocuments.document(value))
    case .file(let mark):
      let version = mark.version ?? FileVersion(device: 0, inode: 0, size: 0, modified: 0)
      return (.files, FileDocuments.key(job: mark.job, path: mark.path), FileDocuments.document(mark, version))
    case .audit(let line): return (.audit, .int(line.id), AuditDocuments.document(line))
    }
  }

  private func send(_ entries: [BSON], to collection: String) throws(StoreError) {
    for start in stride(from: 0, to: entries.count, by: 500) {
      let some = BSON.array(Array(entries[start..<min(entries.count, start + 500)]))
      let answer = try server.ask(
        [
          "update": .text(collection), "updates": some, "ordered": false,
          "writeConcern": .onDisk,
        ])
      do throws(ServerError) { try StoreWriter.check(answer, ignoresDuplicates: false) } catch {
        throw server.failure.error(error)
      }
    }
  }

  /// Changes the document `store`, as long as nobody else has it.
  private func set(_ fields: BSONDocument) throws(StoreError) {
    guard let lease else { throw server.failure.onlyRead }
    let entry: BSON = [
      "q": ["_id": StoreState.id, "epoch": .int(lease.epoch)], "u": ["$set": .document(fields)],
    ]
    let answer = try server.ask(
      ["update": .text(Collections.meta), "updates": [entry], "writeConcern": .onDisk])
    guard answer["n"]?.int == 1 else { throw server.failure.lost("it came later") }
  }

  private func proveAlone() throws(StoreError) {
    guard let lease else { throw server.failure.onlyRead }
    guard try reader.state().epoch == lease.epoch else { throw server.failure.lost("it came later") }
  }

  package func finishTransfer(_ counters: StoreCounters) throws(StoreError) {
    try countLog()
    try countValues()
    let newest = try server.first(Find(Collections.audit, sort: ["_id": -1]))
    let intent = try server.first(Find(Collections.intents, sort: ["_id": -1]))
    try set(
      [
        "clock_epoch": .int(Int64(counters.clockEpoch.number)),
        "pause": counters.pause.map { .document(PauseDocuments.document($0)) } ?? .null,
        "highest_run": .int(counters.highestRun), "kv_version": .int(counters.keyValueVersion),
        "highest_intent": intent?["_id"] ?? 0, "highest_audit": newest?["_id"] ?? 0, "transfer": .null,
      ])
  }

  /// What the lines of each run take, for their quota.
  private func countLog() throws(StoreError) {
    let length: BSON = [
      "$add": [
        ["$strLenBytes": "$message"], ["$strLenBytes": ["$ifNull": ["$fields", ""]]],
        .int(Int64(RunLogLine.overhead)),
      ]
    ]
    let group: BSON = [
      "$group": ["_id": "$_id.run", "job": ["$first": "$job"], "bytes": ["$sum": length]]
    ]
    let pipeline: BSON = [["$match": ["_id.number": ["$ne": 0]]], group, ["$out": .text(Collections.logSizes)]]
    try server.ask(
      ["aggregate": .text(Collections.log), "pipeline": pipeline, "cursor": [:], "writeConcern": .onDisk])
  }

  private func countValues() throws(StoreError) {
    let length: BSON = ["$add": [["$strLenBytes": "$_id.key"], ["$strLenBytes": "$value"]]]
    let group: BSON = ["$group": ["_id": "$_id.space", "bytes": ["$sum": length]]]
    let pipeline: BSON = [
      ["$match": ["gone": .null]], group, ["$addFields": ["v": 0]], ["$out": .text(Collections.keyValueSizes)],
    ]
    try server.ask(
      ["aggregate": .text(Collections.keyValues), "pipeline": pipeline, "cursor": [:], "writeConcern": .onDisk])
  }

  package func clear(mark: String) throws(StoreError) {
    // Nobody goes on from this mark: what a cut leaves of the former contents is removed by the next one.
    // They were applied when the store was opened; without their parts nobody could apply them again.
    try set(["transfer": "being cleared", "journals": [], "journal": .null])
    for collection in Collections.contents {
      let answer = try server.ask(
        ["delete": .text(collection), "deletes": [["q": [:], "limit": 0]], "writeConcern": .onDisk])
      do throws(ServerError) { try StoreWriter.check(answer, ignoresDuplicates: false) } catch {
        throw server.failure.error(error)
      }
    }
    try set(
      [
        "clock_epoch": 0, "pause": .null, "highest_run": 0, "kv_version": 0, "highest_audit": 0, "highest_intent": 0,
        "transfer": .text(mark),
      ])
  }
}
