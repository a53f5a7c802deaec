internal import Basics
internal import NIOCore
internal import Synchronization

/// Runs the tasks of all connections on the server's one thread: a request costs no change of threads but those that
/// the host's answers need, and no thread of Swift's cooperative pool.
///
/// An event loop runs what it was given until nothing is left, and only then looks at its connections again: answers
/// that go on and on would keep new requests unread. So what is left after some milliseconds waits for the loop's next
/// look.
///
/// Its tasks must have ended before its event loop does.
///
/// Threading: any thread.
final class LoopExecutor: TaskExecutor {
  private struct State: Sendable {
    var jobs = Queue<UnownedJob>()
    /// The loop was asked to run them.
    var isAsked = false
  }
  private let state = Mutex(State())
  private let loop: any EventLoop

  /// Nanoseconds that jobs run at a stretch, and that the loop then has at least for its connections: with something to
  /// read it needs no more than that takes.
  private static let stretch: Int64 = 5_000_000
  private static let pause: Int64 = 300_000

  init(_ loop: any EventLoop) { self.loop = loop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let mustAsk = state.withLock { state in
      state.jobs.append(job)
      defer { state.isAsked = true }
      return !state.isAsked
    }
    if mustAsk { loop.execute { [self] in run() } }
  }

  /// On the loop's thread.
  private func run() {
    let end = monotonicNow() + Self.stretch
    while true {
      let job = state.withLock { state in
        let job = state.jobs.popFirst()
        if job == nil { state.isAsked = false }
        return job
      }
      guard let job else { return }
      unsafe job.runSynchronously(on: asUnownedTaskExecutor())  // once: it was handed over
      guard monotonicNow() < end else { break }
    }
    loop.scheduleTask(in: TimeAmount(Self.pause)) { [self] in run() }
  }
}
