internal import Glibc

/// Why a file or directory is there but not loaded, as one sentence that says what to change.
///
///     reports/big.lua is 2.3 MB long; a script may have at most 1 MB
///     private: Permission denied; give the host's user read access to this directory
package struct ScanProblem: Error, Sendable, Hashable {
  package enum Code: Sendable, Hashable {
    /// The system refused; `errno` says why.
    case unreadable(errno: Int32)
    /// Longer than ``ScanLimits/bytesPerFile``.
    case tooLarge(bytes: Int64, limit: Int)
    /// Named like a script, but a pipe, a socket or a device.
    case notAFile
    /// A link to something that does not exist.
    case danglingLink
    /// The name is not UTF-8, so that neither a log, a database nor a JSON document could hold it.
    case nameNotUTF8
    /// A directory that was reached before under another path; each directory is loaded once, which also ends loops of
    /// links.
    case repeatedDirectory(first: ScriptPath)
    /// The scripts directory itself is missing.
    case noRoot(errno: Int32)
    /// More files or directories than ``ScanLimits`` allows.
    case tooMany(limit: Int)
    /// A directory that lies deeper than ``ScanLimits/depth``.
    case tooDeep(limit: Int)
    /// Files that are longer together than ``ScanLimits/bytes``.
    case tooLong(limit: Int)
  }

  package let code: Code
  /// The file or directory.
  package let path: ScriptPath
  /// Whether `path` is a directory. Below one that cannot be read, what was known stays.
  package let isDirectory: Bool

  package init(_ code: Code, _ path: ScriptPath, isDirectory: Bool = false) {
    self.code = code
    self.path = path
    self.isDirectory = isDirectory
  }
}

extension ScanProblem: CustomStringConvertible {
  /// What it is about, for a sentence.
  package var name: String {
    path == .configuration ? "moondial.lua" : path.text.isEmpty ? "the scripts directory" : path.description
  }

  package var description: String {
    let name = name
    switch code {
    case .unreadable(let errno) where errno == EACCES || errno == EPERM:
      let what = isDirectory ? "directory" : "file"
      return "\(name): \(SystemCall.message(for: errno)); give the host's user read access to this \(what)"
    case .unreadable(let errno):
      return "\(name) cannot be read: \(SystemCall.message(for: errno))"
    case .tooLarge(let bytes, let limit):
      let what = path.text.hasSuffix(".ics") ? "calendar" : "script"
      return "\(name) is \(Self.megabytes(bytes)) long; a \(what) may have at most \(Self.megabytes(Int64(limit)))"
    case .notAFile:
      return "\(name) is not a regular file; remove it or give it a name that does not end in .lua"
    case .danglingLink:
      return "\(name) is a link to a file that does not exist; correct the link or remove it"
    case .nameNotUTF8:
      return "\(name): the name is not UTF-8; rename it"
    case .repeatedDirectory(let first):
      return "\(name) leads to the same directory as \(first), which is loaded already; remove one of the two"
    case .noRoot(let errno):
      return "the scripts directory cannot be opened: \(SystemCall.message(for: errno)); create it or name another"
    case .tooMany(let limit):
      return "\(name): there are more than \(limit) files or directories here; what is new is left out. "
        + "Name a directory that holds scripts only"
    case .tooDeep(let limit):
      return "\(name) lies more than \(limit) directories deep and is left out; move its scripts further up"
    case .tooLong(let limit):
      return "\(name): the files here are longer than \(Self.megabytes(Int64(limit))) together; what is new "
        + "is left out. Name a directory that holds scripts only"
    }
  }

  /// `2.3 MB`, in decimal megabytes rounded up to a tenth, since a size that is over a limit must not print as the
  /// limit.
  private static func megabytes(_ bytes: Int64) -> String {
    let tenths = (bytes + 99_999) / 100_000
    return tenths % 10 == 0 ? "\(tenths / 10) MB" : "\(tenths / 10).\(tenths % 10) MB"
  }
}
