internal import Chronology
internal import JobModel

/// How a `ScheduleRecord` lies in `schedules`, both ways. A job's own has the id `j` and its name, a dynamic one `d`
/// and its id.
enum ScheduleDocuments {
  static func key(_ key: ScheduleKey) -> BSON {
    switch key {
    case .job(let name): .text("j" + name)
    case .dynamic(let id): .text("d" + id)
    }
  }

  static func document(_ record: ScheduleRecord) -> BSONDocument {
    var document: BSONDocument = ["job": .text(record.job)]
    document.add("id", record.id)
    document.add("trigger", record.trigger)
    document.add("registered_at", record.registeredAt.nanoseconds)
    document.add("anchor", record.anchor?.nanoseconds)
    for (name, value) in moved(record.nextFire, record.lastFire, record.fireCount).fields { document.add(name, value) }
    document.add("clock_epoch", Int64(record.clockEpoch.number))
    document.add("paused", .bool(record.isPaused))
    document.add("orphaned_at", record.orphanedAt?.nanoseconds)
    if !record.arrivals.isEmpty {
      document.add("arrivals", .array(record.arrivals.map { ["job": .text($0.job), "run": .int($0.run.number)] }))
    }
    document.add("pause", record.pause.map { .document(PauseDocuments.document($0)) })
    guard let options = record.dynamic?.options else { return document }
    document.add("params", options.params?.text)
    document.add("jitter", options.jitter)
    document.add("time_zone", options.timeZone)
    document.add("misfire_grace", options.misfireGraceTime)
    document.add("coalesce", options.coalesce.map { BSON.text("\($0)") })
    document.add("max_instances", options.maxInstances.map { Int64($0) })
    document.add("priority", options.priority.map { Int64($0) })
    return document
  }

  /// The fields that a fire changes.
  static func moved(_ next: Instant?, _ last: Instant?, _ count: Int) -> BSONDocument {
    [
      "next_fire": next.map { .int($0.nanoseconds) } ?? .null, "last_fire": last.map { .int($0.nanoseconds) } ?? .null,
      "fire_count": .int(Int64(count)),
    ]
  }

  static func record(_ document: BSONDocument, failure: MongoFailure) throws(StoreError) -> ScheduleRecord {
    guard let job = document["job"]?.text else { throw failure.unreadable("a schedule") }
    var record = ScheduleRecord(
      job: job, trigger: document["trigger"]?.text, registeredAt: document.instant("registered_at") ?? .epoch)
    record.nextFire = document.instant("next_fire")
    record.anchor = document.instant("anchor")
    record.lastFire = document.instant("last_fire")
    record.fireCount = document.count("fire_count")
    record.clockEpoch = document.epoch("clock_epoch")
    record.isPaused = document["paused"]?.bool ?? false
    record.orphanedAt = document.instant("orphaned_at")
    record.arrivals = (document["arrivals"]?.array ?? []).compactMap { value in
      guard let arrival = value.document, let job = arrival["job"]?.text, let run = arrival["run"]?.int else {
        return nil
      }
      return UpstreamArrival(job: job, run: RunID(run))
    }
    if record.isPaused { record.pause = document["pause"]?.document.flatMap(PauseDocuments.note) }
    if let id = document["id"]?.text {
      record.dynamic = DynamicSchedule(id: id, options: try options(document, failure))
    }
    return record
  }

  private static func options(
    _ document: BSONDocument, _ failure: MongoFailure
  ) throws(StoreError) -> ScheduleOptions {
    var options = ScheduleOptions()
    options.params = document["params"]?.text.map { JSONText($0) }
    options.jitter = document["jitter"]?.int.map { min(max(0, $0), 1 << 62) }
    options.timeZone = document["time_zone"]?.text
    options.misfireGraceTime = document["misfire_grace"]?.int.map { max(0, $0) }
    if let word = document["coalesce"]?.text {
      let policies: [CoalescePolicy] = [.latest, .earliest, .all]
      guard let policy = policies.first(where: { "\($0)" == word }) else {
        throw failure.unreadable("a schedule's coalesce")
      }
      options.coalesce = policy
    }
    options.maxInstances = document["max_instances"]?.int.map { Int(min(max(1, $0), 100_000)) }
    options.priority = document["priority"]?.int.map { Int(min(max(-100, $0), 100)) }
    return options
  }
}

enum PauseDocuments {
  static func document(_ note: PauseNote) -> BSONDocument {
    var document = BSONDocument()
    document.add("reason", note.reason)
    document.add("by", note.by)
    document.add("at", note.at.nanoseconds)
    return document
  }

  static func note(_ document: BSONDocument) -> PauseNote? {
    document.instant("at").map {
      PauseNote(reason: document["reason"]?.text, by: document["by"]?.text ?? "", at: $0)
    }
  }
}
