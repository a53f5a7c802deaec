internal import FileWatching
internal import Glibc
internal import ScriptRuntime

/// A name in a directory that is held open: what a script's path means, once every link on the way has been looked at.
/// Names are bytes, as the kernel has them: they need not be text.
///
/// Below a granted root each component is opened by itself and never followed blindly: a link is read, and its target
/// walked like the path, from where the link lies; `..` goes back to a directory held open, and never above the root.
/// So no race with somebody who swaps directories for links can lead outside. (`openat2` with `RESOLVE_BENEATH` does
/// this in the kernel, but containers often forbid it, so the walk is needed anyway; and it says which link leads out.)
struct FileLocation {
  let directory: OpenDirectory
  /// One component, or ".".
  let name: [UInt8]
  static let itself: [UInt8] = [UInt8(ascii: ".")]

  enum Last {
    /// A link at the end is followed: reading.
    case followed
    /// A link at the end is itself what is meant: replacing, removing.
    case itself
  }

  /// - Parameters:
  ///   - path: absolute, worked out.
  ///   - root: what was granted, absolute; nil when everything is.
  ///   - makingDirectories: directories missing on the way are made.
  static func find(
    _ path: [UInt8], below root: String?, last: Last, makingDirectories: Bool = false
  ) -> Result<FileLocation, FileLocationError> {
    let start = root.map { Array($0.utf8) } ?? [PlainPath.slash]
    guard let components = PlainPath.components(of: path, below: start) else {
      return .failure(.system(Errno(code: EACCES)))
    }
    guard !components.isEmpty else { return exactly(start) }
    if root != nil, makingDirectories { makeRoot(start) }
    switch OpenDirectory.open(start) {
    case .failure(let error): return .failure(.system(error))
    case .success(let opened):
      var walk = LocationWalk(
        root: opened, path: start, isFenced: root != nil, last: last, makingDirectories: makingDirectories)
      return walk.walk(components)
    }
  }

  /// The root itself, which the operator named: links to it are fine. It may be a file.
  private static func exactly(_ root: [UInt8]) -> Result<FileLocation, FileLocationError> {
    let resolved = SystemCall.realPath(root) ?? root
    guard let slash = resolved.lastIndex(of: PlainPath.slash), resolved != [PlainPath.slash] else {
      return OpenDirectory.open([PlainPath.slash]).map { FileLocation(directory: $0, name: itself) }
        .mapError(FileLocationError.system)
    }
    let parent = slash == 0 ? [PlainPath.slash] : Array(resolved[..<slash])
    // A worker process may read what is granted, and not the directory that it lies in.
    return OpenDirectory.open(parent)
      .flatMapError { $0.code == EACCES ? OpenDirectory.openAsBase(parent) : .failure($0) }
      .map { FileLocation(directory: $0, name: Array(resolved[(slash + 1)...])) }
      .mapError(FileLocationError.system)
  }

  /// A granted directory that is not there yet is made when something is to be written below it.
  private static func makeRoot(_ root: [UInt8]) {
    var path: [UInt8] = []
    for component in root.split(separator: PlainPath.slash) {
      path += [PlainPath.slash] + component
      // Safe: the path is terminated. What fails here shows when the directory is opened.
      _ = unsafe path.withTerminated { unsafe mkdir($0, 0o777) }
    }
  }
}

/// The walk from a root down to a place.
private struct LocationWalk {
  private var stack: [OpenDirectory]
  private let rootPath: [UInt8]
  private let isFenced: Bool
  private let last: FileLocation.Last
  private let makingDirectories: Bool
  /// Links followed so far; the kernel's own limit is 40.
  private var links = 0

  init(root: OpenDirectory, path: [UInt8], isFenced: Bool, last: FileLocation.Last, makingDirectories: Bool) {
    stack = [root]
    rootPath = path
    self.isFenced = isFenced
    self.last = last
    self.makingDirectories = makingDirectories
  }

  mutating func walk(_ components: [[UInt8]]) -> Result<FileLocation, FileLocationError> {
    var rest = Array(components.reversed())
    while let name = rest.popLast() {
      if name == FileLocation.itself { continue }
      if name.elementsEqual("..".utf8) {
        if stack.count > 1 { stack.removeLast() } else if isFenced { return .failure(.leadsOut("..")) }
        continue
      }
      let directory = stack[stack.count - 1]
      if rest.isEmpty, last == .itself { return .success(FileLocation(directory: directory, name: name)) }
      switch directory.target(of: name) {
      case .success(let target):
        links += 1
        guard links <= 40 else { return .failure(.system(Errno(code: ELOOP))) }
        guard let more = enter(target) else {
          let text = { (bytes: [UInt8]) in String(decoding: bytes, as: UTF8.self) }
          return .failure(.leadsOut("\(text(name)) (to \(text(target)))"))
        }
        rest += more.reversed()
      case .failure(Errno(code: EINVAL)):
        if rest.isEmpty { return .success(FileLocation(directory: directory, name: name)) }
        switch directory.openDirectory(name) {
        case .success(let next): stack.append(next)
        case .failure(let error): return .failure(.system(error))
        }
      case .failure(Errno(code: ENOENT)):
        if rest.isEmpty { return .success(FileLocation(directory: directory, name: name)) }
        guard makingDirectories else { return .failure(.system(Errno(code: ENOENT))) }
        // Safe: the name is terminated. Somebody else may have made it meanwhile.
        let isMade = unsafe name.withTerminated { unsafe mkdirat(directory.descriptor, $0, 0o777) == 0 }
        if !isMade, errno != EEXIST { return .failure(.system(.current)) }
        rest.append(name)
      case .failure(let error): return .failure(.system(error))
      }
    }
    return .success(FileLocation(directory: stack[stack.count - 1], name: FileLocation.itself))
  }

  /// The components of a link's target; an absolute one starts over at the root, when it lies below it.
  private mutating func enter(_ target: [UInt8]) -> [[UInt8]]? {
    guard target.first == PlainPath.slash else { return target.split(separator: PlainPath.slash).map { Array($0) } }
    // The root may itself be reached through links.
    for root in [rootPath, SystemCall.realPath(rootPath)].compactMap({ $0 }) {
      if let components = PlainPath.components(of: PlainPath.absolute(target, from: []), below: root) {
        stack.removeLast(stack.count - 1)
        return components
      }
    }
    return nil
  }
}
