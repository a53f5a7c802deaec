internal import FileWatching
internal import Glibc
internal import HTTPTransfer
internal import JobModel
internal import ScriptRuntime

/// What `fs` does with several places, blocking: called on the blocking pool.
enum FileSteps {
  /// Bytes that are copied between two looks whether the run still wants it.
  private static let piece = 256 << 10

  /// What went wrong, and with which of two places.
  struct Failure: Error {
    let failure: FileFailure
    let isOfTarget: Bool

    static func source(_ failure: FileFailure) -> Failure { Failure(failure: failure, isOfTarget: false) }
    static func target(_ failure: FileFailure) -> Failure { Failure(failure: failure, isOfTarget: true) }
  }

  /// Copies a regular file; the target is replaced as a whole.
  ///
  /// - Parameter goesOn: asked between pieces; false leaves nothing behind.
  static func copy(
    _ source: FileLocation, to target: FileLocation, while goesOn: () -> Bool
  ) -> Result<Int, Failure> {
    FileActions.openForReading(source).mapError(Failure.source).flatMap { opened in
      ReplacementFile.begin(target).mapError(Failure.target).flatMap { replacement in
        var buffer = [UInt8](repeating: 0, count: piece)
        var total = 0
        while goesOn() {
          // Safe: the call writes inside the array.
          let count = unsafe read(opened.file.descriptor, &buffer, buffer.count)
          if count == 0 { return replacement.commit().map { total }.mapError(Failure.target) }
          if count < 0 {
            if errno == EINTR { continue }
            return .failure(.source(.system(.current)))
          }
          if let error = write(replacement.file.descriptor, buffer[..<count]) {
            return .failure(.target(.system(error)))
          }
          total += count
        }
        return .failure(.source(.text("was not copied: the run has ended")))
      }
    }
  }

  private static func write(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Errno? {
    var rest = bytes
    while !rest.isEmpty {
      // Safe: the call reads inside the slice, which outlives it.
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        return .current
      }
      rest = rest.dropFirst(count)
    }
    return nil
  }

  /// Gives a file, a link or a directory another place; a file that is there is replaced. Between file systems a
  /// regular file is copied and then removed.
  static func move(_ source: FileLocation, to target: FileLocation, while goesOn: () -> Bool) -> Result<
    Void, Failure
  > {
    // Safe: both names are terminated and outlive the call.
    let isMoved = unsafe source.name.withTerminated { from in
      unsafe target.name.withTerminated { to in
        unsafe renameat(source.directory.descriptor, from, target.directory.descriptor, to) == 0
      }
    }
    if isMoved { return .success(()) }
    guard errno == EXDEV else { return .failure(.source(.system(.current))) }
    return copy(source, to: target, while: goesOn).flatMap { _ in
      FileActions.remove(source).map { _ in () }.mapError(Failure.source)
    }
  }

  /// Paths below `directory` that a pattern means, sorted.
  struct Search {
    let pattern: PathPattern
    /// Bytes that the paths may take.
    let room: Int
    /// The most entries that are looked at.
    static let mostLooks = 1_000_000
    private(set) var found: [[UInt8]] = []
    private(set) var size = 0
    private var looks = 0
    /// What each path takes beside its bytes, on its way to a script.
    static let overhead = 96

    init(_ pattern: PathPattern, room: Int) {
      self.pattern = pattern
      self.room = room
    }

    enum Problem: Error { case tooMany, tooLarge(Int) }

    /// - Parameter path: of the directory, absolute, without a slash at its end.
    mutating func walk(
      _ directory: OpenDirectory, _ path: [UInt8], _ position: PathPattern.Position, while goesOn: () -> Bool
    ) throws(Problem) {
      for (name, kind) in FileSteps.names(of: directory) {
        looks += 1
        guard looks <= Self.mostLooks, goesOn() else { throw .tooMany }
        let text = String(decoding: name, as: UTF8.self)
        let whole = path + [PlainPath.slash] + name
        if pattern.accepts(text, at: position) {
          size += whole.count + Self.overhead
          guard size <= room else { throw .tooLarge(size) }
          found.append(whole)
        }
        // Links are named and not gone through, as nothing else leads out of what is granted.
        guard kind == DT_DIR || kind == DT_UNKNOWN else { continue }
        let inside = pattern.enter(text, at: position)
        guard !inside.isDead, case .success(let next) = directory.openDirectory(name) else { continue }
        try walk(next, whole, inside, while: goesOn)
      }
    }
  }

  /// The entries of a directory, sorted; none of what cannot be read.
  private static func names(of directory: OpenDirectory) -> [(name: [UInt8], kind: Int)] {
    // Safe: a descriptor of its own, with its own position; the stream closes it. The path is terminated.
    let descriptor = unsafe openat(directory.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    guard let stream = unsafe fdopendir(descriptor) else {
      close(descriptor)
      return []
    }
    defer { unsafe _ = closedir(stream) }
    var entries: [(name: [UInt8], kind: Int)] = []
    // Safe: a record is valid until the next call, and its name is terminated.
    while let entry = unsafe readdir(stream) {
      let name = unsafe UnsafeRawPointer(entry).advanced(by: MemoryLayout<dirent>.offset(of: \.d_name)!)
      let bytes = unsafe Array(
        UnsafeRawBufferPointer(start: name, count: strlen(name.assumingMemoryBound(to: CChar.self))))
      if bytes == [46] || bytes == [46, 46] { continue }
      entries.append((bytes, unsafe Int(entry.pointee.d_type)))
    }
    return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }
}
