import Basics
import Chronology
import Dispatch
import Executors
import JobModel
import ScriptLoading
import Synchronization
import Testing
import TestSupport

@testable import FileWatching

/// A temporary directory, a watcher for the files of jobs in it, and what that told. Waits for reports, never for time.
///
/// It plays the store too: what is reported as complete counts as handled, as soon as it is reported.
final class WatchedFiles: Sendable {
  let disk: EditedDirectory
  private let log = ReportLog()
  private let watcher: FileWatcher

  /// Short, so that tests are; but regular scans never come: what is reported was noticed by an event.
  static var timing: FileWatchTiming {
    var timing = FileWatchTiming()
    timing.quiet = 10_000_000
    timing.limit = 100_000_000
    timing.fullScan = 3_600_000_000_000
    timing.polling = 20_000_000
    return timing
  }

  init(
    _ disk: EditedDirectory, timing: FileWatchTiming = timing, watchLimit: Int = .max, marks: [FileMark] = [],
    failingReads: Int = 0, granted: @escaping @Sendable (String) -> Bool = { _ in true },
    makeThread: @escaping ThreadMaker = NamedThread.init
  ) {
    self.disk = disk
    let failures = Mutex(failingReads)
    let log = log
    var environment = FileWatcher.Environment(baseDirectory: disk.path) { subject in
      log.countRead()
      let fails = failures.withLock { left in
        defer { left -= 1 }
        return left > 0
      }
      if fails { throw Unreadable() }
      return marks.filter { $0.job == subject.job }
    }
    environment.timing = timing
    environment.watchLimit = watchLimit
    environment.mayRead = { _, directory in granted(directory) }
    environment.refusal = { FileWatchGrants.refusal($0.source, directory: $1, base: disk.path) }
    environment.makeThread = makeThread
    environment.onThread = { refused in
      if let refused { log.add(FileWatcher.Notice(isWarning: true, description: refused.description)) }
    }
    environment.onNotice = { log.add($0) }
    watcher = FileWatcher(environment) { log.add($0) }
  }

  deinit { watcher.stop() }

  private struct Unreadable: Error, CustomStringConvertible { let description = "the disk is on fire" }

  /// Watches for one job, `in`, or for none.
  func watch(_ paths: String..., change: (inout FileWatch) -> Void = { _ in }) {
    watch([subject("in", paths, change: change)])
  }

  func watch(_ subjects: [FileWatcher.Subject]) { watcher.watch(subjects) }
  func rescanNow() { watcher.rescanNow() }
  func stop() { watcher.stop() }

  func subject(_ job: String, _ paths: [String], change: (inout FileWatch) -> Void = { _ in }) -> FileWatcher.Subject {
    var watch = FileWatch(paths: paths)
    watch.settle = 20_000_000
    change(&watch)
    return FileWatcher.Subject(job: job, source: .init(file: "a.lua", line: 1), watch: watch, store: "default")
  }

  // MARK: What was told

  var notices: [String] { log.entries.notices.map(\.description) }
  var reports: [FileWatcher.Report] { log.entries.reports }
  var reads: Int { log.entries.reads }

  /// What was complete so far for a job, in the order of reports: paths below the directory.
  func complete(_ job: String = "in") -> [String] { paths(job) { $0.files.complete.map(\.path) } }
  func gone(_ job: String = "in") -> [String] { paths(job) { $0.files.gone } }
  func passedOver(_ job: String = "in") -> [String] { paths(job) { $0.files.passedOver.map(\.path) } }

  private func paths(_ job: String, _ paths: (FileWatcher.Report) -> [String]) -> [String] {
    reports.filter { $0.job == job }.flatMap(paths).map { path in
      path.hasPrefix(disk.path + "/") ? String(path.dropFirst(disk.path.count + 1)) : path
    }
  }

  /// Waits until exactly these were complete, in any order.
  func wait(for settled: [String], of job: String = "in", sourceLocation: Testing.SourceLocation = #_sourceLocation) {
    wait("\(settled) of \(job), not \(self.complete(job))", sourceLocation: sourceLocation) {
      $0.complete(job).sorted() == settled.sorted()
    }
  }

  func wait(
    _ comment: @autoclosure () -> String, sourceLocation: Testing.SourceLocation = #_sourceLocation,
    until condition: (WatchedFiles) -> Bool
  ) {
    while !condition(self) {
      guard log.waitForMore() else {
        Issue.record("never came: \(comment()); notices: \(notices)", sourceLocation: sourceLocation)
        return
      }
    }
  }
}

/// What a watcher said, and a way to wait for more.
private final class ReportLog: Sendable {
  struct Entries: Sendable {
    var reports: [FileWatcher.Report] = []
    var notices: [FileWatcher.Notice] = []
    var reads = 0
  }
  private let state = Mutex(Entries())
  private let news = DispatchSemaphore(value: 0)

  var entries: Entries { state.withLock { $0 } }

  func add(_ report: FileWatcher.Report) { note { $0.reports.append(report) } }
  func add(_ notice: FileWatcher.Notice) { note { $0.notices.append(notice) } }
  func countRead() { note { $0.reads += 1 } }

  private func note(_ change: (inout Entries) -> Void) {
    state.withLock { change(&$0) }
    news.signal()
  }

  /// `false` after half a minute without any news: the test has failed, and is not to hang.
  func waitForMore() -> Bool { news.wait(timeout: .now() + .seconds(30)) == .success }
}
