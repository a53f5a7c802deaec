import Glibc

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

/// A directory of a test's own, removed with the value. Writes files in the ways that editors do. Traps when a call
/// fails: then the test means nothing.
final class TemporaryDirectory: Sendable {
  /// Absolute, without a slash at the end. Its parent is the test's own as well.
  let path: String
  private let outer: String

  init() {
    var template = Array("/tmp/moondial-test-XXXXXX".utf8CString)
    // Safe: the call changes the terminated text in place.
    unsafe precondition(mkdtemp(&template) != nil, "mkdtemp: \(errno)")
    outer = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    path = outer + "/scripts"
    makeDirectory("")
  }

  deinit { TemporaryDirectory.removeTree(outer) }

  /// The absolute path of a relative one; `..` is the directory around the scripts.
  func absolute(_ name: String) -> String {
    if name.isEmpty { return path }
    return name.hasPrefix("../") ? outer + name.dropFirst(2) : "\(path)/\(name)"
  }

  /// Opens for writing, truncates, writes each piece with a call of its own, closes: a save in place.
  func write(_ name: String, _ pieces: String...) { write(name, pieces) }

  func write(_ name: String, _ pieces: [String]) {
    // Safe here and below: paths are passed as terminated copies, and buffers outlive the calls that read them.
    let file = unsafe open(absolute(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    precondition(file >= 0, "open \(name): \(errno)")
    for piece in pieces {
      let bytes = Array(piece.utf8)
      let written = unsafe Glibc.write(file, bytes, bytes.count)
      precondition(written == bytes.count, "write \(name): \(errno)")
    }
    close(file)
  }

  /// Writes a temporary file and renames it over `name`.
  func replace(_ name: String, _ text: String, through temporary: String? = nil) {
    let temporary = temporary ?? name + ".tmp"
    write(temporary, text)
    move(temporary, name)
  }

  /// What vim does: probes, moves the old version away, writes a new file, removes the old version.
  func saveLikeVim(_ name: String, _ text: String) {
    write("4913", "")
    remove("4913")
    move(name, name + "~")
    write(name, text)
    remove(name + "~")
  }

  func move(_ from: String, _ to: String) {
    unsafe precondition(rename(absolute(from), absolute(to)) == 0, "rename \(from): \(errno)")
  }

  func remove(_ name: String) {
    unsafe precondition(Glibc.remove(absolute(name)) == 0, "remove \(name): \(errno)")
  }

  func removeTree(_ name: String) { TemporaryDirectory.removeTree(absolute(name)) }

  func makeDirectory(_ name: String) {
    unsafe precondition(mkdir(absolute(name), 0o755) == 0, "mkdir \(name): \(errno)")
  }

  /// Makes the link `name` that leads to `target`.
  func link(_ name: String, to target: String) {
    unsafe precondition(symlink(target, absolute(name)) == 0, "symlink \(name): \(errno)")
  }

  func makePipe(_ name: String) {
    unsafe precondition(mkfifo(absolute(name), 0o644) == 0, "mkfifo \(name): \(errno)")
  }

  /// Makes an empty file or directory of a name that need not be UTF-8.
  func make(rawName: [UInt8], isDirectory: Bool = false) {
    let bytes = (Array(path.utf8) + [0x2F] + rawName + [0]).map { CChar(bitPattern: $0) }
    let result = unsafe isDirectory ? mkdir(bytes, 0o755) : open(bytes, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    precondition(result >= 0, "make: \(errno)")
    if !isDirectory { close(result) }
  }

  /// Sets when a file was last written, in seconds since the epoch.
  func setModified(_ name: String, _ seconds: Int) {
    let times = [timespec](repeating: timespec(tv_sec: seconds, tv_nsec: 0), count: 2)
    unsafe precondition(utimensat(AT_FDCWD, absolute(name), times, 0) == 0, "utimensat \(name): \(errno)")
  }

  func setMode(_ name: String, _ mode: mode_t) {
    unsafe precondition(chmod(absolute(name), mode) == 0, "chmod \(name): \(errno)")
  }

  private static func removeTree(_ path: String) {
    guard case .success(let status) = SystemCall.status(of: path, followingLinks: false) else { return }
    if status.kind == .directory, let directory = unsafe opendir(path) {
      var names: [[CChar]] = []
      while let entry = unsafe readdir(directory) {
        // Safe: the name is terminated and inside the record.
        let name = unsafe UnsafeRawPointer(entry) + MemoryLayout<dirent>.offset(of: \.d_name)!
        let text = unsafe name.assumingMemoryBound(to: CChar.self)
        unsafe names.append(Array(UnsafeBufferPointer(start: text, count: strlen(text) + 1)))
      }
      unsafe _ = closedir(directory)
      let dot = CChar(bitPattern: UInt8(ascii: "."))
      for name in names where name != [dot, 0] && name != [dot, dot, 0] {
        let below = Array(path.utf8CString.dropLast()) + [CChar(bitPattern: UInt8(ascii: "/"))] + name
        if let text = String(validating: below.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) {
          removeTree(text)
        } else {
          unsafe _ = Glibc.remove(below)
        }
      }
    }
    unsafe _ = Glibc.remove(path)
  }
}

extension DirectorySnapshot {
  /// Path to content as text, or to the problem in angle brackets: what tests compare.
  var contents: [String: String] {
    var contents: [String: String] = [:]
    for file in files {
      switch file.content {
      case .success(let content): contents[file.path.text] = String(decoding: content.bytes, as: UTF8.self)
      case .failure(let problem): contents[file.path.text] = "<\(problem)>"
      }
    }
    return contents
  }
}
