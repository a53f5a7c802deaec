internal import NIOCore

/// Runs the tasks of all connections on the server's one thread: a request costs no change of threads but those that
/// the host's answers need, and no thread of Swift's cooperative pool.
///
/// Its tasks must have ended before its event loop does.
final class LoopExecutor: TaskExecutor {
  private let loop: any EventLoop

  init(_ loop: any EventLoop) { self.loop = loop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { [self] in unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }  // once: it was handed over
  }
}
