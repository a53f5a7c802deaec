/// What a file held when it was read.
package struct FileContent: Sendable, Hashable {
  package let bytes: [UInt8]
  package let hash: ContentHash

  /// Complexity: O(`bytes.count`), for the hash.
  package init(_ bytes: [UInt8]) {
    self.bytes = bytes
    self.hash = ContentHash(of: bytes)
  }

  package static func == (left: FileContent, right: FileContent) -> Bool { left.hash == right.hash }
  package func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}

/// One file that the host knows: a script, a module, a test or the configuration.
///
/// Equal files have the same path and hold the same bytes, or cannot be read for the same reason; when they were
/// touched, and which inode holds them, does not matter.
package struct ScriptFile: Sendable {
  package enum Kind: Sendable, Hashable {
    /// Evaluated when it is loaded.
    case script
    /// Loaded when a script requires `name`.
    case module(name: String)
    /// `*_test.lua`: no host loads it.
    case test
    /// `moondial.lua`
    case configuration
    /// `*.ics`: read when a script names it.
    case calendar
  }

  package var path: ScriptPath { storage.path }
  package var kind: Kind { storage.kind }
  /// The bytes; or why the file, which is there, could not be read. A failure is no deletion: what was loaded before
  /// stays.
  package var content: Result<FileContent, ScanProblem> { storage.content }
  /// The file as the kernel described it when it was read; `nil` when it could not be, or is to be read again.
  var stamp: FileStamp? { storage.stamp }

  /// Immutable, and shared by all snapshots between two changes of the file: so that comparing two snapshots is mostly
  /// comparing pointers.
  private let storage: Storage

  private final class Storage: Sendable {
    let path: ScriptPath
    let kind: Kind
    let content: Result<FileContent, ScanProblem>
    let stamp: FileStamp?

    init(_ path: ScriptPath, _ kind: Kind, _ content: Result<FileContent, ScanProblem>, _ stamp: FileStamp?) {
      self.path = path
      self.kind = kind
      self.content = content
      self.stamp = stamp
    }
  }

  package init(_ path: ScriptPath, _ kind: Kind, _ content: Result<FileContent, ScanProblem>) {
    self.init(path, kind, content, stamp: nil)
  }

  init(_ path: ScriptPath, _ kind: Kind, _ content: Result<FileContent, ScanProblem>, stamp: FileStamp?) {
    storage = Storage(path, kind, content, stamp)
  }

  /// Whether the file's content may be a moment in the middle of a save: nothing in it yet, or not readable.
  var isDoubtful: Bool {
    switch content {
    case .success(let content): content.bytes.isEmpty
    case .failure: true
    }
  }
}

extension ScriptFile: Equatable {
  package static func == (left: ScriptFile, right: ScriptFile) -> Bool {
    left.storage === right.storage || left.path == right.path && left.content == right.content
  }
}
