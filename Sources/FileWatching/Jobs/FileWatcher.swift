package import Basics
package import Chronology
internal import Glibc
package import JobModel
internal import Synchronization

/// Watches for the files of jobs, and tells which are complete.
///
///     let watcher = FileWatcher(baseDirectory: "/srv", reading: { job, store in try marks(job, store) }) { report in
///       … hand it to the scheduler …
///     }
///     watcher.watch(subjects)                       // the whole set
///     watcher.change(["import": subject, "old": nil])   // …and what a reload changes of it
///     …
///     watcher.stop()
///
/// ``FileQuietPeriod`` decides; this class has the thread (`md-files`, which begins with the first subject), the
/// kernel's events and the clocks. It is not the thread of ``DirectoryWatcher``, which may evaluate slow scripts for
/// seconds.
///
/// What is known of a job's files stays in memory when the job goes, and is read from the store once: so a mark that is
/// being written is never missed. A hundred thousand files took 70 MB at the peak, and a look at all of them 1.3 s of a
/// processor (a debug build, 2026-11-22).
///
/// Threading: every method from any thread; closures are called on the watcher's thread, one at a time.
package final class FileWatcher: Sendable {
  /// A job that watches.
  package struct Subject: Sendable, Equatable {
    package var job: String
    package var source: SourceLocation
    package var watch: FileWatch
    /// Name of the store that remembers.
    package var store: String

    package init(job: String, source: SourceLocation, watch: FileWatch, store: String) {
      self.job = job
      self.source = source
      self.watch = watch
      self.store = store
    }
  }

  /// What the scheduler is to be told about one job.
  package struct Report: Sendable {
    package var job: String
    package var files: FileQuietPeriod.Report
    /// Patterns that are watched from now on, what was there before passed over.
    package var beginning: [String]
  }

  /// One line for an operator.
  package struct Notice: Sendable, Equatable, CustomStringConvertible {
    package var isWarning: Bool
    package var description: String
  }

  /// Where everything else comes from.
  package struct Environment: Sendable {
    /// Relative paths start here.
    package var baseDirectory: String
    /// What the store remembers of a job's files. Blocks; throws a sentence.
    package var marks: @Sendable (Subject) throws -> [FileMark]
    /// Whether the subject may see what is at the path, which is absolute. Asked for the roots of its patterns, and for
    /// where directories and files really are: then there is no link in it.
    package var mayRead: @Sendable (Subject, _ path: String) -> Bool = { _, _ in true }
    /// The sentence for a subject that may not see a directory.
    package var refusal: @Sendable (Subject, _ directory: String) -> String = { "it may not see \($1)" }
    package var onNotice: @Sendable (Notice) -> Void = { _ in }
    /// Told when the system refuses the thread, and with nil when it gives it.
    package var onThread: @Sendable (ThreadError?) -> Void = { _ in }
    /// Makes the thread.
    package var makeThread: ThreadMaker = NamedThread.init
    package var timing = FileWatchTiming.standard
    package var wall: any WallClock = SystemWallClock()
    package var monotonic: any MonotonicClock = SystemMonotonicClock()
    /// The most directories to watch; beyond, all are scanned every few seconds.
    package var watchLimit = Int.max

    package init(baseDirectory: String, marks: @escaping @Sendable (Subject) throws -> [FileMark]) {
      self.baseDirectory = baseDirectory
      self.marks = marks
    }
  }

  private let environment: Environment
  private let onReport: @Sendable (Report) -> Void
  private let wake = WakeSignal()
  private let state = Mutex(State())

  private struct State: Sendable {
    /// The whole set, if the thread has not taken it so far; and what changed after it.
    var subjects: [Subject]?
    var changes: [String: Subject?] = [:]
    var reviewsGrants = false
    var mustScan = false
    var isStopped = false
    var thread: NamedThread?

    /// Whether there is no job to watch for, as far as the thread has not heard of it.
    var isNothing: Bool { subjects?.isEmpty != false && !changes.values.contains { $0 != nil } }
  }

  package init(_ environment: Environment, onReport: @escaping @Sendable (Report) -> Void) {
    self.environment = environment
    self.onReport = onReport
  }

  /// Makes `subjects` the whole set of watching jobs. Does not block.
  package func watch(_ subjects: [Subject]) {
    state.withLock { state in
      guard !state.isStopped, !subjects.isEmpty || state.thread != nil || state.subjects != nil else { return }
      state.subjects = subjects
      state.changes = [:]
    }
    startThread()
    wake.wake()
  }

  /// Other subjects for some jobs, by name; nil: it watches no more. The other jobs are left alone. Does not block.
  package func change(_ changes: [String: Subject?]) {
    state.withLock { state in
      guard !state.isStopped, state.thread != nil || !state.isNothing || changes.values.contains(where: { $0 != nil })
      else { return }
      state.changes.merge(changes) { _, new in new }
    }
    startThread()
    wake.wake()
  }

  /// What may be seen is perhaps another: jobs that wait for a grant ask again, and a thread that was refused is asked
  /// for again. Does not block.
  package func reviewGrants() {
    state.withLock { $0.reviewsGrants = true }
    startThread()
    wake.wake()
  }

  /// Scans everything at once: the answer to SIGHUP. Does not block.
  package func rescanNow() {
    state.withLock { $0.mustScan = true }
    startThread()
    wake.wake()
  }

  /// Starts the thread if there is something to watch and it is not there.
  private func startThread() {
    let result = state.withLock { state -> Result<Void, ThreadError>? in
      guard !state.isStopped, state.thread == nil, !state.isNothing else { return nil }
      return Result { () throws(ThreadError) in
        state.thread = try environment.makeThread("md-files", 1 << 20, .blocked) { [weak self] in self?.run() }
      }
    }
    switch result {
    case .success: environment.onThread(nil)
    case .failure(let failure): environment.onThread(failure)
    case nil: break
    }
  }

  /// Ends watching. When it returns, no closure runs, and none will. Twice is fine; not from a closure.
  package func stop() {
    let thread = state.withLock { state in
      state.isStopped = true
      return state.thread.take()
    }
    guard let thread else { return }
    wake.wake()
    thread.join()
  }
}

