internal import Basics
internal import Executors
internal import JobModel

/// Passes on how far runs are, of each run at most once a second: what it said last is told when that second is over,
/// or when the run ends. A script may say it in a loop.
///
/// Threading: any thread. Its thread exists while runs say something.
final class ProgressBoard: Sendable {
  /// Nanoseconds between two tellings of one run.
  static let period: Int64 = 1_000_000_000

  private struct Key: Hashable {
    var run: RunID
    var store: String
  }
  private struct Entry {
    /// Until then nothing is told.
    var quietUntil: Int64
    /// What is to be told then.
    var waiting: ProgressNote?
  }
  private struct State {
    /// Runs that have said something within a period.
    var entries: [Key: Entry] = [:]
    var isServed = false
    var isStopped = false
  }

  private let state = Monitor(State())
  private let blockingPool = BlockingPool(name: "moondial-progress", threads: 1)
  private let tell: @Sendable (ProgressNote) -> Void

  /// - Parameter tell: on the thread of the run, or the board's own.
  init(_ tell: @escaping @Sendable (ProgressNote) -> Void) { self.tell = tell }

  /// The run is so far now.
  func note(_ note: ProgressNote) {
    let now = monotonicNow()
    let key = Key(run: note.run, store: note.store)
    let (isDue, needsThread) = state.withLock { state -> (Bool, Bool) in
      if let entry = state.entries[key], now < entry.quietUntil, !state.isStopped {
        state.entries[key]!.waiting = note
        return (false, false)
      }
      guard !state.isStopped else { return (true, false) }
      state.entries[key] = Entry(quietUntil: now + Self.period)
      defer { state.isServed = true }
      return (true, !state.isServed)
    }
    if isDue { tell(note) }
    // Without a thread to be had, what waits is told by the next note or by the end of the run.
    if needsThread, !blockingPool.run({ [self] in serve() }) { state.withLock { $0.isServed = false } }
  }

  /// The run has ended: what it said last is told now.
  func ended(_ run: RunID, store: String) {
    let waiting = state.withLock { $0.entries.removeValue(forKey: Key(run: run, store: store))?.waiting }
    if let waiting { tell(waiting) }
  }

  /// Tells what waits; from now on everything is told at once. Twice is fine.
  func stop() {
    state.withLock { $0.isStopped = true }
    state.broadcast()
    blockingPool.stop()
    let left = state.withLock { state in
      defer { state.entries = [:] }
      return state.entries.values.compactMap(\.waiting)
    }
    for note in left { tell(note) }
  }

  /// Sleeps until the next second of a run is over, until no run has one.
  private func serve() {
    while true {
      let next = state.withLock { $0.entries.values.map(\.quietUntil).min() ?? 0 }
      if state.wait(until: next, for: { $0.isStopped ? true : nil }) == true { return }
      let now = monotonicNow()
      let (due, isOver) = state.withLock { state -> ([ProgressNote], Bool) in
        var due: [ProgressNote] = []
        for (key, entry) in state.entries where entry.quietUntil <= now {
          if let note = entry.waiting {
            due.append(note)
            state.entries[key] = Entry(quietUntil: now + Self.period)
          } else {
            state.entries[key] = nil
          }
        }
        if state.entries.isEmpty { state.isServed = false }
        return (due, state.entries.isEmpty)
      }
      for note in due { tell(note) }
      if isOver { return }
    }
  }
}
