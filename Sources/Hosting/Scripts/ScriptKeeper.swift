internal import Basics
internal import FileWatching
internal import Glibc
internal import JobModel
internal import ScriptLoading

/// Keeps what is in force for a restart, in the ``ScriptArchive``.
///
/// What a start finds is kept on a thread of its own: thousands of new scripts are as many waits for the disk, and the
/// host runs, answers and follows edits meanwhile; those are kept by the same thread, after it. Once it is done, what a
/// reload changes is kept before the log says that it is in force.
///
/// Threading: any thread. It must be stopped.
final class ScriptKeeper: Sendable {
  /// Files that are still written when the host ends; when there are more, none is, and the next start keeps them.
  private static let fewFiles = 100
  /// Nanoseconds that they may take.
  private static let patience: Int64 = 5_000_000_000

  private struct State: Sendable {
    var thread: NamedThread?
    /// Whether the first generation is kept, or there is none.
    var isFirstKept = true
    /// What is to be kept after the first generation: the newest of what came meanwhile.
    var next: LoadedGeneration?
    /// Files to be written.
    var left = 0
    /// On the monotonic clock: nothing is begun any more after it.
    var end = Int64.max
  }
  private let archive: ScriptArchive?
  private let directory: ScriptDirectory
  private let log: any HostLog
  private let state = Monitor(State())

  init(_ session: ScriptSession) {
    archive = session.archive
    directory = session.directory
    log = session.log
  }

  /// Keeps `generation`, which follows what was kept before. Blocks on the disk, but never for what a start found.
  func keep(_ generation: LoadedGeneration) {
    let isNow = state.withLock { state in
      if !state.isFirstKept { state.next = generation }
      return state.isFirstKept
    }
    if isNow { write(generation) }
  }

  /// Keeps the first generation. Blocks only where the system has no thread to give.
  func keepFirst(_ generation: LoadedGeneration) {
    guard archive != nil else { return }
    do throws(ThreadError) {
      // Under the lock: whoever stops it finds the thread.
      try state.withLock { (state) throws(ThreadError) in
        // It ends already.
        guard state.end == .max else { return }
        state.isFirstKept = false
        state.thread = try NamedThread("md-keep") { [self] in writeFirst(generation) }
      }
    } catch {
      writeFirst(generation)
    }
  }

  private func writeFirst(_ generation: LoadedGeneration) {
    var generation = generation
    while true {
      write(generation)
      let next = state.change { state in
        let next = state.next.take()
        if next == nil { state.isFirstKept = true }
        return next
      }
      guard let next else { return }
      generation = next
    }
  }

  private func write(_ generation: LoadedGeneration) {
    let failure = archive?.keep(
      generation, at: log.now, elsewhere: { directory.calendarElsewhere($0) },
      isWanted: { left in
        state.withLock { state in
          state.left = left
          return state.end == .max || left <= Self.fewFiles && monotonicNow() < state.end
        }
      })
    if let failure { log.write(.warn, failure) }
  }

  /// Little more is written. Does not block.
  func cancel() {
    state.change { state in
      state.end = min(state.end, monotonicNow() + (state.left > Self.fewFiles ? 0 : Self.patience))
    }
  }

  /// `cancel`, and waits for it. A disk that does not answer is not waited for any longer. Twice is fine.
  func stop() {
    cancel()
    let thread = state.withLock { state in
      defer { state.thread = nil }
      return state.thread
    }
    guard let thread else { return }
    let isDone = state.wait(for: { $0.isFirstKept ? true : nil }, orUntil: { $0.end })
    if isDone == true { thread.join() } else { thread.abandon() }
  }
}
