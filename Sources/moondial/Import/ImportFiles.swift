import Chronology
import Glibc
import Triggers

/// The files that an import reads and writes.
enum ImportFiles {
  /// No crontab or unit is larger.
  private static let limit = 4 << 20

  /// What schedules are checked with: the system's zones.
  static func context() throws -> TriggerContext {
    TriggerContext(zones: Environment.zones)
  }

  /// The text of a file, or of standard input for `-`.
  static func read(_ path: String) throws -> String {
    // Safe: the path is a C string for the length of the call.
    let descriptor = path == "-" ? STDIN_FILENO : unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw CommandFailure("cannot read \(path): \(reason())") }
    defer { if path != "-" { close(descriptor) } }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Safe: the call writes at most `count` bytes into a buffer of that size.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw CommandFailure("cannot read \(path): \(reason())") }
      if count == 0 { break }
      bytes += chunk[..<count]
      guard bytes.count <= limit else { throw CommandFailure("\(path) is larger than 4 MB: it is no crontab or unit") }
    }
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw CommandFailure("\(path) is not UTF-8 text: convert it with iconv first")
    }
    return text
  }

  /// A unit file with its drop-ins (`backup.timer.d/*.conf`) behind it, as systemd reads them.
  static func unit(_ path: String) throws -> String {
    var text = try read(path)
    guard let directory = unsafe opendir(path + ".d") else { return text }
    // Safe: `directory` is open until the closing brace, and an entry is used before the next one is read.
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name.hasSuffix(".conf") { names.append(name) }
    }
    for name in names.sorted() { text += "\n" + (try read("\(path).d/\(name)")) }
    return text
  }

  /// The service of a timer in `directory`: there, or where systemd's own search goes on when it is one of its places.
  /// An instance of a template has the template's file unless it has one of its own.
  static func service(_ name: String, beside directory: String) -> String? {
    let places = ["/etc/systemd/system/", "/run/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"]
    let template = name.prefix { $0 != "@" } + "@." + (name.split(separator: ".").last ?? "")
    for place in [directory] + (places.contains(directory) ? places : []) {
      for file in name.contains("@") ? [name, String(template)] : [name] {
        if let text = try? unit(place + file) { return text }
      }
    }
    return nil
  }

  /// Writes a file that does not exist yet.
  static func create(_ path: String, _ text: String) throws {
    // Safe: the path is a C string for the length of the call.
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CommandFailure(
        errno == EEXIST
          ? "\(path) exists already: remove it or choose another name" : "cannot write \(path): \(reason())")
    }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      // Safe: the rest of the array lies within it, and is valid for this closure.
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(descriptor, buffer.baseAddress! + written, buffer.count - written)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw CommandFailure("cannot write \(path): \(reason())") }
      written += count
    }
  }

  private static func reason() -> String {
    // Safe: strerror returns a C string of its own for a known errno; copied at once.
    unsafe String(cString: strerror(errno))
  }
}