extension FileWatcher {
  /// What only the thread touches.
  private struct Loop {
    var watches: FileWatchSet
    /// Jobs that watch now.
    var jobs: [String: WatchedJob] = [:]
    /// Those that did.
    var former: [String: WatchedJob] = [:]
    /// Subjects without a grant: said once.
    var refused: Set<String> = []
    /// Stores that could not be read: said once.
    var unreadable: Set<String> = []
    /// Jobs of which some directories are not watched, but looked at again and again.
    var polled: Set<String> = []
  }

  private func run() {
    var loop = Loop(watches: FileWatchSet(limit: environment.watchLimit))
    while true {
      let news = state.withLock { state in
        defer { (state.changes, state.reviewsGrants, state.mustScan) = ([:], false, false) }
        return (
          isStopped: state.isStopped, subjects: state.subjects.take(), changes: state.changes,
          reviewsGrants: state.reviewsGrants, mustScan: state.mustScan
        )
      }
      if news.isStopped { return }
      if let subjects = news.subjects { take(subjects, &loop) }
      for (name, subject) in news.changes {
        if let subject { take(subject, &loop) } else { drop(name, &loop) }
      }
      if news.reviewsGrants { reviewGrants(&loop) }
      if news.mustScan { for job in loop.jobs.values { job.scanNow() } }
      takeEvents(&loop)
      tick(&loop)
      let next = loop.jobs.values.reduce(Int64.max) { min($0, $1.nextTick) }
      let left = next == .max ? .max : max(0, next.subtractingReportingOverflow(now.monotonic).partialValue)
      wake.wait(for: loop.watches.descriptorOwner, nanoseconds: next < 0 ? 0 : left)
    }
  }

  private var now: ClockReading {
    ClockReading(wall: environment.wall.now, monotonic: environment.monotonic.now.nanoseconds)
  }

  private func sight(of job: WatchedJob) -> FileSight {
    let (mayRead, subject) = (environment.mayRead, job.subject)
    return FileSight { mayRead(subject, $0) }
  }

  private func notice(_ isWarning: Bool, _ text: String) {
    environment.onNotice(Notice(isWarning: isWarning, description: text))
  }

  private func take(_ subjects: [Subject], _ loop: inout Loop) {
    var missing = Set(loop.jobs.keys)
    for subject in subjects {
      missing.remove(subject.job)
      take(subject, &loop)
    }
    for name in missing { drop(name, &loop) }
  }

