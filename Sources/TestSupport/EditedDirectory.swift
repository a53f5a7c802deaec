package import Glibc

/// A directory of a test's own, removed with the value. Writes files in the ways that editors do. Traps when a call
/// fails: then the test means nothing.
package final class EditedDirectory: Sendable {
  /// Absolute, without a slash at the end. Its parent is the test's own as well.
  package let path: String
  private let outer: TemporaryDirectory

  package init() {
    outer = try! TemporaryDirectory()
    path = outer.path("scripts")
    makeDirectory("")
  }

  /// The absolute path of a relative one; `..` is the directory around the scripts.
  package func absolute(_ name: String) -> String {
    if name.isEmpty { return path }
    return name.hasPrefix("../") ? outer.path + name.dropFirst(2) : "\(path)/\(name)"
  }

  /// Opens for writing, truncates, writes each piece with a call of its own, closes: a save in place.
  package func write(_ name: String, _ pieces: String...) { write(name, pieces) }

  package func write(_ name: String, _ pieces: [String]) {
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
  package func replace(_ name: String, _ text: String, through temporary: String? = nil) {
    let temporary = temporary ?? name + ".tmp"
    write(temporary, text)
    move(temporary, name)
  }

  /// What vim does: probes, moves the old version away, writes a new file, removes the old version.
  package func saveLikeVim(_ name: String, _ text: String) {
    write("4913", "")
    remove("4913")
    move(name, name + "~")
    write(name, text)
    remove(name + "~")
  }

  package func move(_ from: String, _ to: String) {
    unsafe precondition(rename(absolute(from), absolute(to)) == 0, "rename \(from): \(errno)")
  }

  package func remove(_ name: String) {
    unsafe precondition(Glibc.remove(absolute(name)) == 0, "remove \(name): \(errno)")
  }

  package func removeTree(_ name: String) { TestSupport.removeTree(absolute(name)) }

  package func makeDirectory(_ name: String) {
    unsafe precondition(mkdir(absolute(name), 0o755) == 0, "mkdir \(name): \(errno)")
  }

  /// Makes the link `name` that leads to `target`.
  package func link(_ name: String, to target: String) {
    unsafe precondition(symlink(target, absolute(name)) == 0, "symlink \(name): \(errno)")
  }

  package func makePipe(_ name: String) {
    unsafe precondition(mkfifo(absolute(name), 0o644) == 0, "mkfifo \(name): \(errno)")
  }

  /// Makes an empty file or directory of a name that need not be UTF-8.
  package func make(rawName: [UInt8], isDirectory: Bool = false) {
    let bytes = (Array(path.utf8) + [0x2F] + rawName + [0]).map { CChar(bitPattern: $0) }
    let result = unsafe isDirectory ? mkdir(bytes, 0o755) : open(bytes, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    precondition(result >= 0, "make: \(errno)")
    if !isDirectory { close(result) }
  }

  /// Sets when a file was last written, in seconds since the epoch.
  package func setModified(_ name: String, _ seconds: Int) {
    let times = [timespec](repeating: timespec(tv_sec: seconds, tv_nsec: 0), count: 2)
    unsafe precondition(utimensat(AT_FDCWD, absolute(name), times, 0) == 0, "utimensat \(name): \(errno)")
  }

  package func setMode(_ name: String, _ mode: mode_t) {
    unsafe precondition(chmod(absolute(name), mode) == 0, "chmod \(name): \(errno)")
  }
}
