/// How long the watcher waits for what. Together with a scan (milliseconds) and the evaluation of what changed, a save
/// is live within 300 ms.
package struct RescanTiming: Sendable, Hashable {
  /// After an existing file was saved completely, and nothing else happened. Default 40 ms: enough for an editor that
  /// saves twice.
  package var saveQuiet: Duration = .milliseconds(40)
  /// After anything else: several files, new ones, directories, a save in several steps. Default 100 ms.
  package var quiet: Duration = .milliseconds(100)
  /// The longest that a stream of events can put a scan off. Default 1 s.
  package var limit: Duration = .seconds(1)
  /// How long a file must be missing to be removed: editors move the old version away before they write the new one.
  /// Default 500 ms.
  package var removalGrace: Duration = .milliseconds(500)
  /// How long a file that became empty or unreadable, or that ends in the middle of a statement, may take to become
  /// better before it is delivered. Default 250 ms.
  package var doubtGrace: Duration = .milliseconds(250)
  /// Until a file is tried again that changed whenever it was read. Default 100 ms.
  package var unstableDelay: Duration = .milliseconds(100)
  /// Between scans that no event asked for: NFS, FUSE and overlay file systems tell nobody of changes made elsewhere.
  /// Default 30 s.
  package var fullScan: Duration = .seconds(30)
  /// The same, while the kernel refuses to watch a directory. Default 1 s.
  package var polling: Duration = .seconds(1)

  package init() {}

  /// The defaults.
  package static let standard = RescanTiming()
}
