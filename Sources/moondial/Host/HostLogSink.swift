import Chronology
import Executors
import Glibc
import JobModel
import JobStores
import Lua
import SchedulerService
import Scheduling
import ScriptHost
import Synchronization
import Triggers

/// Where scripts' log lines go: standard error, and the history beside their run.
final class HostLogSink: LogSink {
  private let log: LogRenderer
  private let store = Mutex<(any JobStore)?>(nil)

  init(_ log: LogRenderer) { self.log = log }

  func use(stores: [(name: String, store: any JobStore)]) { store.withLock { $0 = stores.first?.store } }

  var threshold: LogLevel { log.shows(.debug) ? .debug : .info }

  func write(_ line: LogLine) {
    if let job = line.job {
      log.write(line.level, job: job, run: line.run, line.message, fields: line.fields, at: line.at)
    } else {
      log.write(line.level, line.message, at: line.at)
    }
    guard let run = line.run, let store = store.withLock({ $0 }) else { return }
    store.append(log: [
      RunLogLine(run: run, at: line.at, level: line.level.rawValue, message: line.message, fields: line.fields)
    ])
  }
}