  private func take(_ subject: Subject, _ loop: inout Loop) {
    let now = now
    if let job = loop.jobs[subject.job] {
      job.update(subject, base: environment.baseDirectory, isBack: false, at: now)
    } else if let job = loop.former.removeValue(forKey: subject.job) {
      job.update(subject, base: environment.baseDirectory, isBack: true, at: now)
      loop.jobs[subject.job] = job
    } else {
      loop.jobs[subject.job] = WatchedJob(
        subject, base: environment.baseDirectory, timing: environment.timing, at: now)
    }
  }

  private func drop(_ name: String, _ loop: inout Loop) {
    guard let job = loop.jobs.removeValue(forKey: name) else { return }
    loop.former[name] = job
    loop.polled.remove(name)
    loop.watches.forget(name)
  }

  private func reviewGrants(_ loop: inout Loop) {
    let now = now
    for job in loop.jobs.values {
      job.update(job.subject, base: environment.baseDirectory, isBack: false, at: now)
    }
  }

  private func takeEvents(_ loop: inout Loop) {
    let now = now
    let jobs = loop.jobs
    var sights: [String: FileSight] = [:]
    var hasOverflowed = false
    loop.watches.takeEvents { job, event in
      guard let job else {
        hasOverflowed = true
        return
      }
      guard let job = jobs[job] else { return }
      let sight = sights[job.subject.job] ?? sight(of: job)
      sights[job.subject.job] = sight
      job.note(event, seeing: sight, at: now)
    }
    if hasOverflowed {
      for job in jobs.values { job.note(.overflow, seeing: sight(of: job), at: now) }
      notice(
        false, "so many files changed at once that the kernel dropped events; looking at everything that is watched for"
      )
    }
  }

  /// Does for each job what is due.
  private func tick(_ loop: inout Loop) {
    for (name, job) in loop.jobs {
      let now = now
      guard job.nextTick <= now.monotonic else { continue }
      var beginning: [String] = []
      if job.nextScan <= now.monotonic { beginning = scan(job, &loop, at: now) }
      let files = job.takeReport(seeing: sight(of: job), at: self.now)
      if !files.isEmpty || !beginning.isEmpty { onReport(Report(job: name, files: files, beginning: beginning)) }
    }
  }

  private func scan(_ job: WatchedJob, _ loop: inout Loop, at now: ClockReading) -> [String] {
    let subject = job.subject
    guard isGranted(job, &loop) else {
      // A reload, which may grant it, asks for a scan.
      job.waitForGrant()
      loop.watches.forget(subject.job)
      return []
    }
    if job.quietPeriod == nil {
      do {
        job.begin(with: try environment.marks(subject))
        loop.unreadable.remove(subject.store)
      } catch {
        if loop.unreadable.insert(subject.store).inserted {
          notice(true, "the files of \"\(subject.job)\" are not watched for until its store can be read: \(error)")
        }
        job.waitForStore(at: now)
        return []
      }
    }
    let mayRead = environment.mayRead
    let result = job.scan(
      &loop.watches, maySee: { mayRead(subject, $0) }, clock: environment.monotonic, at: now)
    for problem in result.newProblems {
      notice(problem.isWarning, "\(subject.source): job \"\(subject.job)\": \(problem.text)")
    }
    let wasPolling = !loop.polled.isEmpty
    if let failure = result.failure {
      loop.polled.insert(subject.job)
      let interval = Duration.nanoseconds(environment.timing.polling)
      if !wasPolling {
        notice(true, "some files are looked for every \(interval) instead of being waited for: \(failure)")
      }
    } else if loop.polled.remove(subject.job) != nil, loop.polled.isEmpty {
      notice(false, "all files are waited for again, in \(loop.watches.count) directories")
    }
    return result.beginning
  }

  /// Whether every directory that the job's patterns begin in is granted; else it is said, once.
  private func isGranted(_ job: WatchedJob, _ loop: inout Loop) -> Bool {
    let subject = job.subject
    let missing = job.patterns.map(\.root).filter { !environment.mayRead(subject, $0) }
    guard let first = missing.first else {
      loop.refused.remove(subject.job)
      return true
    }
    if loop.refused.insert(subject.job).inserted {
      notice(
        true,
        "\(subject.source): job \"\(subject.job)\": its files are not watched for: "
          + environment.refusal(subject, first))
    }
    return false
  }
}
