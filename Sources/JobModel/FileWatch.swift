package import Chronology

/// The files that a job waits for (`watch`): where they appear, and when one is complete.
///
///     watch = { path = "/srv/in/*.csv", settle = "2s" }
///
/// A file is given to the job when its size and modification time have not changed for `settle`. Which files were
/// given, and what became of them, the job's store remembers as ``FileMark``s, so that nothing is lost or repeated over
/// a restart.
package struct FileWatch: Sendable, Hashable {
  /// Patterns as written: absolute, or relative to the directory that holds `moondial.lua`. Checked when the job was
  /// declared.
  package var paths: [String]
  /// Nanoseconds for which a file must stay the same to be complete. The default is 2 s.
  package var settle: Int64 = 2_000_000_000
  /// What a file must have done to be given to the job. The default is both.
  package var events: FileEvents = .all
  /// Whether files that are there when the watch begins for the first time are given to the job. The default is true.
  package var existing = true
  /// The most paths of one run. The default is 1,000.
  package var batch = 1_000

  package init(paths: [String]) { self.paths = paths }

  /// `with files in/*.csv`: when the job runs, as one phrase.
  package var inWords: String { "with files " + paths.joined(separator: ", ") }

  /// What one run's paths take together at the most, in bytes: an event is one JSON text, kept in the history.
  package static let batchBytes = 256 * 1024
}

/// What can happen to a watched file.
package struct FileEvents: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A path that was not there when it was looked at last.
  package static let created = FileEvents(rawValue: 1)
  /// Another file, size or time under a path that is known.
  package static let changed = FileEvents(rawValue: 2)
  package static let all: FileEvents = [.created, .changed]
}

/// One state of a file, as its inode tells it.
package struct FileVersion: Sendable, Hashable {
  package var device: UInt64
  package var inode: UInt64
  /// Bytes.
  package var size: Int64
  /// Nanoseconds since 1970.
  package var modified: Int64

  package init(device: UInt64, inode: UInt64, size: Int64, modified: Int64) {
    self.device = device
    self.inode = inode
    self.size = size
    self.modified = modified
  }

  /// Whether it is the same file with the same content, as far as anyone can tell without reading it. The device is
  /// left out: the number of a network file system is another one after each mount.
  package func isSameContent(as other: FileVersion) -> Bool {
    inode == other.inode && size == other.size && modified == other.modified
  }
}

/// A complete file, as it is given to a job.
package struct WatchedFile: Sendable, Hashable {
  /// Absolute.
  package var path: String
  package var version: FileVersion

  package init(path: String, version: FileVersion) {
    self.path = path
    self.version = version
  }
}

/// What a store remembers of one file of one job: that this version needs no further run.
package struct FileMark: Sendable, Hashable {
  package var job: String
  /// Absolute; or ``beginning(of:)``, which names no file.
  package var path: String
  /// nil: the file has gone, and the store may forget it.
  package var version: FileVersion?
  /// The run that was given it, and how that ended. nil: it was passed over on purpose (`existing = false`, or an event
  /// that the job does not ask for).
  package var run: RunID?
  package var outcome: Outcome?
  package var at: Instant

  package init(
    job: String, path: String, version: FileVersion?, run: RunID? = nil, outcome: Outcome? = nil, at: Instant
  ) {
    self.job = job
    self.path = path
    self.version = version
    self.run = run
    self.outcome = outcome
    self.at = at
  }

  /// The key of the row that says since when `pattern` is watched without what was there before. Paths of files begin
  /// with a slash.
  package static func beginning(of pattern: String) -> String { "since:" + pattern }

  package var isBeginning: Bool { !path.hasPrefix("/") }
}
