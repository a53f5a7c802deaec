/// How long the watcher of files waits for what. All in nanoseconds.
package struct FileWatchTiming: Sendable, Hashable {
  /// After the last event that asks for a scan (directories came or went). Default 100 ms.
  package var quiet: Int64 = 100_000_000
  /// The longest that a stream of such events can put a scan off. Default 1 s.
  package var limit: Int64 = 1_000_000_000
  /// Between scans that no event asked for: network file systems tell nobody of changes made elsewhere, and a file that
  /// is written without being closed makes no event. At least a hundred times as long as a scan takes. Default 1 min.
  package var fullScan: Int64 = 60_000_000_000
  /// The same, while the kernel refuses to watch a directory or the store cannot be read. Default 5 s.
  package var polling: Int64 = 5_000_000_000

  package init() {}

  /// The defaults.
  package static let standard = FileWatchTiming()
}
