internal import Chronology
internal import JobModel

/// How a `DecisionRange` lies in `decisions`, both ways. Its id is its job and its sequence.
enum DecisionDocuments {
  static func key(job: String, sequence: Int64) -> BSON { ["job": .text(job), "sequence": .int(sequence)] }

  static func document(_ range: DecisionRange, sequence: Int64) -> BSONDocument {
    var document: BSONDocument = ["job": .text(range.job), "sequence": .int(sequence)]
    document.add("schedule", range.schedule)
    document.add("kind", range.kind.rawValue)
    document.add("reason", range.reason?.rawValue)
    document.add("first", range.first.nanoseconds)
    document.add("last", range.last.nanoseconds)
    document.add("count", Int64(range.count))
    document.add("at_least", .bool(range.isAtLeast))
    document.add("clock_epoch", Int64(range.clockEpoch.number))
    document.add("decided_at", range.decidedAt.nanoseconds)
    document.add("run", range.run?.number)
    return document
  }

  static func range(_ document: BSONDocument, failure: MongoFailure) throws(StoreError) -> DecisionRange {
    guard let job = document["job"]?.text, let kind = document["kind"]?.text.flatMap({ DecisionKind(rawValue: $0) })
    else { throw failure.unreadable("a decision") }
    var reason: SkipReason?
    if let word = document["reason"]?.text {
      guard let known = SkipReason(rawValue: word) else { throw failure.unreadable("the reason of a decision") }
      reason = known
    }
    return DecisionRange(
      job: job, schedule: document["schedule"]?.text, kind: kind, reason: reason,
      first: document.instant("first") ?? .epoch, last: document.instant("last") ?? .epoch,
      count: document.count("count"), isAtLeast: document["at_least"]?.bool ?? false,
      clockEpoch: document.epoch("clock_epoch"), decidedAt: document.instant("decided_at") ?? .epoch,
      run: document["run"]?.int.map { RunID($0) })
  }
}

/// How a `FileMark` lies in `files`, both ways. Its id is its job and its path.
enum FileDocuments {
  static func key(job: String, path: String) -> BSON { ["job": .text(job), "path": .text(path)] }

  static func document(_ mark: FileMark, _ version: FileVersion) -> BSONDocument {
    // Numbers of devices and inodes use all 64 bits; those of BSON are signed.
    var document: BSONDocument = [
      "device": .int(Int64(bitPattern: version.device)), "inode": .int(Int64(bitPattern: version.inode)),
      "size": .int(version.size), "modified": .int(version.modified), "at": .int(mark.at.nanoseconds),
    ]
    document.add("run", mark.run?.number)
    document.add("outcome", mark.outcome?.rawValue)
    return document
  }

  static func mark(_ document: BSONDocument) -> FileMark? {
    guard let key = document["_id"]?.document, let job = key["job"]?.text, let path = key["path"]?.text else {
      return nil
    }
    let version = FileVersion(
      device: UInt64(bitPattern: document["device"]?.int ?? 0), inode: UInt64(bitPattern: document["inode"]?.int ?? 0),
      size: document["size"]?.int ?? 0, modified: document["modified"]?.int ?? 0)
    // An outcome that only a newer version knows counts like none: the file was handled.
    return FileMark(
      job: job, path: path, version: version, run: document["run"]?.int.map { RunID($0) },
      outcome: document["outcome"]?.text.flatMap { Outcome(rawValue: $0) }, at: document.instant("at") ?? .epoch)
  }
}

/// How an `AuditLine` lies in `audit`, both ways.
enum AuditDocuments {
  static func document(_ line: AuditLine) -> BSONDocument {
    var document: BSONDocument = [
      "at": .int(line.at.nanoseconds), "by": .text(line.by), "door": .text(line.door), "action": .text(line.action),
    ]
    document.add("subject", line.subject)
    document.add("details", line.details?.text)
    return document
  }

  static func line(_ document: BSONDocument) -> AuditLine {
    AuditLine(
      id: document["_id"]?.int ?? 0, at: document.instant("at") ?? .epoch, by: document["by"]?.text ?? "",
      door: document["door"]?.text ?? "", action: document["action"]?.text ?? "", subject: document["subject"]?.text,
      details: document["details"]?.text.map { JSONText($0) })
  }
}

/// How log lines lie in `log`: their id is the run and a number that rises within it; 0 is how far the run said it is.
enum LogDocuments {
  static func key(run: Int64, number: Int64) -> BSON { ["run": .int(run), "number": .int(number)] }

  /// All lines of a run, by number.
  static func keys(of run: Int64, from first: Int64) -> BSON {
    ["$gte": key(run: run, number: first), "$lte": key(run: run, number: .max)]
  }

  static func document(_ line: RunLogLine) -> BSONDocument {
    var document: BSONDocument = [
      "job": .text(line.job), "at": .int(line.at.nanoseconds), "level": .text(line.level),
      "message": .text(line.message),
    ]
    document.add("fields", line.fields?.text)
    return document
  }

  static func number(_ document: BSONDocument) -> Int64 { document["_id"]?.document?["number"]?.int ?? 0 }

  static func line(_ document: BSONDocument) -> RunLogLine {
    RunLogLine(
      run: RunID(document["_id"]?.document?["run"]?.int ?? 0), job: document["job"]?.text ?? "",
      at: document.instant("at") ?? .epoch, level: document["level"]?.text ?? "",
      message: document["message"]?.text ?? "", fields: document["fields"]?.text.map { JSONText($0) })
  }
}

/// How values lie in `kv`: their id is the space and the key.
enum KeyValueDocuments {
  static func key(_ key: String, in space: String) -> BSON { ["space": .text(space), "key": .text(key)] }

  static func document(_ value: KeyValue) -> BSONDocument {
    var document: BSONDocument = ["value": .text(value.value.text), "version": .int(value.version)]
    document.add("expires_at", value.expiresAt?.nanoseconds)
    return document
  }

  static func value(_ document: BSONDocument) -> KeyValue {
    KeyValue(
      value: JSONText(document["value"]?.text ?? "null"), version: document["version"]?.int ?? 0,
      expiresAt: document.instant("expires_at"))
  }

  /// Those that are there at an instant.
  static func live(at now: Instant) -> BSON { [["expires_at": .null], ["expires_at": ["$gt": .int(now.nanoseconds)]]] }
}
