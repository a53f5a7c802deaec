internal import Chronology
internal import JobModel

/// A store behind a link, which may break.
protocol LinkedStore: JobStore {
  /// What is behind the link.
  var contents: any JobStore { get }
}

/// Runs with steps: a step, a transaction, a sleep, another step, a wait for an event that may never come. Those that
/// other hosts may have do neither transactions nor wait.
extension SimulatedExecutor {
  /// What a run does next; nil: all is done.
  ///
  /// - Parameter known: what its store has.
  static func nextStep(
    of order: RunOrder, after known: [RunStep], at now: Instant, waiting span: Int64
  ) -> RunStep? {
    let kinds: [RunStep.Kind] =
      SimulatedLedger.has(order.job) ? [.step, .transaction, .sleep, .step, .wait] : [.step, .sleep, .step]
    if let last = known.last, last.finishedAt == nil { return last }
    guard known.count < kinds.count else { return nil }
    let kind = kinds[known.count]
    var step = RunStep(
      run: order.id, position: Int32(known.count + 1), kind: kind, name: kind == .wait ? "event" : "",
      attempt: order.attempt, startedAt: now)
    if kind == .step || kind == .transaction {
      step.finishedAt = now
    } else {
      step.until = now.advanced(byNanoseconds: span)
    }
    return step
  }

  /// The steps that a run finds when it comes by; a sentence when some are missing.
  func steps(of order: RunOrder) -> (known: [RunStep], violation: String?) {
    do throws(StoreError) {
      if let former = try beginning(of: order.id) { witness.inherits(order.id, from: former) }
      // A run waits for its steps until its link is well again; here it has them at once.
      let reader = (store as? any LinkedStore)?.contents ?? store
      let known = try reader.steps(of: order.id)
      return (known, witness.violation(order.id, finds: known))
    } catch { return ([], "the steps of run \(order.id) cannot be read: \(error.message)") }
  }

  /// The first run of those that `id` makes good for, as far as history has them; nil: it makes good for none. One in
  /// between may have been given up before it ever came by.
  private func beginning(of id: RunID) throws(StoreError) -> RunID? {
    var found: RunID?
    while let run = try store.runs(RunQuery(id: found ?? id, limit: 1)).first, run.cause == .recovery,
      let former = run.recovers
    {
      found = former
    }
    return found
  }
}
