internal import Basics
internal import Chronology
internal import Glibc
internal import JobModel

/// One look at everything that the patterns of a watch mean, and at the directories that are worth watching for it.
///
/// Links to files count as the file that they lead to. Links to directories are followed where a pattern names the
/// component (`*` included), but not by `**`: so no loop of links makes a tree endless. Of what cannot be read nothing
/// is said to be missing.
///
/// Whether something may be seen is decided where it really is: of each directory the kernel says that once it is open,
/// and of what links lead to, when they are met. So neither a link on the way nor one that takes a directory's place
/// meanwhile shows a script what it was not granted.
struct FileScan {
  /// What stops a scan from being as good as it could be: one line of a log, said when it is new.
  struct Problem: Hashable, Sendable {
    var isWarning: Bool
    var text: String
  }

  struct Limits: Sendable {
    var directories = 20_000
    var files = 1_000_000
  }

  private(set) var files: [String: FileVersion] = [:]
  private(set) var problems: Set<Problem> = []
  private let limits: Limits
  private let maySee: (String) -> Bool
  private let visit: (String) -> Void
  private var searched = 0

  /// A directory still to be searched.
  private struct Location {
    var path: String
    var position: PathPattern.Position
  }

  /// - Parameters:
  ///   - maySee: whether a path without links is granted.
  ///   - visit: told of each directory before it is read, and of those where one that is missing would appear.
  init(limits: Limits = Limits(), maySee: @escaping (String) -> Bool, visit: @escaping (String) -> Void) {
    self.limits = limits
    self.maySee = maySee
    self.visit = visit
  }

  mutating func run(_ patterns: [PathPattern]) {
    for pattern in patterns {
      guard visitWay(to: pattern.root) else {
        report(false, "\(pattern.root) is not there; it is watched for")
        continue
      }
      var locations = [Location(path: pattern.root, position: pattern.position(Self.names(pattern.root)))]
      while let location = locations.popLast() {
        guard searched < limits.directories else {
          report(
            true,
            "\(pattern.text) has more than \(limits.directories) directories; files in the others are not seen: narrow it"
          )
          break
        }
        searched += 1
        search(location, pattern, &locations)
      }
    }
  }

  static func names(_ path: String) -> [String] { path.split(separator: "/").map(String.init) }

  /// Visits where `root` can be replaced: its parent, and wherever a component of its path is a link; or, when it is
  /// not there, where the first missing component would appear.
  ///
  /// - Returns: whether it is there.
  private func visitWay(to root: String) -> Bool {
    var path = "/"
    let components = Self.names(root)
    for (index, name) in components.enumerated() {
      let next = AbsolutePath.appending(name, to: path)
      switch SystemCall.status(of: next, followingLinks: false) {
      case .success(let status):
        if status.kind == .link || index == components.count - 1 { visit(path) }
        // A link to nowhere.
        if status.kind == .link, case .failure = SystemCall.status(of: next) { return false }
      case .failure(let error):
        visit(path)
        // What cannot be looked at may be there: listing it tells why not.
        return error.code == EACCES
      }
      path = next
    }
    return true
  }

  private mutating func search(_ location: Location, _ pattern: PathPattern, _ locations: inout [Location]) {
    // Before anything is watched, and again once the directory is open: in between somebody may put a link there.
    if let real = SystemCall.resolve(location.path), !maySee(real) { return reportElsewhere(location.path, real) }
    visit(location.path)
    switch SystemCall.listing(location.path) {
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR:
      // Gone since its parent was read; or the root is a file.
      if error.code == ENOTDIR {
        report(true, "\(location.path) is not a directory, so no file in it can be watched for")
      }
    case .failure(let error):
      report(
        true,
        "\(location.path) cannot be read (\(SystemCall.message(for: error.code))): its files are not seen; grant access to it"
      )
    case .success(let listing):
      guard let real = listing.path, maySee(real) else {
        return reportElsewhere(location.path, listing.path ?? "a place that has no name")
      }
      for entry in listing.entries { consider(entry, in: location, real, pattern, &locations) }
    }
  }

  private mutating func reportElsewhere(_ path: String, _ real: String) {
    report(true, "\(path) is in truth \(real), which is not granted; grant it to have its files watched")
  }

  private mutating func consider(
    _ entry: DirectoryEntry, in location: Location, _ real: String, _ pattern: PathPattern,
    _ locations: inout [Location]
  ) {
    let (name, isText) = FileNaming.decode(entry.name)
    let isFileName = pattern.accepts(name, at: location.position)
    guard isText else {
      if isFileName {
        report(true, "\(location.path) has a file whose name is not UTF-8 (\(name)); it is passed over: rename it")
      }
      return
    }
    let path = AbsolutePath.appending(name, to: location.path)
    switch entry.kind {
    case .directory:
      enter(name, path, isLink: false, location, pattern, &locations)
      if isFileName, pattern.segments.last?.isPlain == true {
        report(true, "\(path) is a directory; write \(path)/* for the files in it")
      }
    case .file: if isFileName { take(path, AbsolutePath.appending(name, to: real)) }
    case .link, .unknown:
      // Worth a look only when something could come of it.
      guard isFileName || !pattern.enter(name, at: location.position).isDead else { return }
      guard case .success(let status) = SystemCall.status(of: path) else { return }
      if status.kind == .directory {
        var isLink = entry.kind == .link
        if !isLink, case .success(let own) = SystemCall.status(of: path, followingLinks: false) {
          isLink = own.kind == .link
        }
        enter(name, path, isLink: isLink, location, pattern, &locations)
      } else if isFileName {
        guard let target = SystemCall.resolve(path) else { return }
        guard maySee(target) else { return reportLink(path, target) }
        take(path, target)
      }
    case .other: break
    }
  }

  private mutating func enter(
    _ name: String, _ path: String, isLink: Bool, _ location: Location, _ pattern: PathPattern,
    _ locations: inout [Location]
  ) {
    let position = pattern.enter(name, at: location.position, isLink: isLink)
    guard !position.isDead else { return }
    if isLink {
      guard let target = SystemCall.resolve(path) else { return }
      guard maySee(target) else { return reportLink(path, target) }
    }
    locations.append(Location(path: path, position: position))
  }

  private mutating func reportLink(_ path: String, _ target: String) {
    report(true, "the link \(path) leads to \(target), which is not granted; grant it to have its files watched")
  }

  /// - Parameter real: where the file is, without links. It is asked there, and not followed.
  private mutating func take(_ path: String, _ real: String) {
    guard files.count < limits.files else {
      return report(
        true, "there are more than \(limits.files) files; the others are not seen: move away what was handled")
    }
    if case .success(let status) = SystemCall.status(of: real, followingLinks: false), status.kind == .file {
      files[path] = FileVersion(status.stamp)
    }
  }

  private mutating func report(_ isWarning: Bool, _ text: String) {
    problems.insert(Problem(isWarning: isWarning, text: VisibleText.line(text)))
  }
}

extension FileVersion {
  init(_ stamp: FileStamp) {
    self.init(device: stamp.device, inode: stamp.inode, size: stamp.size, modified: stamp.modified)
  }
}

extension PathPattern.Segment {
  /// Whether it is a name without wildcards.
  package var isPlain: Bool { if case .name(let pattern) = self { pattern.literal != nil } else { false } }
}
