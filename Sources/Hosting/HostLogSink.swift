package import Chronology
package import JobModel
internal import ScriptRuntime
internal import Synchronization

/// Where the log lines of runs go: the host's log, and the history beside their run, in the store that has it.
///
/// Threading: any thread.
package final class HostLogSink: LogSink {
  private let log: any HostLog
  private let stores = Mutex<NamedStores?>(nil)

  package init(_ log: any HostLog) { self.log = log }

  /// From now on these stores keep the lines.
  package func use(stores: NamedStores) { self.stores.withLock { $0 = stores } }

  /// The instant that lines written now carry.
  package var now: Instant { log.now }

  package var threshold: LogLevel { min(log.threshold, .info) }

  package func write(_ line: LogLine) {
    log.write(line)
    guard let run = line.run, let job = line.job, let name = line.store,
      let store = stores.withLock({ $0 })?[name]
    else { return }
    store.append(log: [
      RunLogLine(
        run: run, job: job, at: line.at, level: line.level.rawValue, message: line.message, fields: line.fields)
    ])
  }
}
