import Glibc
import Hosting
import Importing
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
    guard !bytes.contains(0) else { throw CommandFailure("\(path) has bytes of value 0: it is no text file") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw CommandFailure("\(path) is not UTF-8 text: convert it with iconv first")
    }
    return text
  }

  /// The text of a unit's file or drop-in: empty when it is masked by a link to `/dev/null`, `nil` when there is none.
  static func unitText(_ path: String) -> String? { try? read(path) }

  /// Where a timer that was named by a path, or by its name alone, is looked for, with its service and drop-ins.
  static func unitDirectories(_ path: String, _ name: String) -> [String] {
    // A name alone that is no file here is a unit of the system.
    if path == name, case .missing = FileKind(path) { return UnitSearch.systemDirectories }
    let folder = path == name ? "." : String(path.dropLast(name.count + 1))
    let directories = UnitSearch.directories(of: resolved(folder.isEmpty ? "/" : folder) + "/")
    guard directories.count == 1 else { return directories }
    // A link leads to the unit's own directory: `wants/sync@home.timer` to that of `sync@.timer`.
    let target = resolved(path)
    guard let slash = target.lastIndex(of: "/") else { return directories }
    let behind = UnitSearch.directories(of: String(target[...slash]))
    return directories + behind.filter { !directories.contains($0) }
  }

  /// The path without links and relative parts, as far as it exists; as it was where it does not.
  static func resolved(_ path: String) -> String {
    // Safe: the path is a C string for the length of the call; the result is copied and freed.
    guard let real = unsafe realpath(path, nil) else {
      guard let slash = path.lastIndex(of: "/") else { return resolved(".") + "/" + path }
      let folder = path[..<slash]
      return folder.isEmpty || folder == path ? path : resolved(String(folder)) + path[slash...]
    }
    defer { unsafe free(real) }
    return unsafe String(cString: real)
  }

  /// Whether the machine has an account of that name.
  static func isAccount(_ name: String) -> Bool {
    // Safe: only whether there is an entry is looked at, on the only thread that asks.
    unsafe getpwnam(name) != nil
  }

  /// Whether a shell would find a program of that name.
  static func isProgram(_ name: String) -> Bool {
    ["/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/usr/local/bin/"].contains { place in
      // Safe: the path is a C string for the length of the call.
      unsafe access(place + name, X_OK) == 0
    }
  }

  /// The Lua file that standard output was sent to by the shell, if it was.
  static var standardOutputFile: String? {
    let path = resolved("/proc/self/fd/1")
    return path.hasSuffix(".lua") ? path : nil
  }

  /// The names of the jobs in the other scripts of the directory of `path`.
  static func jobNames(beside path: String) -> Set<String> {
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    var names: Set<String> = []
    for file in files(in: folder, ending: ".lua") where folder + "/" + file != path {
      if let text = try? read(folder + "/" + file) { names.formUnion(JobNames.declared(in: text)) }
    }
    return names
  }

  /// The names of the files in a directory that have an ending, sorted; none where it cannot be read.
  static func files(in folder: String, ending: String) -> [String] {
    guard let directory = unsafe opendir(folder) else { return [] }
    // Safe: `directory` is open until the closing brace, and an entry is used before the next one is read.
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name.hasSuffix(ending), !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  /// Writes a file that does not exist yet.
  static func create(_ path: String, _ text: String) throws {
    try OutputFile(path, isNew: true).write(text)
  }

  private static func reason() -> String {
    // Safe: strerror returns a C string of its own for a known errno; copied at once.
    unsafe String(cString: strerror(errno))
  }
}
