internal import JobModel

/// What one commit changes: of each document the last state, whatever came before it in the same commit.
struct ChangeSet {
  private enum ScheduleChange {
    case put(ScheduleRecord)
    case fire(FireUpdate)
    case remove
  }
  /// To Swift two ways to write the same letter are equal, to a store they are not.
  struct Name: Hashable {
    private let bytes: [UInt8]
    let first: String
    let second: String
    init(_ first: String, _ second: String) {
      self.first = first
      self.second = second
      bytes = Array(first.utf8) + [0xff] + Array(second.utf8)
    }
    static func == (a: Name, b: Name) -> Bool { a.bytes == b.bytes }
    func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
  }

  private var schedules: [ScheduleKey: ScheduleChange] = [:]
  /// nil: dropped.
  private var runs: [RunID: RunRecord?] = [:]
  private var files: [Name: FileMark] = [:]
  /// Set by ``DecisionLedger``.
  private var decisions: [Name: [Int64: DecisionRange]] = [:]
  /// nil: deleted.
  private var values: [Name: KeyValue?] = [:]
  private var sizes: [Name: Int] = [:]
  private(set) var audit: [AuditLine] = []
  /// nil: removed.
  private var steps: [RunID: [Int32: RunStep?]] = [:]
  /// nil: carried out.
  private var intents: [Int64: RunIntent?] = [:]

  var isEmpty: Bool {
    schedules.isEmpty && runs.isEmpty && files.isEmpty && decisions.isEmpty && values.isEmpty && sizes.isEmpty
      && audit.isEmpty && steps.isEmpty && intents.isEmpty
  }

  mutating func put(_ record: ScheduleRecord) {
    schedules[ScheduleKey(job: record.job, id: record.id)] = .put(record)
  }

  mutating func fire(_ update: FireUpdate) {
    let key = ScheduleKey(job: update.job, id: update.schedule)
    switch schedules[key] {
    case .put(var record)?:
      record.nextFire = update.nextFire
      record.lastFire = update.lastFire
      record.fireCount = update.fireCount
      schedules[key] = .put(record)
    case .remove?: break
    case .fire?, nil: schedules[key] = .fire(update)
    }
  }

  mutating func unschedule(_ id: String) { schedules[.dynamic(id)] = .remove }
  mutating func put(_ run: RunRecord) { runs[run.id] = .some(run) }
  mutating func drop(_ run: RunID) { runs[run] = .some(nil) }
  mutating func put(_ mark: FileMark) { files[Name(mark.job, mark.path)] = mark }
  mutating func append(_ line: AuditLine) { audit.append(line) }

  mutating func put(_ range: DecisionRange, sequence: Int64) {
    decisions[Name(range.job, ""), default: [:]][sequence] = range
  }

  mutating func put(_ value: KeyValue?, key: String, space: String) { values[Name(space, key)] = .some(value) }
  mutating func put(_ step: RunStep) { steps[step.run, default: [:]][step.position] = .some(step) }
  mutating func removeStep(_ run: RunID, _ position: Int32) { steps[run, default: [:]][position] = .some(nil) }
  func steps(of run: RunID) -> [RunStep] { steps[run].map { $0.values.compactMap(\.self) } ?? [] }
  mutating func put(_ intent: RunIntent) { intents[intent.id] = .some(intent) }
  mutating func removeIntent(_ id: Int64) { intents[id] = .some(nil) }

  /// The intent of a step that this commit brings.
  func intent(of run: RunID, _ position: Int32) -> Int64? {
    intents.values.lazy.compactMap { $0 }.first { $0.run == run && $0.position == position }?.id
  }

  /// Whether this commit brings the end of a run.
  func hasEnded(_ run: RunID) -> Bool { runs[run].flatMap { $0 }?.outcome != nil }

  mutating func set(size: Int, of space: String) { sizes[Name(space, "")] = size }

  /// As documents; long texts join `texts`.
  ///
  /// - Parameter highestRun: of the commits so far: runs with a higher id are new ones.
  func changes(after highestRun: Int64, texts: inout LongTexts) -> [Change] {
    var changes: [Change] = []
    for (key, change) in schedules {
      let body: Change.Body
      var isNew = false
      switch change {
      case .put(let record):
        body = .put(ScheduleDocuments.document(record))
        // Most of those that have not fired yet.
        isNew = record.lastFire == nil && record.fireCount == 0
      case .fire(let update):
        body = .merge(ScheduleDocuments.moved(update.nextFire, update.lastFire, update.fireCount))
      case .remove: body = .remove
      }
      changes.append(Change(Collections.schedules, ScheduleDocuments.key(key), body, isNew: isNew))
    }
    // In the order of their ids, in which the server keeps them.
    for (id, run) in runs.sorted(by: { $0.key.number < $1.key.number }) {
      let body: Change.Body = run.map { .put(RunDocuments.document($0, texts: &texts)) } ?? .remove
      changes.append(Change(Collections.runs, .int(id.number), body, isNew: run != nil && id.number > highestRun))
    }
    for (name, mark) in files {
      let body: Change.Body = mark.version.map { .put(FileDocuments.document(mark, $0)) } ?? .remove
      changes.append(Change(Collections.files, FileDocuments.key(job: name.first, path: name.second), body))
    }
    for (name, ranges) in decisions {
      for (sequence, range) in ranges {
        let key = DecisionDocuments.key(job: name.first, sequence: sequence)
        let document = DecisionDocuments.document(range, sequence: sequence)
        changes.append(Change(Collections.decisions, key, .put(document)))
      }
    }
    for (run, own) in steps {
      for (position, step) in own {
        let key = StepDocuments.key(run: run.number, position: Int64(position))
        let body: Change.Body = step.map { .put(StepDocuments.document($0, texts: &texts)) } ?? .remove
        changes.append(Change(Collections.steps, key, body))
      }
    }
    for (id, intent) in intents {
      let body: Change.Body = intent.map { .put(IntentDocuments.document($0)) } ?? .remove
      changes.append(Change(Collections.intents, .int(id), body))
    }
    addValues(to: &changes)
    for line in audit {
      changes.append(Change(Collections.audit, .int(line.id), .put(AuditDocuments.document(line))))
    }
    return changes
  }

  private func addValues(to changes: inout [Change]) {
    for (name, value) in values {
      let key = KeyValueDocuments.key(name.second, in: name.first)
      changes.append(
        Change(Collections.keyValues, key, value.map { .put(KeyValueDocuments.document($0)) } ?? .remove))
    }
    for (name, size) in sizes {
      let body: Change.Body = size > 0 ? .put(["bytes": .int(Int64(size))]) : .remove
      changes.append(Change(Collections.keyValueSizes, .text(name.first), body))
    }
  }
}
