internal import Glibc

/// A fresh directory that goes, with what is in it, when this value's last reference does.
package final class TemporaryDirectory: Sendable {
  /// Absolute, without a slash at the end.
  package let path: String

  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// - Parameter parent: where it is made; by default the system's place for temporary files.
  package init(in parent: String = "/tmp") throws {
    var template = Array("\(parent)/moondial-XXXXXX".utf8CString)
    // Safe: the array ends in a zero, and `mkdtemp` changes only its six Xs.
    let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
    guard made else { throw Failure(description: "no temporary directory could be made in \(parent) (error \(errno))") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The path of `name` inside it.
  package func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file inside it, over one that is there; directories on the way are made.
  package func write(_ name: String, _ text: String) throws {
    var parent = path
    for component in name.split(separator: "/").dropLast() {
      parent += "/" + component
      // Safe here and below: paths are Swift strings, passed as C strings for the length of a call.
      guard unsafe mkdir(parent, 0o755) == 0 || errno == EEXIST else {
        throw Failure(description: "\(parent) could not be made (error \(errno))")
      }
    }
    let file = unsafe open(path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw Failure(description: "\(name) could not be opened (error \(errno))") }
    defer { close(file) }
    let bytes = Array(text.utf8)
    // Safe: the array outlives the call that reads it.
    guard unsafe Glibc.write(file, bytes, bytes.count) == bytes.count else {
      throw Failure(description: "\(name) could not be written (error \(errno))")
    }
  }

  /// The text of a file inside it.
  package func read(_ name: String) throws -> String {
    let file = unsafe open(path(name), O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw Failure(description: "\(name) could not be opened (error \(errno))") }
    defer { close(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Safe: the buffer is as long as it says.
      let count = unsafe Glibc.read(file, &buffer, buffer.count)
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }

  /// Makes the link `name` that leads to `target`.
  package func link(_ name: String, to target: String) throws {
    guard unsafe symlink(target, path(name)) == 0 else {
      throw Failure(description: "\(name) could not be linked (error \(errno))")
    }
  }

  deinit { removeTree(path) }
}

/// Removes what is at `path`, and everything below it: names that are not UTF-8 too. What cannot be removed stays.
package func removeTree(_ path: String) { removeTree(Array(path.utf8CString)) }

private func removeTree(_ path: [CChar]) {
  var status = stat()
  // Safe: the paths are terminated, and the calls read them and fill the local struct.
  guard unsafe lstat(path, &status) == 0 else { return }
  if status.st_mode & S_IFMT == S_IFDIR, let directory = unsafe opendir(path) {
    var names: [[CChar]] = []
    while let entry = unsafe readdir(directory) {
      // Safe: the name is terminated and inside the record, which stays until the next `readdir`.
      let name = unsafe UnsafeRawPointer(entry) + MemoryLayout<dirent>.offset(of: \.d_name)!
      let text = unsafe name.assumingMemoryBound(to: CChar.self)
      unsafe names.append(Array(UnsafeBufferPointer(start: text, count: strlen(text) + 1)))
    }
    unsafe _ = closedir(directory)
    let dot = CChar(bitPattern: UInt8(ascii: "."))
    for name in names where name != [dot, 0] && name != [dot, dot, 0] {
      removeTree(path.dropLast() + [CChar(bitPattern: UInt8(ascii: "/"))] + name)
    }
  }
  unsafe _ = Glibc.remove(path)
}
