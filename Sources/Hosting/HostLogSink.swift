package import Chronology
internal import JobModel
package import JobStores
package import ScriptHost
internal import Synchronization

/// Where scripts' log lines go: the host's log, and the history beside their run.
package final class HostLogSink: LogSink {
  private let log: any HostLog
  private let store = Mutex<(any JobStore)?>(nil)

  package init(_ log: any HostLog) { self.log = log }

  /// The first store keeps the lines.
  package func use(stores: [(name: String, store: any JobStore)]) { store.withLock { $0 = stores.first?.store } }

  /// The instant that lines written now carry.
  package var now: Instant { log.now }

  package var threshold: LogLevel { min(log.threshold, .info) }

  package func write(_ line: LogLine) {
    log.write(line)
    guard let run = line.run, let store = store.withLock({ $0 }) else { return }
    store.append(log: [
      RunLogLine(run: run, at: line.at, level: line.level.rawValue, message: line.message, fields: line.fields)
    ])
  }
}
