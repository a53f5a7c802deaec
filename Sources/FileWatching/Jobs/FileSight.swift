internal import Glibc
internal import JobModel

/// Looks at single files for a job, and shows nothing that is not where the job may see it.
///
/// Of a directory the kernel says where it really is once it is open, and the file is asked for in the open directory
/// without following it; so nobody can put a link in its place in between. The last directory stays open: files are
/// mostly looked at one directory after the other. To be used for one tick, and then let go.
final class FileSight {
  private let maySee: (String) -> Bool
  /// nil in it: not there, or not granted.
  private var last: (path: String, directory: OpenDirectory?)?

  /// - Parameter maySee: whether a path without links is granted.
  init(maySee: @escaping (String) -> Bool) { self.maySee = maySee }

  /// The version of the regular file that `path` leads to; nil when there is none, or when it is where it may not be
  /// seen.
  func version(of path: String) -> FileVersion? {
    guard let directory = directory(AbsolutePath.parent(of: path)) else { return nil }
    let name = Array(path.utf8.suffix(while: { $0 != PlainPath.slash }))
    switch SystemCall.status(of: name, in: directory) {
    case .success(let status) where status.kind == .file: return FileVersion(status.stamp)
    case .success(let status) where status.kind == .link:
      guard let real = SystemCall.resolve(path), maySee(real),
        case .success(let target) = SystemCall.status(of: real, followingLinks: false), target.kind == .file
      else { return nil }
      return FileVersion(target.stamp)
    default: return nil
    }
  }

  private func directory(_ path: String) -> OpenDirectory? {
    if let last, last.path == path { return last.directory }
    var directory: OpenDirectory?
    if case .success(let opened) = OpenDirectory.open(Array(path.utf8)),
      let real = SystemCall.path(ofOpen: opened.descriptor) ?? SystemCall.resolve(path), maySee(real)
    {
      directory = opened
    }
    last = (path, directory)
    return directory
  }

  /// What a path that a scan did not find is now.
  enum Presence: Sendable {
    case there(FileVersion)
    /// Nothing is there; the device of the nearest directory above.
    case missing(directoryDevice: UInt64)
    /// Nobody can tell: no permission, an error, or it leads out of what is granted.
    case unknown
  }

  func presence(of path: String) -> Presence {
    switch SystemCall.status(of: path) {
    case .success(let status):
      guard status.kind == .file else { return device(above: path) }
      return version(of: path).map { .there($0) } ?? .unknown
    case .failure(let error): return error.code == ENOENT || error.code == ENOTDIR ? device(above: path) : .unknown
    }
  }

  private func device(above path: String) -> Presence {
    var path = path
    while path != "/" {
      path = AbsolutePath.parent(of: path)
      switch SystemCall.status(of: path) {
      case .success(let status): return .missing(directoryDevice: status.stamp.device)
      case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR: continue
      case .failure: return .unknown
      }
    }
    return .unknown
  }
}

extension BidirectionalCollection<UInt8> {
  /// The bytes at the end for which `holds` is true.
  fileprivate func suffix(while holds: (UInt8) -> Bool) -> SubSequence {
    self[(lastIndex { !holds($0) }.map { index(after: $0) } ?? startIndex)...]
  }
}
