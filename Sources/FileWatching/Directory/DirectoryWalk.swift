internal import Glibc

/// One scan under way: searches the tree, and collects what it finds.
///
/// Real directories come first, in the order in which they are met; then the ones behind links, in path order. Each
/// directory is loaded once, under the first path that leads to it, so that neither a loop of links nor a hundred links
/// to one place can make the tree infinite, and a link never takes a directory away from its own place.
///
/// Where a bound of ``ScanLimits`` is reached, what is new is left out, and what the former snapshot knows stays as it
/// is: nothing is deleted because something else is too much.
struct DirectoryWalk {
  private let directory: ScriptDirectory
  private let former: DirectorySnapshot
  private let visit: (String, WatchRole) -> Void
  private let isWanted: () -> Bool
  private var reader: FileReader
  private var problems: [ScanProblem] = []
  private var identities: [DirectoryIdentity: ScriptPath] = [:]
  private var directories: Set<ScriptPath> = []
  /// Directories still to be searched, the next one last.
  private var real: [ScriptPath] = [.root]
  /// Links to directories still to be searched.
  private var linked: [ScriptPath] = []
  /// Directories that were not searched because of a bound.
  private var leftOut: Set<ScriptPath> = []
  private var newFileCount = 0
  private var entryCount = 0

  init(
    _ directory: ScriptDirectory, former: DirectorySnapshot, isFull: Bool, isWanted: @escaping () -> Bool,
    visit: @escaping (String, WatchRole) -> Void
  ) {
    self.directory = directory
    self.former = former
    self.visit = visit
    self.isWanted = isWanted
    self.reader = FileReader(former: former, isFull: isFull, directory.limits, directory.environment)
  }

  /// Walks. To be called once. nil: it is not wanted any more, and was left where it was.
  mutating func run() -> DirectoryScan? {
    visitWayToRoot()
    readConfiguration()
    readFilesElsewhere()
    while isWanted() {
      if let path = real.popLast() {
        search(path)
      } else if let first = linked.indices.min(by: { linked[$0] < linked[$1] }) {
        search(linked.remove(at: first))
      } else {
        break
      }
    }
    guard isWanted() else { return nil }
    keepLeftOut()
    let (files, unstable) = reader.finish()
    if reader.hasLeftOut { report(.tooLong(limit: directory.limits.bytes), .root) }
    return DirectoryScan(
      snapshot: DirectorySnapshot(files, problems: problems), unstable: unstable, directories: directories)
  }

  /// Where the root can be replaced: in its parent, and wherever a component of its path is a link. When some of the
  /// path does not exist, the place where it would appear.
  private func visitWayToRoot() {
    let root = directory.root
    var path = "/"
    let components = root.split(separator: "/").map(String.init)
    for (index, name) in components.enumerated() {
      let next = AbsolutePath.appending(name, to: path)
      let status = SystemCall.status(of: next, followingLinks: false)
      guard case .success(let status) = status else {
        visit(path, .entry(name))
        return
      }
      if status.kind == .link || index == components.count - 1 { visit(path, .entry(name)) }
      path = next
    }
  }

  private mutating func readConfiguration() {
    let path = directory.configuration
    visit(AbsolutePath.parent(of: path), .configuration(AbsolutePath.name(of: path)))
    let link = SystemCall.status(of: path, followingLinks: false)
    guard case .success(let status) = link else { return }
    take(.configuration, .configuration, at: path, isLink: status.kind == .link)
  }

  private mutating func readFilesElsewhere() {
    for path in directory.filesElsewhere {
      visit(AbsolutePath.parent(of: path.text), .elsewhere(AbsolutePath.name(of: path.text), path))
      guard case .success(let status) = SystemCall.status(of: path.text, followingLinks: false) else { continue }
      take(path, .calendar, at: path.text, isLink: status.kind == .link)
    }
  }

  private mutating func search(_ path: ScriptPath) {
    let absolute = path == .root ? directory.root : AbsolutePath.appending(path.text, to: directory.root)
    guard directories.count < directory.limits.directories else {
      leaveOutRest(from: path)
      return report(.tooMany(limit: directory.limits.directories), .root)
    }
    guard path.depth <= directory.limits.depth else {
      return report(.tooDeep(limit: directory.limits.depth), path)
    }
    visit(absolute, .scripts(path))
    let rest = directory.limits.entries - entryCount
    let listing: Result<(DirectoryIdentity, [DirectoryEntry]), Errno> =
      directory.environment.check(.listDirectory, absolute).map { .failure($0) }
      ?? SystemCall.list(absolute, most: rest + 1)
    switch listing {
    case .failure(let error) where path == .root && (error.code == ENOENT || error.code == ENOTDIR):
      // As if unreadable: a volume that is not mounted looks like this, and is no reason to drop every job.
      keepFormer(below: path, .noRoot(errno: error.code))
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR:
      // Gone since its parent was read.
      break
    case .failure(let error):
      keepFormer(below: path, .unreadable(errno: error.code))
    case .success((let identity, let entries)):
      if let first = identities[identity] { return report(.repeatedDirectory(first: first), path) }
      identities[identity] = path
      directories.insert(path)
      guard entries.count <= rest else {
        // All of it: which entries the file system lists first is not the same every time.
        leaveOutRest(from: path)
        return report(.tooMany(limit: directory.limits.entries), .root)
      }
      entryCount += entries.count
      let found = real.count
      for entry in entries {
        guard isWanted() else { return }
        consider(entry, in: path, absolute)
      }
      // The file system lists them as it likes; the walk takes them in path order, to do the same every time.
      real[found...].sort(by: >)
    }
  }

