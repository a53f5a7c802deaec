internal import Chronology
internal import Glibc

/// Reads the files of one scan, so that each is a version that somebody wrote, never the half of one.
///
/// What the kernel says of a file cannot tell two writes within one tick of the file system's clock apart (4 ms to 10
/// ms on most kernels). So a file counts as read when
/// 1. its last write was at least ``restTime`` ago before it was read, and
/// 2. nothing about it has changed after it was read.
///
/// Then no write began between 1 and 2. A younger file waits, open, until it is old enough: a file that is replaced by
/// a rename meanwhile was complete, and is read through its open descriptor though its name is gone. A file that is
/// rewritten in place again and again fails three times and is left for the next scan. Editors are at rest when the
/// scan comes, so that all this only happens in the middle of a stream of saves; it takes at most three times
/// ``restTime``.
struct FileReader {
  /// Longer than a tick of a kernel at 100 Hz.
  static let restTime: Int64 = 12_000_000
  /// A stamp that is older than this when the file was read changes with the next write on every file system, since the
  /// coarsest (FAT) counts in 2 s.
  private static let trustedAge: Int64 = 2_000_000_000
  private static let attempts = 3
  /// How many files are open at most while they come to rest.
  private static let batchSize = 64

  private let former: DirectorySnapshot
  private let isFull: Bool
  private let limits: ScanLimits
  private let environment: ScanEnvironment
  private var files: [ScriptPath: ScriptFile] = [:]
  private var unstable: Set<ScriptPath> = []
  private var waiting: [Candidate] = []
  /// Bytes by which files may still grow, those that are new by all they have: what is known has its place.
  private var room: Int64
  /// Whether there was a file that was too much.
  private(set) var hasLeftOut = false

  private struct Candidate {
    var path: ScriptPath
    var kind: ScriptFile.Kind
    var absolute: String
    var file: OpenFile
  }

  init(former: DirectorySnapshot, isFull: Bool, _ limits: ScanLimits, _ environment: ScanEnvironment) {
    self.former = former
    self.isFull = isFull
    self.limits = limits
    self.environment = environment
    room = former.unordered.reduce(Int64(limits.bytes)) { $0 - Self.size(of: $1) }
    files.reserveCapacity(former.count)
  }

  /// Takes an entry as it is.
  mutating func add(_ file: ScriptFile) { files[file.path] = file }

  /// Keeps an entry of the former snapshot where nothing newer was found.
  mutating func keep(_ file: ScriptFile) { if files[file.path] == nil { add(file) } }

  private static func size(of file: ScriptFile?) -> Int64 {
    guard case .success(let content) = file?.content else { return 0 }
    return Int64(content.bytes.count)
  }

  /// Reads the file at `absolute`, now or by ``finish()``; not at all when the former snapshot has its bytes.
  mutating func take(_ path: ScriptPath, _ kind: ScriptFile.Kind, at absolute: String) {
    let status: FileStatus
    switch SystemCall.status(of: absolute) {
    case .success(let found): status = found
    case .failure(let error): return fail(path, kind, error, at: absolute)
    }
    guard status.kind == .file else { return refuse(path, kind, .notAFile) }
    let limit = limit(for: kind)
    guard status.stamp.size <= Int64(limit) else {
      return refuse(path, kind, .tooLarge(bytes: status.stamp.size, limit: limit))
    }
    let growth = status.stamp.size - Self.size(of: former[path])
    guard growth <= max(room, 0) || path == .configuration else {
      hasLeftOut = true
      if let known = former[path] { add(known) }
      return
    }
    room -= growth
    if !isFull, let known = former[path], known.kind == kind, known.stamp == status.stamp { return add(known) }
    if let error = environment.check(.openFile, absolute) { return fail(path, kind, error, at: absolute) }
    switch OpenFile.open(absolute) {
    case .failure(let error): fail(path, kind, error, at: absolute)
    case .success(let file):
      let candidate = Candidate(path: path, kind: kind, absolute: absolute, file: file)
      if !read(candidate) { waiting.append(candidate) }
      if waiting.count == Self.batchSize { confirmWaiting() }
    }
  }

  /// Everything that was taken, and what could not be read whole.
  mutating func finish() -> (files: [ScriptPath: ScriptFile], unstable: Set<ScriptPath>) {
    confirmWaiting()
    return (files, unstable)
  }

  private func limit(for kind: ScriptFile.Kind) -> Int {
    kind == .calendar ? limits.bytesPerCalendar : limits.bytesPerFile
  }

  /// Tries the waiting files until each is read or out of attempts. One pause serves them all.
  private mutating func confirmWaiting() {
    var attempt = 1
    while !waiting.isEmpty, attempt <= Self.attempts {
      environment.pause(.nanoseconds(Self.restTime))
      let candidates = waiting
      waiting = candidates.filter { !read($0) }
      attempt += 1
    }
    for candidate in waiting {
      unstable.insert(candidate.path)
      if let known = former[candidate.path] { add(known) }
    }
    waiting = []
  }

  /// Reads a file if it is at rest. `false`: it is not, try again later.
  private mutating func read(_ candidate: Candidate) -> Bool {
    let (path, kind) = (candidate.path, candidate.kind)
    let before: FileStatus
    switch candidate.file.status() {
    case .success(let status): before = status
    case .failure(let error):
      fail(path, kind, error, at: candidate.absolute)
      return true
    }
    let limit = limit(for: kind)
    guard before.kind == .file, before.stamp.size <= Int64(limit) else {
      refuse(path, kind, before.kind == .file ? .tooLarge(bytes: before.stamp.size, limit: limit) : .notAFile)
      return true
    }
    let now = environment.clock.now.nanoseconds
    // Wrapping: a stamp may be any number. From the future (a clock that was set, a server's clock): no age to go by,
    // then point 2 alone must do.
    let age = now &- before.stamp.modified
    if age >= 0, age < Self.restTime { return false }
    let bytes: [UInt8]
    switch candidate.file.read(Int(before.stamp.size)) {
    case .success(let read): bytes = read
    case .failure(let error):
      fail(path, kind, error, at: candidate.absolute)
      return true
    }
    if let error = environment.check(.confirmFile, candidate.absolute) {
      fail(path, kind, error, at: candidate.absolute)
      return true
    }
    guard case .success(let after) = candidate.file.status(), after.stamp == before.stamp,
      bytes.count == Int(before.stamp.size)
    else { return false }
    let isTrusted = now &- max(before.stamp.modified, before.stamp.changed) >= Self.trustedAge
    add(ScriptFile(path, kind, .success(content(bytes, at: path)), stamp: isTrusted ? before.stamp : nil))
    return true
  }

  /// Shares the former bytes when they are equal: comparing is much cheaper than hashing, and one copy is enough.
  private func content(_ bytes: [UInt8], at path: ScriptPath) -> FileContent {
    if case .success(let known) = former[path]?.content, known.bytes == bytes { return known }
    return FileContent(bytes)
  }

  private mutating func refuse(_ path: ScriptPath, _ kind: ScriptFile.Kind, _ code: ScanProblem.Code) {
    add(ScriptFile(path, kind, .failure(ScanProblem(code, path))))
  }

  private mutating func fail(_ path: ScriptPath, _ kind: ScriptFile.Kind, _ error: Errno, at absolute: String) {
    guard error.code == ENOENT else { return refuse(path, kind, .unreadable(errno: error.code)) }
    // Either the name has gone since its directory was read, or it is there as a link to nowhere.
    if case .success(let status) = SystemCall.status(of: absolute, followingLinks: false), status.kind == .link {
      refuse(path, kind, .danglingLink)
    }
  }
}
