internal import FileWatching
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading
internal import ScriptRuntime
internal import Synchronization

/// Brings the files that jobs watch for to the scheduler: what the stores remember to the watcher, what the watcher
/// finds to the core.
///
/// Threading: `stop` from any thread, everything else in ticks of the scheduler, so that it always follows the jobs
/// that the scheduler has. What is found is posted, so the watcher never waits for the scheduler.
final class FileFollower: Sendable {
  private let watcher: FileWatcher
  private let subjects = Mutex<[String: FileWatcher.Subject]>([:])

  /// - Parameters:
  ///   - baseDirectory: where relative paths start.
  ///   - mayRead: whether a job may see what is in a directory; asked at each scan, so that a reload takes effect.
  init(
    engine: any SchedulerEngine, stores: NamedStores, baseDirectory: String, log: any HostLog, health: HostHealth,
    mayRead: @escaping @Sendable (FileWatcher.Subject, _ directory: String) -> Bool
  ) {
    var environment = FileWatcher.Environment(baseDirectory: baseDirectory) { subject in
      try stores[subject.store].files(of: subject.job)
    }
    environment.mayRead = mayRead
    environment.refusal = { FileWatchGrants.refusal($0.source, directory: $1, base: baseDirectory) }
    environment.onThread = { failure in
      guard let failure else { return health.clear(.watchedFiles) }
      health.set(
        .watchedFiles,
        "files are not watched for until the next reload (SIGHUP asks for one) finds a thread: \(failure)")
    }
    environment.onNotice = { notice in log.write(notice.isWarning ? .warn : .info, notice.description) }
    watcher = FileWatcher(environment) { report in
      engine.post(whenDurable: nil) { core, now, actions in
        let files = report.files
        core.filesGone(files.gone, of: report.job, at: now, into: &actions)
        core.filesPassedOver(files.passedOver, of: report.job, beginning: report.beginning, at: now, into: &actions)
        core.filesCompleted(files.complete, of: report.job, at: now, into: &actions)
      }
    }
  }

  /// Watches for the files of these jobs, and of no others. The scheduler knows the jobs already. Does not block.
  /// O(jobs).
  func follow(_ definitions: some Sequence<JobDefinition>) {
    subjects.withLock { subjects in
      subjects.removeAll()
      for job in definitions { if let subject = Self.subject(job) { subjects[job.name] = subject } }
      watcher.watch(Array(subjects.values))
    }
  }

  /// What a step of a reload says: new and other definitions, and jobs that have gone. O(jobs of the step).
  func follow(_ step: SchedulerCore.ReloadStep) {
    subjects.withLock { subjects in
      var changes: [String: FileWatcher.Subject?] = [:]
      for job in step.declared { Self.note(job.name, Self.subject(job), &subjects, &changes) }
      for name in step.removed { Self.note(name, nil, &subjects, &changes) }
      if !changes.isEmpty { watcher.change(changes) }
    }
  }

  /// Another definition of one job, or a new one; nil: it has gone. O(1).
  func follow(_ name: String, _ definition: JobDefinition?) {
    subjects.withLock { subjects in
      var changes: [String: FileWatcher.Subject?] = [:]
      Self.note(name, definition.flatMap(Self.subject), &subjects, &changes)
      if !changes.isEmpty { watcher.change(changes) }
    }
  }

  private static func note(
    _ name: String, _ subject: FileWatcher.Subject?, _ subjects: inout [String: FileWatcher.Subject],
    _ changes: inout [String: FileWatcher.Subject?]
  ) {
    guard subjects[name] != subject else { return }
    subjects[name] = subject
    changes.updateValue(subject, forKey: name)
  }

  /// A reload, also one that changes no job, may grant what a watch waits for. Does not block.
  func reviewGrants() { watcher.reviewGrants() }

  private static func subject(_ job: JobDefinition) -> FileWatcher.Subject? {
    guard job.enabled, let watch = job.watch else { return nil }
    return FileWatcher.Subject(job: job.name, source: job.source, watch: watch, store: job.store)
  }

  /// Looks at everything at once. Does not block.
  func rescanNow() { watcher.rescanNow() }

  /// When it returns, nothing more is found. Twice is fine.
  func stop() { watcher.stop() }
}
