package import Chronology
package import JobModel
internal import Triggers

/// Jobs that stores keep and nobody declares.
package struct StoredOrphans {
  private let stores: StoreUnion
  private var own: [String: ScheduleRecord] = [:]
  private var dynamic: [String: [ScheduleRecord]] = [:]
  /// Sorted.
  package private(set) var names: [String] = []

  /// - Parameter declared: the names of the jobs that somebody declares.
  package init(_ stores: StoreUnion, declared: Set<String>) throws(StoreError) {
    self.stores = stores
    for (_, store) in stores.members { add(try store.schedules().filter { !declared.contains($0.job) }) }
  }

  /// - Parameter job: one that nobody declares; no other is looked for.
  init(_ stores: StoreUnion, job: String) throws(StoreError) {
    self.stores = stores
    add(try stores.schedules(of: job))
  }

  private mutating func add(_ records: [ScheduleRecord]) {
    for record in records {
      if record.dynamic == nil {
        if own[record.job] == nil { own[record.job] = record }
      } else {
        dynamic[record.job, default: []].append(record)
      }
    }
    names = Set(own.keys).union(dynamic.keys).sorted()
  }

  /// Since when it is one; nil: the next start will notice it.
  package func since(_ job: String) -> Instant? {
    own[job]?.orphanedAt ?? dynamic[job]?.compactMap(\.orphanedAt).min()
  }

  package func answer(
    _ job: String, _ zones: TimeZoneDatabase, in zone: TimeZoneRules
  ) throws(StoreError) -> JobAnswer {
    var answer = JobAnswer(name: job)
    answer.isOrphaned = true
    answer.orphanedAt = since(job).map { HostTime($0, in: zone) }
    answer.orphanReason = "no script declares it any more"
    answer.lua = own[job]?.trigger
    answer.trigger = answer.lua.map { StoredTrigger.words($0, zones) }
    answer.isPaused = own[job]?.isPaused ?? false
    answer.pause = own[job]?.pause.map { PauseInfo($0, in: zone) }
    let last = try stores.lastRun(of: job)
    answer.lastOutcome = last?.record.outcome
    answer.store = last.flatMap { $0.store.isEmpty ? nil : $0.store }
    answer.list((dynamic[job] ?? []).map { ScheduleAnswer($0, zones, in: zone) })
    return answer
  }
}

/// A trigger as a store keeps it.
enum StoredTrigger {
  /// In words; as it is stored where it cannot be read here.
  static func words(_ text: String, _ zones: TimeZoneDatabase) -> String {
    (try? TriggerText.parse(text, context: TriggerContext(zones: zones)).trigger.description) ?? text
  }
}

extension ScheduleAnswer {
  /// As a store keeps it.
  package init(_ record: ScheduleRecord, _ zones: TimeZoneDatabase, in zone: TimeZoneRules) {
    let lua = record.trigger ?? ""
    self.init(id: record.id ?? "", job: record.job, trigger: StoredTrigger.words(lua, zones), lua: lua)
    nextRunTime = record.nextFire.map { HostTime($0, in: zone) }
    params = record.dynamic?.options.params.map { JSONDocument($0) }
    isOrphaned = record.orphanedAt != nil
  }
}

extension PauseInfo {
  package init(_ note: PauseNote, in zone: TimeZoneRules) {
    self.init(reason: note.reason, by: note.by, at: HostTime(note.at, in: zone))
  }
}
