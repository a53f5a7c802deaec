internal import Chronology
internal import JobModel

/// What a commit of some operations changes, computed from the state of the commit before it.
struct CommitPlan {
  var state: StoreState
  var changes = ChangeSet()
  private var changesState = false
  private var values = KnownValues()

  init(_ state: StoreState) { self.state = state }

  var changesAnything: Bool { changesState || !changes.isEmpty }

  /// For each operation its answer: a run id, or 1 for done and 0 for a compare-and-swap that was not; or why it alone
  /// was refused.
  mutating func add(
    _ operations: [WriterQueue.Operation], ledger: inout DecisionLedger, news: inout StoreWriter.News,
    on client: MongoClient, _ reader: MongoReader
  ) throws(ServerError) -> [Result<Int64, StoreError>] {
    try values.read(operations, on: client, reader.server)
    var answers: [Result<Int64, StoreError>] = []
    for operation in operations {
      switch operation {
      case .batch(let batch, _):
        try add(batch, ledger: &ledger, news: &news, on: client, reader)
        answers.append(.success(1))
      case .keyValue(let change, let now, _):
        answers.append(apply(change, at: now).map { $0 ? 1 : 0 })
      case .transaction(let transaction, let now, _):
        answers.append(try add(transaction, at: now, news: &news, on: reader, client))
      case .externalRun:
        repeat { state.highestRun += 1 } while !RunID(state.highestRun).isForExternalRuns
        changesState = true
        answers.append(.success(state.highestRun))
      }
    }
    return answers
  }

  private mutating func add(
    _ batch: StoreBatch, ledger: inout DecisionLedger, news: inout StoreWriter.News,
    on client: MongoClient, _ reader: MongoReader
  ) throws(ServerError) {
    for record in batch.schedules { changes.put(record) }
    for update in batch.fires { changes.fire(update) }
    for run in batch.waiting { put(run) }
    for run in batch.claims { put(run) }
    for run in batch.finished {
      put(run)
      news.finished[run.job, default: 0] += 1
    }
    for change in batch.steps { try add(change, on: reader) }
    try drop(batch.dropped, on: reader)
    for range in batch.decisions {
      let isNew = try ledger.append(
        range, last: &state.decisions.number, to: &changes, on: client, reader.server)
      if isNew { news.ranges[range.job, default: 0] += 1 }
    }
    for mark in batch.files { changes.put(mark) }
    for id in batch.unscheduled { changes.unschedule(id) }
    if let epoch = batch.clockEpoch, epoch != state.clockEpoch {
      state.clockEpoch = epoch
      changesState = true
    }
    if let change = batch.hostPause {
      if case .paused(let note) = change { state.pause = note } else { state.pause = nil }
      changesState = true
    }
    for line in batch.audit where line.id > state.highestAudit {
      changes.append(line)
      state.highestAudit = line.id
      news.lastAudit = line.id
    }
  }

  /// Whether it was done: false when it expected another version; why it was refused.
  mutating func apply(_ change: KeyValueChange, at now: Instant) -> Result<Bool, StoreError> {
    values.apply(change, at: now, &state.keyValueVersion, to: &changes)
  }

  mutating func put(_ run: RunRecord) {
    changes.put(run)
    state.highestRun = max(state.highestRun, run.id.number)
  }
}

/// What `kv` has of the keys that a commit is about, and what the commit makes of it.
private struct KnownValues {
  private typealias Name = ChangeSet.Name
  private struct Known {
    var version: Int64
    var bytes: Int
    var expiresAt: Instant?
  }
  private var values: [Name: Known] = [:]
  private var sizes: [Name: Int] = [:]

  mutating func read(
    _ operations: [WriterQueue.Operation], on client: MongoClient, _ server: MongoServer
  ) throws(ServerError) {
    var keys: [BSON] = []
    var spaces: [BSON] = []
    for operation in operations {
      let wanted: [KeyValueChange]
      switch operation {
      case .keyValue(let change, _, _): wanted = [change]
      case .transaction(let transaction, _, _): wanted = transaction.keyValues
      case .batch, .externalRun: continue
      }
      for change in wanted {
        keys.append(KeyValueDocuments.key(change.key, in: change.space))
        spaces.append(.text(change.space))
      }
    }
    guard !keys.isEmpty else { return }
    try server.awaitChanges(of: Collections.keyValues, Collections.keyValueSizes)
    for document in try client.all(
      Find(Collections.keyValues, ["_id": ["$in": .array(keys)], "gone": .null]))
    {
      guard let id = document["_id"]?.document, let space = id["space"]?.text, let key = id["key"]?.text else {
        continue
      }
      let value = KeyValueDocuments.value(document)
      values[Name(space, key)] = Known(
        version: value.version, bytes: key.utf8.count + value.value.text.utf8.count, expiresAt: value.expiresAt)
    }
    for document in try client.all(
      Find(Collections.keyValueSizes, ["_id": ["$in": .array(spaces)], "gone": .null]))
    {
      if let space = document["_id"]?.text { sizes[Name(space, "")] = document.count("bytes") }
    }
  }

  /// - Parameter version: the highest one that was ever given: a key that was deleted and comes back must not come back
  ///   with an old one, or a compare-and-swap that was prepared before would succeed.
  mutating func apply(
    _ change: KeyValueChange, at now: Instant, _ version: inout Int64, to changes: inout ChangeSet
  ) -> Result<Bool, StoreError> {
    let name = Name(change.space, change.key)
    let known = values[name]
    let current = known.flatMap { known in known.expiresAt.map { $0 > now } ?? true ? known.version : nil } ?? 0
    if let expecting = change.expecting, expecting != current { return .success(false) }
    let own = known?.bytes ?? 0
    let before = sizes[Name(change.space, "")] ?? 0
    guard let value = change.value else {
      guard known != nil else { return .success(true) }
      values[name] = nil
      changes.put(nil, key: change.key, space: change.space)
      resize(change.space, to: before - own, &changes)
      return .success(true)
    }
    if let refusal = change.refusal(spaceBytes: before, own: own) { return .failure(refusal) }
    version += 1
    values[name] = Known(version: version, bytes: change.bytes, expiresAt: change.expiresAt)
    let kept = KeyValue(value: value, version: version, expiresAt: change.expiresAt)
    changes.put(kept, key: change.key, space: change.space)
    resize(change.space, to: before - own + change.bytes, &changes)
    return .success(true)
  }

  private mutating func resize(_ space: String, to bytes: Int, _ changes: inout ChangeSet) {
    sizes[Name(space, "")] = bytes
    changes.set(size: bytes, of: space)
  }
}
