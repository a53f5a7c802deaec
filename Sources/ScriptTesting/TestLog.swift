internal import JobModel
internal import Synchronization

/// Keeps the lines of one test: those of its jobs, and its own.
///
/// Threading: any thread.
final class TestLog: RunOutput {
  /// Lines that are kept; later ones are dropped.
  private static let most = 10_000

  private let lines = Mutex<[LogLine]>([])

  init() {}

  var all: [LogLine] { lines.withLock { $0 } }

  func write(_ line: LogLine) {
    lines.withLock { if $0.count < Self.most { $0.append(line) } }
  }

  func note(_ progress: ProgressNote) {}
  func runEnded(_ run: RunID, store: String) {}
}
