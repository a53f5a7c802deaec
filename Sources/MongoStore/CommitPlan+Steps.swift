internal import Chronology
internal import JobModel

/// Steps, intents, and the transactions that bring both.
extension CommitPlan {
  /// Each change sees what those before it have made of the steps, in this commit or earlier.
  mutating func add(_ change: StepChange, on reader: MongoReader) throws(ServerError) {
    switch change {
    case .put(let step): changes.put(step)
    case .end(let end):
      guard var step = try steps(of: end.run, on: reader)[end.position], step.finishedAt == nil else { return }
      step.finishedAt = end.finishedAt
      step.result = end.result
      changes.put(step)
    case .inherit(let runs):
      let own = try steps(of: runs.to, on: reader)
      for (position, step) in try steps(of: runs.from, on: reader) where own[position] == nil {
        var copy = step
        copy.run = runs.to
        changes.put(copy)
      }
    case .performed(let id): changes.removeIntent(id)
    }
  }

  /// Runs that will never begin, or go on, with what they have done.
  mutating func drop(_ runs: [RunID], on reader: MongoReader) throws(ServerError) {
    guard !runs.isEmpty else { return }
    for run in runs {
      changes.drop(run)
      for step in changes.steps(of: run) { changes.removeStep(run, step.position) }
    }
    let keys = runs.map { run -> BSON in ["_id": StepDocuments.keys(of: run.number)] }
    var find = Find(Collections.steps, ["$or": .array(keys), "gone": .null])
    find.fields = ["_id": 1]
    do throws(StoreError) {
      try reader.server.find(find) { document in
        if let key = document["_id"]?.document, let run = key["run"]?.int, let position = key["position"]?.int {
          changes.removeStep(RunID(run), Int32(clamping: position))
        }
        return true
      }
    } catch { throw ServerError(error) }
  }

  private func steps(of run: RunID, on reader: MongoReader) throws(ServerError) -> [Int32: RunStep] {
    var steps: [Int32: RunStep] = [:]
    do throws(StoreError) { for step in try reader.steps(of: run) { steps[step.position] = step } } catch {
      throw ServerError(error)
    }
    for step in changes.steps(of: run) { steps[step.position] = step }
    return steps
  }

  /// - Returns: the id of its intent, 0 without one; −1 when a value has another version than was expected; why it is
  ///   refused.
  mutating func add(
    _ transaction: RunTransaction, at now: Instant, news: inout StoreWriter.News, on reader: MongoReader,
    _ client: MongoClient
  ) throws(ServerError) -> Result<Int64, StoreError> {
    if let known = try known(transaction, on: reader, client) { return .success(known) }
    var trial = self
    for change in transaction.keyValues {
      switch trial.apply(change, at: now) {
      case .success(true): continue
      case .success(false): return .success(-1)
      case .failure(let refusal): return .failure(refusal)
      }
    }
    if let step = transaction.step { trial.changes.put(step) }
    if let finished = transaction.finished {
      trial.put(finished)
      news.finished[finished.job, default: 0] += 1
    }
    var id: Int64 = 0
    if var intent = transaction.intent {
      trial.state.highestIntent += 1
      id = trial.state.highestIntent
      intent.id = id
      trial.changes.put(intent)
    }
    self = trial
    return .success(id)
  }

  /// Whether it was committed before, and the id of its intent while that is not carried out; nil: it was not.
  private func known(
    _ transaction: RunTransaction, on reader: MongoReader, _ client: MongoClient
  ) throws(ServerError) -> Int64? {
    let (run, position): (RunID, Int32)
    if let step = transaction.step {
      (run, position) = (step.run, step.position)
      guard try steps(of: run, on: reader)[position] != nil else { return nil }
    } else if let finished = transaction.finished {
      (run, position) = (finished.id, 0)
      if !changes.hasEnded(run) { try reader.server.awaitChanges(of: Collections.runs) }
      let ended: BSONDocument = ["_id": .int(run.number), "outcome": ["$gt": ""], "gone": .null]
      let isEnded = changes.hasEnded(run) ? true : try client.first(Find(Collections.runs, ended)) != nil
      guard isEnded else { return nil }
    } else {
      return nil
    }
    if let intent = changes.intent(of: run, position) { return intent }
    try reader.server.awaitChanges(of: Collections.intents)
    let filter: BSONDocument = ["run": .int(run.number), "position": .int(Int64(position)), "gone": .null]
    return try client.first(Find(Collections.intents, filter))?["_id"]?.int ?? 0
  }
}