  private mutating func consider(_ entry: DirectoryEntry, in parent: ScriptPath, _ absoluteParent: String) {
    let (name, isText) = FileNaming.decode(entry.name)
    let path = parent.appending(name)
    let kind = FileNaming.kind(of: path)
    guard isText else {
      if let kind, entry.kind != .directory {
        add(ScriptFile(path, kind, .failure(ScanProblem(.nameNotUTF8, path))))
      } else if entry.kind == .directory, FileNaming.isSearched(path) {
        report(.nameNotUTF8, path)
      }
      return
    }
    switch entry.kind {
    case .directory:
      if FileNaming.isSearched(path) { real.append(path) }
    case .file, .other:
      if let kind { take(path, kind, at: AbsolutePath.appending(name, to: absoluteParent), isLink: false) }
    case .link, .unknown:
      guard kind != nil || FileNaming.isSearched(path) else { return }
      follow(path, kind, at: AbsolutePath.appending(name, to: absoluteParent), isLink: entry.kind == .link)
    }
  }

  /// A link, or an entry of a file system that does not tell what its entries are.
  private mutating func follow(_ path: ScriptPath, _ kind: ScriptFile.Kind?, at absolute: String, isLink: Bool) {
    var isLink = isLink
    if !isLink, case .success(let status) = SystemCall.status(of: absolute, followingLinks: false) {
      isLink = status.kind == .link
    }
    switch SystemCall.status(of: absolute) {
    case .success(let status) where status.kind == .directory:
      guard FileNaming.isSearched(path) else { return }
      guard isLink else { return real.append(path) }
      // Who comes first of more than may be searched is of no use.
      guard linked.count < directory.limits.directories else {
        leftOut.insert(path)
        return report(.tooMany(limit: directory.limits.directories), .root)
      }
      linked.append(path)
    case .failure(let error) where kind == nil && error.code != ENOENT:
      // Perhaps a directory of scripts, which nothing can tell now.
      keepFormer(below: path, .unreadable(errno: error.code))
    default:
      if let kind { take(path, kind, at: absolute, isLink: isLink) }
    }
  }

  /// Hands a file to the reader.
  private mutating func take(_ path: ScriptPath, _ kind: ScriptFile.Kind, at absolute: String, isLink: Bool) {
    // An edit to the file behind a link shows where that file lies.
    if isLink, let target = SystemCall.resolve(absolute) {
      visit(AbsolutePath.parent(of: target), .entry(AbsolutePath.name(of: target)))
    }
    guard countFile(path) else { return }
    reader.take(path, kind, at: absolute)
  }

  private mutating func add(_ file: ScriptFile) {
    if countFile(file.path) { reader.add(file) }
  }

  /// Whether the file may be taken: one that is known always may, and the configuration; a new one while there is room
  /// beside those.
  private mutating func countFile(_ path: ScriptPath) -> Bool {
    if former[path] != nil || path == .configuration { return true }
    newFileCount += 1
    if former.count + newFileCount <= directory.limits.files { return true }
    report(.tooMany(limit: directory.limits.files), .root)
    return false
  }

  private mutating func leaveOutRest(from path: ScriptPath) {
    leftOut.formUnion(real + linked + [path])
    (real, linked) = ([], [])
  }

  /// What is known of the directories that were left out stays.
  private mutating func keepLeftOut() {
    if leftOut.isEmpty { return }
    for file in former.unordered where file.path.isBelow(anyOf: leftOut) { reader.keep(file) }
  }

  private mutating func keepFormer(below path: ScriptPath, _ code: ScanProblem.Code) {
    report(code, path)
    for file in former.unordered where file.path.isBelow(path) { reader.add(file) }
  }

  private mutating func report(_ code: ScanProblem.Code, _ path: ScriptPath) {
    let problem = ScanProblem(code, path, isDirectory: true)
    if !problems.contains(problem) { problems.append(problem) }
  }
}
