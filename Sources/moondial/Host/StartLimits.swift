import Basics
import Glibc
import Hosting

/// Whether the process may have the threads and descriptors that a host needs: asked before anything starts, so that a
/// limit is one sentence at the start, and no half of a host.
enum StartLimits {
  /// Threads in addition to the workers: the loop, timers, monitors, watchers, signals, those of the store, and some
  /// for files and programs.
  static let otherThreads = 24
  /// Of these, those that exist when the stores are open.
  static let earlyThreads = 8
  /// Descriptors of an idle host, and room for some programs and files.
  static let descriptors = 40

  /// - Throws: one sentence, with the limit's name and what to do.
  static func check(workers: Int) throws(HostError) {
    try checkDescriptors(StartLimits.descriptors)
    try checkThreads(workers + StartLimits.otherThreads)
  }

  /// The same when the configuration is known and the stores are open: for what is still to come.
  static func checkRest(workers: Int) throws(HostError) {
    try checkThreads(workers + StartLimits.otherThreads - StartLimits.earlyThreads)
  }

  /// Opens as many as are needed, at the same time, and closes them.
  private static func checkDescriptors(_ count: Int) throws(HostError) {
    var opened: [Int32] = []
    defer { for descriptor in opened { close(descriptor) } }
    while opened.count < count {
      // Safe: the path is passed as a C string for the call.
      let descriptor = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else {
        throw HostError(
          "the host needs \(count) file descriptors, and the system gives it \(opened.count) (RLIMIT_NOFILE is "
            + "\(limit(RLIMIT_NOFILE))): raise it with ulimit -n, or LimitNOFILE= in its unit")
      }
      opened.append(descriptor)
    }
  }

  /// Starts as many as are needed, which wait for each other, and ends them.
  private static func checkThreads(_ count: Int) throws(HostError) {
    let isOver = Monitor(false)
    var threads: [NamedThread] = []
    defer {
      isOver.withLock { $0 = true }
      isOver.broadcast()
      for thread in threads { thread.join() }
    }
    while threads.count < count {
      do throws(ThreadError) {
        threads.append(try NamedThread("moondial-try", stackSize: 1 << 16) { _ = isOver.wait { $0 ? true : nil } })
      } catch {
        throw HostError(
          "the host needs \(count) threads, and the system gives it \(threads.count) (RLIMIT_NPROC is "
            + "\(limit(__RLIMIT_NPROC)), and counts all of this user's threads): raise it with ulimit -u, or "
            + "LimitNPROC= and TasksMax= in its unit")
      }
    }
  }

  private static func limit(_ resource: __rlimit_resource) -> String {
    var limit = rlimit()
    // Safe: the call writes that one struct.
    guard unsafe getrlimit(Int32(resource.rawValue), &limit) == 0 else { return "unknown" }
    return limit.rlim_cur == rlim_t.max ? "unlimited" : "\(limit.rlim_cur)"
  }
}
