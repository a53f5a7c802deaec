internal import JobModel

/// The steps of runs, and what transactions have asked for. Owned by the lock of its store.
struct MemorySteps {
  private var steps: [RunID: [RunStep]] = [:]
  /// In the order in which they were committed.
  private var intents: [RunIntent] = []
  private var lastIntent: Int64 = 0
  /// Runs with steps that have ended.
  private var ended: Set<RunID> = []
  /// Steps of runs that are kept no more go when so many runs have steps.
  private var runsUntilSweep = 1_000

  var isEmpty: Bool { steps.isEmpty }

  var openIntents: [RunIntent] { intents }

  func steps(of run: RunID) -> [RunStep] { steps[run] ?? [] }

  /// 0: there is none, or it is carried out.
  func intent(of run: RunID, _ position: Int32) -> Int64 {
    intents.first { $0.run == run && $0.position == position }?.id ?? 0
  }

  mutating func noteEnd(of run: RunID) {
    if steps[run] != nil { ended.insert(run) }
  }

  mutating func apply(_ changes: [StepChange]) {
    for change in changes {
      switch change {
      case .put(let step): put(step)
      case .end(let end):
        guard let index = steps[end.run]?.firstIndex(where: { $0.position == end.position }),
          steps[end.run]![index].finishedAt == nil
        else { continue }
        steps[end.run]![index].finishedAt = end.finishedAt
        steps[end.run]![index].result = end.result
      case .inherit(let runs):
        let known = Set(steps(of: runs.to).map(\.position))
        for var step in steps(of: runs.from) where !known.contains(step.position) {
          step.run = runs.to
          put(step)
        }
      case .performed(let id): intents.removeAll { $0.id == id }
      }
    }
  }

  /// Whether so many runs have steps that those that are kept no more should go.
  var mustSweep: Bool { steps.count > runsUntilSweep }

  /// - Parameter kept: the runs that the store has. A run that goes on may have been pushed out of its job's ring.
  mutating func sweep(keeping kept: Set<RunID>) {
    let gone = ended.subtracting(kept)
    steps = steps.filter { !gone.contains($0.key) }
    ended.subtract(gone)
    runsUntilSweep = max(1_000, 2 * steps.count)
  }

  private mutating func put(_ step: RunStep) {
    var list = steps[step.run] ?? []
    if let index = list.firstIndex(where: { $0.position == step.position }) {
      list[index] = step
    } else {
      let index = list.firstIndex { $0.position > step.position } ?? list.count
      list.insert(step, at: index)
    }
    steps[step.run] = list
  }

  /// - Returns: its id.
  mutating func add(_ intent: RunIntent) -> Int64 {
    lastIntent += 1
    var intent = intent
    intent.id = lastIntent
    intents.append(intent)
    return lastIntent
  }
}
