import Basics
import Dispatch
import Executors
import Synchronization
import Testing
import TestSupport

@testable import FileWatching

/// A temporary scripts directory, a watcher of it, and what that delivered. Waits for deliveries, never for time.
final class WatchedDisk: Sendable {
  let disk: EditedDirectory
  let watcher: DirectoryWatcher
  private let log: DeliveryLog

  /// Short, so that tests are; but regular scans never come: what is delivered was noticed by an event.
  static var timing: RescanTiming {
    var timing = RescanTiming()
    timing.saveQuiet = .milliseconds(10)
    timing.quiet = .milliseconds(20)
    timing.limit = .milliseconds(200)
    timing.removalGrace = .milliseconds(150)
    timing.doubtGrace = .milliseconds(60)
    timing.unstableDelay = .milliseconds(20)
    timing.fullScan = .seconds(3600)
    timing.polling = .milliseconds(20)
    return timing
  }

  /// The same with long graces: a writer that is held up between two steps of a save, on a busy machine, has made no
  /// other save.
  static var patientTiming: RescanTiming {
    var timing = timing
    timing.removalGrace = .seconds(5)
    timing.doubtGrace = .seconds(5)
    return timing
  }

  /// - Parameters:
  ///   - root: the directory to watch, relative to the temporary one.
  ///   - environment: what happens during scans.
  ///   - onChange: called on the watcher's thread, after the delivery was noted.
  init(
    _ disk: EditedDirectory, root: String = "", timing: RescanTiming = timing, watchLimit: Int = .max,
    environment: ScanEnvironment = ScanEnvironment(),
    onChange: @escaping @Sendable (DirectoryChange) -> Void = { _ in },
    makeThread: @escaping ThreadMaker = NamedThread.init
  ) {
    self.disk = disk
    let log = DeliveryLog()
    self.log = log
    watcher = DirectoryWatcher(
      ScriptDirectory(
        disk.absolute(root), configuration: nil, limits: ScanLimits(), environment: environment),
      timing: timing, watchLimit: watchLimit, makeThread: makeThread, onNotice: { log.add($0) },
      onChange: { change in
        log.add(change)
        onChange(change)
      })
  }

  deinit { watcher.stop() }

  var deliveries: [DirectoryChange] { log.changes }
  var notices: [WatchNotice] { log.notices }

  /// Waits for the first delivery, from the one after `index` on, that satisfies `condition`, and gives the number of
  /// deliveries up to it.
  @discardableResult
  func wait(
    after index: Int = 0, _ comment: String, sourceLocation: SourceLocation = #_sourceLocation,
    until condition: (DirectoryChange) -> Bool
  ) -> Int {
    var seen = index
    while true {
      let changes = log.changes
      while seen < changes.count {
        seen += 1
        if condition(changes[seen - 1]) { return seen }
      }
      guard log.waitForMore() else {
        Issue.record(
          "never delivered: \(comment); last: \(changes.last?.snapshot.contents ?? [:])", sourceLocation: sourceLocation
        )
        return changes.count
      }
    }
  }

  /// Waits until the delivered snapshot has exactly these files.
  @discardableResult
  func wait(for contents: [String: String], sourceLocation: SourceLocation = #_sourceLocation) -> Int {
    wait("\(contents)", sourceLocation: sourceLocation) { $0.snapshot.contents == contents }
  }

  /// Waits until a notice satisfies `condition`.
  func waitForNotice(
    _ comment: String, sourceLocation: SourceLocation = #_sourceLocation, _ condition: (WatchNotice) -> Bool
  ) {
    while !log.notices.contains(where: condition) {
      guard log.waitForMore() else {
        Issue.record("never noticed: \(comment)", sourceLocation: sourceLocation)
        return
      }
    }
  }
}

/// What a watcher said, and a way to wait for more.
private final class DeliveryLog: Sendable {
  private struct Entries {
    var changes: [DirectoryChange] = []
    var notices: [WatchNotice] = []
  }
  private let entries = Mutex(Entries())
  private let news = DispatchSemaphore(value: 0)

  var changes: [DirectoryChange] { entries.withLock { $0.changes } }
  var notices: [WatchNotice] { entries.withLock { $0.notices } }

  func add(_ change: DirectoryChange) {
    entries.withLock { $0.changes.append(change) }
    news.signal()
  }
  func add(_ notice: WatchNotice) {
    entries.withLock { $0.notices.append(notice) }
    news.signal()
  }

  /// `false` after half a minute without any news: the test has failed, and is not to hang.
  func waitForMore() -> Bool { news.wait(timeout: .now() + .seconds(30)) == .success }
}
