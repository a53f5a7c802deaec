internal import Basics
internal import Chronology
internal import FileWatching
internal import JobModel
internal import Lua
internal import ProcessFrames
internal import ScriptRuntime
internal import Triggers

/// Steps, transactions and the outbox of a run in a worker, in the store that has the run, under its own number.
extension RunServices {
  private var keeper: (any RunKeeper)? {
    services.runKeeper(order.context?.store ?? order.job.definition.store)
  }

  private static let noKeeper = StoreError(.unsupported, "there is no store here that could keep steps")

  // MARK: Steps

  func listSteps(_ call: UInt64) {
    guard let keeper else { return _ = finish(call, .storeFailed(Self.noKeeper)) }
    keeper.steps(of: order.id) { result in
      switch result {
      case .success(let steps):
        self.noteSteps(steps)
        self.finish(call, .steps(steps))
      case .failure(let error): self.finish(call, .storeFailed(error))
      }
    }
  }

  func keep(_ call: UInt64, _ wanted: RunStep) -> Bool {
    guard wanted.kind != .transaction, let step = finished(wanted) else { return false }
    guard let keeper else { return finish(call, .storeFailed(Self.noKeeper)) }
    if let refusal = refusal(of: step) { return finish(call, .refused(refusal)) }
    noteSteps([step])
    keeper.keep(step, of: order.job.definition.name) { error in
      self.finish(call, error.map { .storeFailed($0) } ?? .done)
    }
    return true
  }

  /// A step as this run may have it; nil: no run has such a one.
  private func own(_ wanted: RunStep) -> RunStep? {
    let name =
      switch wanted.kind {
      case .step: 1...Quotas.stepNameBytes
      case .wait: 1...Quotas.eventNameBytes
      case .sleep, .transaction: 0...0
      }
    guard hasSteps, (1...Int32(Quotas.stepsPerRun)).contains(wanted.position),
      name.contains(wanted.name.utf8.count)
    else { return nil }
    var step = wanted
    step.run = order.id
    step.attempt = order.attempt
    step.startedAt = min(max(wanted.startedAt, .epoch), services.wall.now)
    step.until = wanted.until.map { max($0, .epoch) }
    return step
  }

  /// One that is done.
  private func finished(_ wanted: RunStep) -> RunStep? {
    let mayPark = wanted.kind == .sleep || wanted.kind == .wait
    // One that need not park is done at once, and has its time all the same.
    guard wanted.finishedAt != nil, wanted.until == nil || mayPark, var step = own(wanted) else { return nil }
    if let result = wanted.result {
      guard JSONCheck.isDocument(result.text) else { return nil }
      step.result = hidden(result)
    }
    step.finishedAt = services.wall.now
    return step
  }

  /// One that the run parks at; nil: it can park at no such one.
  func parked(_ wanted: RunStep) -> RunStep? {
    guard wanted.kind == .sleep || wanted.kind == .wait, wanted.finishedAt == nil, wanted.result == nil,
      wanted.kind == .wait || wanted.until != nil
    else { return nil }
    return own(wanted)
  }

  private func refusal(of step: RunStep) -> HostRefusal? {
    if mask.masked(step.name) != step.name {
      return HostRefusal("a step's name is told to everybody, and this one has the value of a secret in it")
    }
    let most = services.quotas().resultBytes
    if let size = step.result?.text.utf8.count, size > most {
      return HostRefusal(Quotas.message("the result has \(size) bytes, and \(most) are allowed", "result_bytes"))
    }
    if stepBytes > Quotas.stepBytesPerRun + most {
      return HostRefusal(
        "the steps of this run have \(Quotas.stepBytesPerRun >> 20) MB of results, and a run has no more")
    }
    return nil
  }

  // MARK: Transactions

  /// Nanoseconds that the triggers of one transaction may take to be made.
  private static let triggersTime: Int64 = 2_000_000_000

  /// What a run wants to be changed together, as it may be.
  enum Transaction {
    case taken([KeyValueChange], [RunOperation])
    case refused(HostRefusal)
    case nonsense
  }

  func commit(_ call: UInt64, _ wanted: WireTransaction) -> Bool {
    guard let wantedStep = wanted.step, wantedStep.kind == .transaction, let step = finished(wantedStep) else {
      return false
    }
    guard let keeper else { return finish(call, .storeFailed(Self.noKeeper)) }
    if let refusal = refusal(of: step) { return finish(call, .refused(refusal)) }
    guard isSound(wanted) else { return false }
    noteSteps([step])
    // Not on the executor's thread: triggers are made.
    let isTaken = services.blockingPool.run {
      switch self.read(wanted) {
      case .refused(let refusal): self.finish(call, .refused(refusal))
      case .nonsense: self.finish(call, .refused(HostRefusal("the host cannot read the transaction")))
      case .taken(let values, let operations):
        var transaction = RunTransaction()
        transaction.step = step
        transaction.keyValues = values
        transaction.intent = RunOperation.encoded(operations).map { text in
          RunIntent(
            run: step.run, position: step.position, job: self.order.job.definition.name, at: self.services.wall.now,
            operations: text)
        }
        keeper.commit(transaction, asking: operations) { self.finish(call, Self.answer($0)) }
      }
    }
    if !isTaken { finish(call, .refused(HostRefusal(services.blockingPool.refusal))) }
    return true
  }

