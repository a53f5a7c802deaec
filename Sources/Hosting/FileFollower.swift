internal import JobModel
internal import JobStores
internal import SchedulerService
internal import Scheduling
internal import ScriptHost

/// Brings the files that jobs watch for to the scheduler: what the stores remember to the watcher, what the watcher
/// finds to the core.
///
/// Threading: any thread. What is found is posted, so the watcher never waits for the scheduler.
final class FileFollower: Sendable {
  private let watcher: FileWatcher

  /// - Parameters:
  ///   - baseDirectory: where relative paths start.
  ///   - grants: what a script may do; asked at each scan, so that a reload takes effect.
  init(
    engine: any SchedulerEngine, stores: [(name: String, store: any JobStore)], baseDirectory: String, log: any HostLog,
    grants: @escaping @Sendable (ScriptPath) -> Grants
  ) {
    // As the core does: a store that is not there is the default one.
    let named = Dictionary(stores.map { ($0.name, $0.store) }, uniquingKeysWith: { first, _ in first })
    let standard = stores[0].store
    var surroundings = FileWatcher.Surroundings(baseDirectory: baseDirectory) { subject in
      try (named[subject.store] ?? standard).files(of: subject.job)
    }
    surroundings.mayRead = { subject, directory in
      FileWatchGrants.allow(directory, grants(ScriptPath(subject.source.file)))
    }
    surroundings.onNotice = { notice in log.write(notice.isWarning ? .warn : .info, notice.description) }
    watcher = FileWatcher(surroundings) { report in
      engine.post(whenDurable: nil) { core, now, actions in
        let files = report.files
        core.filesGone(files.gone, of: report.job, at: now, into: &actions)
        core.filesPassedOver(files.passedOver, of: report.job, beginning: report.beginning, at: now, into: &actions)
        core.filesSettled(files.settled, of: report.job, at: now, into: &actions)
      }
    }
  }

  /// Watches for the files of these jobs, and of no others. The scheduler knows the jobs already. Does not block.
  func follow(_ definitions: [JobDefinition]) {
    watcher.watch(
      definitions.compactMap { job in
        guard job.enabled, let watch = job.watch else { return nil }
        return FileWatcher.Subject(job: job.name, source: job.source, watch: watch, store: job.store)
      })
  }

  /// Looks at everything at once. Does not block.
  func rescanNow() { watcher.rescanNow() }

  /// When it returns, nothing more is found. Twice is fine.
  func stop() { watcher.stop() }
}
