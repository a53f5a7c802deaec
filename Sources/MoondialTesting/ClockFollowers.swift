internal import MoondialScheduler
internal import Synchronization

/// What follows a clock that is moved by hand, and who sleeps by it.
///
/// Threading: any thread.
final class ClockFollowers: Sendable {
  private struct Engine: Sendable { weak var engine: ManualEngine? }
  private struct Sleeper: Sendable {
    var deadline: Int64
    /// The run that sleeps; nil for a task of somebody else.
    var run: RunContext?
    var continuation: CheckedContinuation<Bool, Never>
  }
  private struct State: Sendable {
    var engines: [Engine] = []
    var schedulers: [@Sendable () async -> Void] = []
    var sleepers: [Int: Sleeper] = [:]
    var nextSleeper = 0
    /// Counts everything that may have changed what there is to do.
    var version = 0
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  var engines: [ManualEngine] { state.withLock { $0.engines.compactMap(\.engine) } }
  var version: Int { state.withLock { $0.version } }
  /// Each waits until a scheduler's listeners know everything.
  var listeners: [@Sendable () async -> Void] { state.withLock { $0.schedulers } }

  func add(_ engine: ManualEngine) { state.withLock { $0.engines.append(Engine(engine: engine)) } }
  func add(listeners: @escaping @Sendable () async -> Void) { state.withLock { $0.schedulers.append(listeners) } }

  /// Something came in, ended, or went to sleep.
  func note() {
    let waiter = state.withLock { state in
      state.version += 1
      return state.waiter.take()
    }
    waiter?.resume()
  }

  /// Returns when something was noted after `version` was read.
  func change(after version: Int) async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        guard state.version == version else { return true }
        precondition(state.waiter == nil, "one task at a time advances a clock")
        state.waiter = continuation
        return false
      }
      if isOver { continuation.resume() }
    }
  }

  // MARK: Sleepers

  /// How many runs have a task that sleeps.
  var sleepingRuns: Int {
    state.withLock { state in
      Set(state.sleepers.values.compactMap { $0.run.flatMap { $0.isOver ? nil : ObjectIdentifier($0) } }).count
    }
  }

  /// The earliest deadline of a sleeper.
  var nextDeadline: Int64? { state.withLock { $0.sleepers.values.map(\.deadline).min() } }

  /// Sleeps until the clock has passed `deadline`. False when the task was cancelled.
  func sleep(until deadline: Int64, now: @Sendable () -> Int64) async -> Bool {
    let number = state.withLock { state in
      state.nextSleeper += 1
      return state.nextSleeper
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let sleeper = Sleeper(deadline: deadline, run: RunContext.current, continuation: continuation)
        let answer = state.withLock { state -> Bool? in
          if Task.isCancelled { return false }
          if now() >= deadline { return true }
          state.sleepers[number] = sleeper
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
        note()
      }
    } onCancel: {
      state.withLock { $0.sleepers.removeValue(forKey: number) }?.continuation.resume(returning: false)
      note()
    }
  }

  /// Wakes those whose time has come, in the order of their deadlines.
  func wakeSleepers(at now: Int64) {
    let due = state.withLock { state in
      let numbers = state.sleepers.filter { $0.value.deadline <= now }.sorted {
        ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key)
      }
      return numbers.compactMap { state.sleepers.removeValue(forKey: $0.key) }
    }
    for sleeper in due { sleeper.continuation.resume(returning: true) }
  }
}
