package import JobModel
internal import ScriptRuntime
internal import Synchronization

/// What a host cannot do at the moment, and why: each thing one sentence. It is said in the log when it begins and when
/// it is over, and whoever asks whether the host is ready can show it.
///
///     health.set(.workers(executor: "default"), "executor \"default\" has fewer workers than configured: …")
///     health.clear(.workers(executor: "default"))
///
/// Threading: any thread; never blocks but for the log.
package final class HostHealth: Sendable {
  /// What can be wrong. Each is there once, with the latest sentence.
  package enum Condition: Sendable, Hashable {
    /// An executor has fewer threads than configured: the system refused some, or too many are stuck.
    case workers(executor: String)
    /// The system refused threads for files, programs and the like.
    case blockingThreads
    /// The system refused the thread that reads the `kv` of a store.
    case values(store: String)
    /// Programs of scripts cannot be started.
    case programs
    /// Changes of scripts are noticed late, or not at all.
    case watching
    /// Files that jobs watch for are not noticed.
    case watchedFiles
    /// Live hosts that share a store have other scripts than this one.
    case otherScripts(store: String)
    /// This machine's clock is not as that of a store's server.
    case clock(store: String)
    /// The others that share a store do not know that this host lives.
    case membership(store: String)

    /// What is said when it is over.
    var recovery: String {
      switch self {
      case .workers(let executor): "executor \"\(executor)\" has all its workers again"
      case .blockingThreads: "files, programs and secrets of scripts are served again"
      case .values(let store): "kv of store \"\(store)\" is served again"
      case .programs: "programs of scripts can be started again"
      case .watching: "changes of scripts are noticed again"
      case .watchedFiles: "files are watched for again"
      case .otherScripts(let store): "all hosts of store \"\(store)\" have the same scripts again"
      case .clock(let store): "this machine's clock is as the one of store \"\(store)\" again"
      case .membership(let store): "the other hosts of store \"\(store)\" hear of this one again"
      }
    }
  }

  private let conditions = Mutex<[Condition: String]>([:])
  private let log: any HostLog

  package init(log: any HostLog) { self.log = log }

  /// The sentences of what is wrong; empty in a host that can do everything.
  package var problems: [String] { conditions.withLock { $0.values.sorted() } }

  /// Something cannot be done. Said once, until it is over or is about something else.
  package func set(_ condition: Condition, _ message: String, _ level: LogLevel = .error) {
    let isNew = conditions.withLock { conditions in
      defer { conditions[condition] = message }
      return conditions[condition] != message
    }
    if isNew { log.write(level, message) }
  }

  /// It can be done again. Said if it could not.
  package func clear(_ condition: Condition) {
    let isNews = conditions.withLock { $0.removeValue(forKey: condition) != nil }
    if isNews { log.write(.info, condition.recovery) }
  }
}
