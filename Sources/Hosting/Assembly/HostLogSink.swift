package import Chronology
internal import Executors
package import JobModel
internal import ScriptRuntime
internal import Synchronization

/// Where everything goes that runs say: their log lines to the host's log and to the store that has the run, and how
/// far they are to the store and to whoever listens.
///
/// Threading: any thread.
package final class HostLogSink: RunOutput {
  private let log: any HostLog
  private let receivers = Receivers()
  private let board: ProgressBoard

  package init(_ log: any HostLog) {
    self.log = log
    let receivers = receivers
    board = ProgressBoard { note in
      log.write(.debug, job: note.job, run: note.run, "progress: \(note.progress.words)", at: note.at)
      receivers.store(named: note.store)?.append(log: [RunLogLine(note)])
      receivers.tell(note)
    }
  }

  /// From now on these stores keep the lines.
  package func use(stores: NamedStores) { receivers.state.withLock { $0.stores = stores } }

  /// From now on `listener` is told how far runs are: of each run at most once a second, and at its end. It must be
  /// quick.
  package func tellProgress(to listener: @escaping @Sendable (ProgressNote) -> Void) {
    receivers.state.withLock { $0.listener = listener }
  }

  /// Passes on what waits. Before the stores are closed; twice is fine.
  package func stop() {
    board.stop()
    receivers.state.withLock { state in
      state.listener = nil
      state.control = nil
    }
  }

  /// The instant that lines written now carry.
  package var now: Instant { log.now }

  package var threshold: LogLevel { min(log.threshold, .info) }

  package func write(_ line: LogLine) {
    log.write(line)
    // The history has what is info and above, whatever is shown; the lines below that a job asks for as well.
    guard let run = line.run, let job = line.job, let name = line.store, line.level >= min(log.level(of: job), .info),
      let store = receivers.store(named: name)
    else { return }
    let kept = RunLogLine(
      run: run, job: job, at: line.at, level: line.level.rawValue, message: line.message, fields: line.fields)
    store.append(log: [kept])
    receivers.state.withLock { $0.control }?.lines.appendIfRead(kept)
  }

  package func note(_ progress: ProgressNote) { board.note(progress) }

  package func runEnded(_ run: RunID, store: String) {
    board.ended(run, store: store)
    receivers.state.withLock { $0.control }?.progress.ended(run)
  }

  /// From now on `control` hears what runs say.
  func tell(_ control: SchedulerControl) { receivers.state.withLock { $0.control = control } }

  /// Who is told; made before the host has any of them.
  private final class Receivers: Sendable {
    struct State: Sendable {
      var stores: NamedStores?
      var listener: (@Sendable (ProgressNote) -> Void)?
      var control: SchedulerControl?
    }
    let state = Mutex(State())

    func store(named name: String) -> (any JobStore)? { state.withLock { $0.stores }?[name] }
    func tell(_ note: ProgressNote) {
      state.withLock { $0.control }?.progress.note(note)
      state.withLock { $0.listener }?(note)
    }
  }
}
