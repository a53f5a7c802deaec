package import Chronology
package import JobModel

/// The steps of the run that is on a Lua state: what it has done in this attempt, beside what its store has of it.
///
/// A run does its steps one after the other and in one order: the position of a step, what kind it is and what it is
/// called must be the same each time that the run comes by. Decides; asks nobody.
///
/// Threading: as its run.
package final class RunJournal: @unchecked Sendable {
  // @unchecked: see above.

  /// What the store has, once it was asked. In order of the positions.
  package private(set) var stored: [RunStep]?
  /// It is a hook that runs, in which there are no steps.
  package var isInHook = false
  /// The transaction whose function runs, or that is being committed.
  package var draft: TransactionDraft?
  /// The step at which the run is to park.
  package private(set) var park: RunStep?
  /// The position of the next step.
  private var next: Int32 = 1
  package var position: Int32 { next }
  /// When the function of the step under way began; nil: none has one.
  package var began: Instant?
  /// The step whose function runs: as messages name it, and whichever position it has.
  private var underWay: String?
  private var doing = ""
  /// The step that failed, and was not done since; and as messages name it.
  private var failed: String?
  private var failedWords = ""
  /// What its steps are in the store, in bytes.
  private var bytes = 0
  /// The positions of the steps that this attempt has come by, by their names.
  private var names: [String: Int32] = [:]

  package init() {}

  package func use(_ steps: [RunStep]) {
    stored = steps.sorted { $0.position < $1.position }
    bytes = steps.reduce(0) { $0 + $1.textBytes }
  }

  /// O(1): positions have no holes, unless somebody else has written to the store.
  private func storedStep(at position: Int32) -> RunStep? {
    guard let stored, let last = stored.last, position <= last.position else { return nil }
    let index = Int(position) - 1
    if stored.indices.contains(index), stored[index].position == position { return stored[index] }
    return stored.first { $0.position == position }
  }

  /// What a call is to do.
  package enum Call: Sendable {
    /// It was done before.
    case done(RunStep)
    /// It is to be done, or to be waited for, at this position.
    case new(Int32)
    /// The run was parked at it before, and its time has not come.
    case parked(RunStep)
    /// An error in the script.
    case misuse(String)
  }

  /// The run comes to a step.
  package func begin(_ kind: RunStep.Kind, _ name: String) -> Call {
    let words = RunStep.words(next, kind, name)
    if let underWay {
      return .misuse("\(words) begins inside \(underWay): steps are done one after the other")
    }
    if let failed, failed != RunStep.words(0, kind, name) {
      return .misuse("\(words) comes after \(failedWords), which failed: let the run fail, or do that step again")
    }
    if kind == .step, let former = names[name] {
      return .misuse("step \(next) is called \"\(name)\", as step \(former) is: give each step a name of its own")
    }
    guard next <= Int32(Quotas.stepsPerRun) else {
      return .misuse("a run has at most \(Quotas.stepsPerRun) steps: keep what goes on for longer in several runs")
    }
    if let known = storedStep(at: next) {
      guard known.kind == kind, known.name == name else {
        return .misuse(
          "the run comes to \(words), and what it did first was \(known.words): a run does its steps in one order")
      }
      guard known.finishedAt != nil else { return .parked(known) }
      pass(kind, name)
      return .done(known)
    }
    guard bytes < Quotas.stepBytesPerRun else {
      return .misuse(
        "the steps of this run have \(Quotas.stepBytesPerRun >> 20) MB of results, and a run has no more: let a step return "
          + "less, such as a key of kv or a path")
    }
    if kind == .step || kind == .transaction {
      underWay = words
      doing = RunStep.words(0, kind, name)
    }
    return .new(next)
  }

  /// The function of the step under way has ended, or raised.
  package func leave() {
    guard let words = underWay else { return }
    underWay = nil
    failed = doing
    failedWords = words
  }

  /// A step is durable.
  package func finish(_ step: RunStep) {
    let (kind, name) = (step.kind, step.name)
    bytes += step.textBytes
    underWay = nil
    failed = nil
    began = nil
    pass(kind, name)
  }

  /// The run is to park at a step.
  package func park(at step: RunStep) { park = step }

  private func pass(_ kind: RunStep.Kind, _ name: String) {
    if kind == .step { names[name] = next }
    next += 1
  }
}
