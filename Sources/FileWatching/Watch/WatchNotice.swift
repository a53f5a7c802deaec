/// Something about watching itself that an operator wants to know. Each is one line of a log.
package enum WatchNotice: Sendable, Hashable {
  /// Some directories cannot be watched, so that all are scanned every `interval`.
  case polling(reason: Reason, interval: Duration)
  /// All directories are watched again.
  case watching(directories: Int)
  /// Events were lost; a scan makes up for them.
  case overflow
  /// There is no thread to watch with: changes are not noticed.
  case blind(reason: String)
  /// After `blind`: there is one.
  case seeing

  package enum Reason: Sendable, Hashable {
    /// The user's share of watches is used up.
    case tooManyWatches
    /// The user's share of inotify instances, or the process's of descriptors, is used up.
    case tooManyInstances
    /// This host was told to use no more watches than `limit`.
    case limitReached(limit: Int)
    case refused(errno: Int32)
  }

  /// Whether somebody should do something about it.
  package var isWarning: Bool {
    switch self {
    case .polling, .blind: true
    case .watching, .overflow, .seeing: false
    }
  }
}

extension WatchNotice: CustomStringConvertible {
  package var description: String {
    switch self {
    case .polling(let reason, let interval):
      "the scripts directory is scanned every \(interval) instead of being watched: \(reason)"
    case .watching(let directories):
      "watching \(directories) \(directories == 1 ? "directory" : "directories") again"
    case .overflow:
      "so much changed at once that the kernel dropped events; scanning everything"
    case .blind(let reason):
      "changes of scripts are not noticed until a request to reload (SIGHUP) finds a thread: \(reason)"
    case .seeing: "changes of scripts are noticed again"
    }
  }
}

extension WatchNotice.Reason: CustomStringConvertible {
  package var description: String {
    switch self {
    case .tooManyWatches:
      "this user's watches are used up; raise the limit: sysctl fs.inotify.max_user_watches=524288"
    case .tooManyInstances:
      "this user's inotify instances or this process's descriptors are used up; raise fs.inotify.max_user_instances or ulimit -n"
    case .limitReached(let limit):
      "it has more directories than the \(limit) that may be watched"
    case .refused(let errno):
      "the kernel refuses: \(SystemCall.message(for: errno))"
    }
  }
}