  private static func answer(_ answer: CommitAnswer) -> ServiceAnswer {
    switch answer {
    case .committed: .done
    case .conflict: .conflict
    case .refused(let refusal): .refused(refusal)
    case .failed(let error): .storeFailed(error)
    }
  }

  /// What is to be committed with the run's success; `completion` comes on a thread of the pool.
  func take(outbox wanted: WireTransaction, completion: @escaping @Sendable (Result<RunOutbox, HostRefusal>) -> Void) {
    guard order.job.definition.watch == nil else {
      let refusal =
        "a run of a job that watches files has no outbox, since its files are marked in another commit: use "
        + "ctx:transaction"
      return completion(.failure(HostRefusal(refusal)))
    }
    let isTaken = services.blockingPool.run {
      switch self.read(wanted) {
      case .refused(let refusal): completion(.failure(refusal))
      case .nonsense: completion(.failure(HostRefusal("the host cannot read the outbox")))
      case .taken(let values, let operations):
        completion(
          .success(
            RunOutbox(keyValues: values, operations: operations, encoded: RunOperation.encoded(operations))))
      }
    }
    if !isTaken { completion(.failure(HostRefusal(services.blockingPool.refusal))) }
  }

  /// Whether a script can ask for that: looked at before anything is done with it.
  func isSound(_ wanted: WireTransaction) -> Bool {
    wanted.keyValues.allSatisfy { change in
      (1...Quotas.kvKeyBytes).contains(change.key.utf8.count) && change.expecting ?? 0 >= 0
        && JSONCheck.isDocument(change.value?.text ?? "null")
    }
      && wanted.operations.allSatisfy { operation in
        switch operation {
        case .emit(let name, let data):
          (1...Quotas.eventNameBytes).contains(name.utf8.count) && JSONCheck.isDocument(data?.text ?? "null")
        case .run(_, let params): params.map { $0.isTable && JSONCheck.isDocument($0.text) } ?? true
        case .schedule(let schedule): schedule.isSound && JSONCheck.isDocument(schedule.options.params?.text ?? "{}")
        case .unschedule: true
        }
      }
  }

  private func read(_ wanted: WireTransaction) -> Transaction {
    guard isSound(wanted) else { return .nonsense }
    guard wanted.keyValues.count + wanted.operations.count <= Quotas.transactionChanges else {
      return .refused(
        HostRefusal("a transaction, and an outbox, has at most \(Quotas.transactionChanges) changes"))
    }
    if let store = order.context?.store, store != order.job.definition.store, !wanted.keyValues.isEmpty {
      return .refused(HostRefusal("the values of this script are in another store than this run"))
    }
    let quotas = services.quotas()
    var values: [KeyValueChange] = []
    var bytes = 0
    for wanted in wanted.keyValues {
      var change = KeyValueChange(
        space: script.text, key: wanted.key, value: wanted.value, expiresAt: wanted.expiresAt,
        expecting: wanted.expecting)
      change.quota = quotas.kvBytesPerScript
      guard change.value?.text.utf8.count ?? 0 <= quotas.kvValueBytes else {
        return .refused(HostRefusal(Quotas.message("the value of a key is too large", "kv_value_bytes")))
      }
      bytes += change.bytes
      values.append(change)
    }
    let deadline = WorkDeadline(allowed: Self.triggersTime)
    var operations: [RunOperation] = []
    for wanted in wanted.operations {
      switch read(wanted, quotas, deadline) {
      case .success(let operation):
        bytes += operation.textBytes
        operations.append(operation)
      case .failure(let refusal): return .refused(refusal)
      }
    }
    guard bytes <= Quotas.transactionBytes else {
      let most = Quotas.transactionBytes >> 20
      return .refused(
        HostRefusal("a transaction, and an outbox, has at most \(most) MB of keys, values and data"))
    }
    return .taken(values, operations)
  }

  private func read(
    _ wanted: WireOperation, _ quotas: Quotas, _ deadline: WorkDeadline
  ) -> Result<RunOperation, HostRefusal> {
    func json(_ json: JSONText?, _ limit: Int, _ setting: String) -> Result<JSONText?, HostRefusal> {
      switch given(json, limit, setting) {
      case .taken(let json): .success(json)
      case .refused(let refusal): .failure(refusal)
      case .nonsense: .failure(HostRefusal("the host cannot read the JSON"))
      }
    }
    switch wanted {
    case .emit(let name, let data):
      return json(data, quotas.eventBytes, "event_bytes").map { .emit(mask.masked(name), data: $0) }
    case .run(let job, let params):
      if let refusal = Self.refusal(ofName: job) { return .failure(refusal) }
      return json(params, quotas.paramsBytes, "params_bytes").map { .run(job, params: $0) }
    case .unschedule(let id):
      if let refusal = Self.refusal(ofName: id) { return .failure(refusal) }
      return .success(.unschedule(id))
    case .schedule(var schedule):
      if let refusal = Self.refusal(ofName: schedule.job) { return .failure(refusal) }
      switch json(schedule.options.params, quotas.paramsBytes, "params_bytes") {
      case .failure(let refusal): return .failure(refusal)
      case .success(let params): schedule.options.params = params
      }
      return request(schedule, deadline).map { .schedule($0) }
    }
  }
}
