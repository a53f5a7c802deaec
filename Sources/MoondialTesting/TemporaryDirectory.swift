internal import Glibc

/// A fresh directory that goes, with what is in it, when this value's last reference does.
package final class TemporaryDirectory: Sendable {
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

  deinit { Self.remove(path) }

  /// Removes files and directories below `path`, and itself. What cannot be removed stays: it is a temporary directory.
  private static func remove(_ path: String) {
    // Safe: each name is copied before the next `readdir`; the stream is closed on the way out.
    if let stream = unsafe opendir(path) {
      var names: [String] = []
      while let entry = unsafe readdir(stream) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
          unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
      }
      unsafe closedir(stream)
      for name in names { remove("\(path)/\(name)") }
      unsafe rmdir(path)
    } else {
      unsafe unlink(path)
    }
  }
}
