internal import Chronology
internal import JobModel

/// What the watcher's thread has in its head about one job: where its files stand, and when to look again.
///
/// A class, so that what is known of a million files is never copied for a look at one. It belongs to the watcher's
/// thread.
final class WatchedJob {
  private(set) var subject: FileWatcher.Subject
  private(set) var patterns: [PathPattern]
  /// nil until the store was read.
  private(set) var quietPeriod: FileQuietPeriod?
  /// Patterns whose beginning the store knows, or will.
  private var begun: Set<String> = []
  /// The events since the last scan that ask for one.
  private var asked: (first: Int64, last: Int64)?
  /// When to scan although nobody asked.
  private var nextPoll: Int64
  private var problems: Set<FileScan.Problem> = []
  private let timing: FileWatchTiming
  /// Whether it waits for a reload that grants what it wants to see.
  private var lacksGrant = false

  init(_ subject: FileWatcher.Subject, base: String, timing: FileWatchTiming, at now: ClockReading) {
    self.subject = subject
    self.timing = timing
    patterns = Self.patterns(subject.watch, base)
    nextPoll = now.monotonic
  }

  /// The paths were checked when the job was declared: one that is wrong means nothing.
  private static func patterns(_ watch: FileWatch, _ base: String) -> [PathPattern] {
    watch.paths.flatMap { (try? PathPattern.parse($0, from: base)) ?? [] }
  }

  /// The scripts were loaded again: what is known of the files stays. A watch that was edited or came back is scanned
  /// at once.
  func update(_ subject: FileWatcher.Subject, base: String, isBack: Bool, at now: ClockReading) {
    guard isBack || lacksGrant || subject != self.subject else { return }
    if let quietPeriod, subject.watch != self.subject.watch {
      self.quietPeriod = FileQuietPeriod(subject.watch, after: quietPeriod)
    }
    self.subject = subject
    patterns = Self.patterns(subject.watch, base)
    lacksGrant = false
    nextPoll = now.monotonic
  }

  /// What the store remembers.
  func begin(with marks: [FileMark]) {
    quietPeriod = FileQuietPeriod(subject.watch, marks: marks)
    begun = Set(marks.filter(\.isBeginning).map(\.path))
  }

  /// The store cannot be read: without what it remembers, everything would be handled again. Later.
  func waitForStore(at now: ClockReading) {
    asked = nil
    nextPoll = now.monotonic + timing.polling
  }

  /// It may not see what it wants to: until a reload.
  func waitForGrant() {
    asked = nil
    lacksGrant = true
    nextPoll = .max
  }

  // MARK: When

  /// Asks for a scan, soon: when it has been quiet for a moment, and in a second at the latest.
  func askForScan(at now: ClockReading) { asked = (asked?.first ?? now.monotonic, now.monotonic) }

  /// Scans at the next tick.
  func scanNow() { nextPoll = .min }

  /// Monotonic nanoseconds.
  var nextScan: Int64 {
    guard let asked else { return nextPoll }
    return min(nextPoll, asked.last + timing.quiet, asked.first + timing.limit)
  }

  /// When there is something to do next.
  var nextTick: Int64 { quietPeriod?.hasReport == true ? .min : min(nextScan, quietPeriod?.nextCheck ?? .max) }

  // MARK: What

  /// An event of the kernel.
  func note(_ event: FileWatchSet.Event, seeing sight: FileSight, at now: ClockReading) {
    switch event {
    case .overflow: askForScan(at: now)
    case .directory(let path):
      if patterns.contains(where: { $0.leads(through: path) }) { askForScan(at: now) }
    case .entry(let path, let disappeared):
      if patterns.contains(where: { $0.matches(path) }) {
        if let version = sight.version(of: path) {
          quietPeriod?.see(path, version, isTouched: true, at: now)
        } else if disappeared, case .missing(let device) = sight.presence(of: path) {
          quietPeriod?.miss(path, directoryDevice: device, at: now)
        }
      }
      // It may be a link that files are reached through.
      if patterns.contains(where: { $0.leads(through: path) }) { askForScan(at: now) }
    }
  }

  /// What a look at the whole watch found.
  struct ScanResult {
    var newProblems: [FileScan.Problem]
    var beginning: [String]
    var failure: WatchNotice.Reason?
  }

  /// Looks at everything.
  func scan(
    _ watches: inout FileWatchSet, maySee: @escaping (String) -> Bool, clock: any MonotonicClock, at now: ClockReading
  ) -> ScanResult {
    asked = nil
    watches.begin()
    var visiting = watches
    var scan = FileScan(maySee: maySee) { visiting.visit($0) }
    scan.run(patterns)
    let failure = visiting.end(for: subject.job)
    watches = visiting
    let beginning = take(scan, FileSight(maySee: maySee), at: now)
    let end = clock.now.nanoseconds
    let interval = failure == nil ? timing.fullScan : timing.polling
    // However large the tree, looking at it takes a hundredth of the time.
    nextPoll = end + max(interval, 100 * max(0, end - now.monotonic))
    let new = scan.problems.subtracting(problems).sorted { $0.text < $1.text }
    problems = scan.problems
    return ScanResult(newProblems: new, beginning: beginning, failure: failure)
  }

  /// - Returns: the patterns whose watching begins with this scan, if that has to be remembered.
  private func take(_ scan: FileScan, _ sight: FileSight, at now: ClockReading) -> [String] {
    var beginning: [String] = []
    if !subject.watch.existing {
      beginning = patterns.map(\.text).filter { !begun.contains(FileMark.beginning(of: $0)) }
      let new = patterns.filter { beginning.contains($0.text) }
      quietPeriod?.passOver(scan.files.filter { file in new.contains { $0.matches(file.key) } }, at: now)
      for text in beginning { begun.insert(FileMark.beginning(of: text)) }
    }
    for (path, version) in scan.files { quietPeriod?.see(path, version, at: now) }
    let patterns = patterns
    for path in quietPeriod?.unseen(in: scan.files, where: { path in patterns.contains { $0.matches(path) } }) ?? [] {
      look(at: path, sight, now)
    }
    return beginning
  }

  /// Files that are looked at in one tick. A million that are there at the start reach the scheduler in pieces, so that
  /// it never takes long over one; and events are taken in between.
  private static let filesPerTick = 1_000

  /// Looks at files that have been quiet for long enough, and takes what there is to tell.
  func takeReport(seeing sight: FileSight, at now: ClockReading) -> FileQuietPeriod.Report {
    for path in quietPeriod?.due(at: now, limit: Self.filesPerTick) ?? [] {
      if let version = sight.version(of: path) {
        quietPeriod?.confirm(path, version, at: now)
      } else {
        look(at: path, sight, now)
      }
    }
    return quietPeriod?.takeReport() ?? FileQuietPeriod.Report()
  }

  private func look(at path: String, _ sight: FileSight, _ now: ClockReading) {
    switch sight.presence(of: path) {
    case .there(let version): quietPeriod?.see(path, version, at: now)
    case .missing(let device): quietPeriod?.miss(path, directoryDevice: device, at: now)
    case .unknown: quietPeriod?.letGo(path)
    }
  }
}
