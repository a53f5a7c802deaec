internal import FileWatching
internal import Glibc
package import JobModel
internal import Synchronization

/// Where secrets come from: `secrets` of `moondial.lua`.
package struct SecretsConfiguration: Sendable, Hashable {
  /// A directory whose files are secrets; relative ones begin at the directory of `moondial.lua`.
  package var directory: String?
  /// A program and its words, to which the secret's name is added; it writes the value.
  package var command: [String] = []

  package init(directory: String? = nil, command: [String] = []) {
    self.directory = directory
    self.command = command
  }
}

/// The secrets of a host: where they are looked for, and the mask that hides what was found.
///
/// The order of the search, in which the first place that has the name decides:
/// 1. the file of that name in the configured directory;
/// 2. the same in systemd's `$CREDENTIALS_DIRECTORY`;
/// 3. the variable `MOONDIAL_SECRET_NAME` (in upper case, with `_` for `-`, `.` and `/`);
/// 4. the configured command, with the name as its last word.
///
/// One line end at the end of a file, or of what the command writes, is not part of the secret.
///
/// Threading: any thread.
package final class Secrets: Sendable {
  /// The most bytes of a secret.
  package static let largest = 1 << 20
  /// How long the command may take. Nanoseconds.
  package static let patience: Int64 = 30_000_000_000
  /// What variables that are secrets begin with.
  package static let variablePrefix = "MOONDIAL_SECRET_"

  package let mask = SecretMask()
  /// The whole environment: what the command inherits.
  let variables: @Sendable () -> [String: String]
  private let baseDirectory: String
  private let places = Mutex(SecretsConfiguration())
  private let elsewhere: (@Sendable (String) -> Answer)?

  /// What another process answers.
  package enum Answer: Sendable, Equatable {
    case value([UInt8])
    case missing
    case refused(String)
  }

  /// - Parameters:
  ///   - variables: the environment of the host.
  ///   - baseDirectory: where relative paths begin.
  package init(variables: @escaping @Sendable () -> [String: String], baseDirectory: String) {
    self.variables = variables
    self.baseDirectory = baseDirectory
    elsewhere = nil
  }

  /// One that asks another process, which looks on its own. `elsewhere` may block.
  package init(asking elsewhere: @escaping @Sendable (String) -> Answer) {
    variables = { [:] }
    baseDirectory = "/"
    self.elsewhere = elsewhere
  }

  /// From now on secrets are looked for there.
  package func use(_ configuration: SecretsConfiguration) { places.withLock { $0 = configuration } }

  /// What a look brought.
  enum Found: Sendable, Equatable {
    case value([UInt8])
    case missing
    /// It cannot be read, or the name is none.
    case refused(String)
    /// Only this command can tell.
    case command(ChildCommand)
  }

  /// Looks everywhere but asks no program. Blocks on files.
  func look(for name: String) -> Found {
    guard Self.isName(name) else {
      return .refused(
        "a secret's name has letters, digits, _ - and . (and / between its parts), no part begins with a dot or - : "
          + "\"\(name.cut(toBytes: 100))\"")
    }
    if let elsewhere {
      return switch elsewhere(name) {
      case .value(let bytes): .value(bytes)
      case .missing: .missing
      case .refused(let why): .refused(why)
      }
    }
    let places = places.withLock { $0 }
    let variables = variables()
    for directory in [places.directory.map(absolute), variables["CREDENTIALS_DIRECTORY"]].compactMap(\.self)
    where directory.hasPrefix("/") {
      switch Self.read("\(directory)/\(name)", called: name) {
      case .missing: continue
      case let found: return found
      }
    }
    if let value = variables[Self.variable(for: name)] { return .value(Array(value.utf8)) }
    guard let program = places.command.first else { return .missing }
    return command(program, places.command + [name], variables)
  }

  /// A secret as text, for the host itself. Blocks on files; the command is not asked.
  package func textForHost(_ name: String) -> Result<String, HostRefusal> {
    switch look(for: name) {
    case .value(let bytes):
      guard let text = String(validating: bytes, as: UTF8.self), !text.isEmpty else {
        return .failure(HostRefusal("the secret \"\(name)\" is empty, or not UTF-8"))
      }
      return .success(text)
    case .missing: return .failure(HostRefusal("there is no secret \"\(name)\" in a file or a variable"))
    case .refused(let message): return .failure(HostRefusal(message))
    case .command:
      return .failure(
        HostRefusal("the secret \"\(name)\" is in no file and no variable, and secrets.command is for scripts only"))
    }
  }

  private func absolute(_ directory: String) -> String {
    String(decoding: PlainPath.absolute(Array(directory.utf8), from: Array(baseDirectory.utf8)), as: UTF8.self)
  }

  private func command(_ program: String, _ words: [String], _ variables: [String: String]) -> Found {
    let finder = ProgramFinder(searchPath: variables["PATH"] ?? ProgramFinder.defaultPath, base: baseDirectory)
    guard let file = finder.file(Array(program.utf8)), file.isExecutable else {
      return .refused("secrets.command: there is no program \"\(program)\" that may be executed")
    }
    return .command(
      ChildCommand(
        program: file.path, arguments: words.map { Array($0.utf8) },
        environment: variables.sorted { $0.key < $1.key }.map { Array("\($0.key)=\($0.value)".utf8) },
        directory: Array(baseDirectory.utf8), input: nil))
  }

  private static func read(_ path: String, called name: String) -> Found {
    func refused(_ error: Errno) -> Found {
      .refused("the secret \"\(name)\" cannot be read: \(SystemCall.message(for: error.code))")
    }
    switch OpenFile.open(path) {
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR: return .missing
    case .failure(let error): return refused(error)
    case .success(let file):
      switch file.read(largest + 1) {
      case .failure(let error): return refused(error)
      case .success(let bytes) where bytes.count > largest:
        return .refused("the secret \"\(name)\" has more than \(largest) bytes")
      case .success(let bytes): return .value(withoutLineEnd(bytes))
      }
    }
  }

  /// Without one line end at the end.
  static func withoutLineEnd(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    if bytes.last == 10 {
      bytes.removeLast()
      if bytes.last == 13 { bytes.removeLast() }
    }
    return bytes
  }

  /// Parts of letters, digits, `_`, `-` and `.`, with a slash between them: no path leads out, and no program takes it
  /// for an option.
  static func isName(_ name: String) -> Bool {
    guard name.utf8.count <= 255 else { return false }
    return name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { part in
      guard let first = part.first, first != UInt8(ascii: "."), first != UInt8(ascii: "-") else { return false }
      return part.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): true
        default: false
        }
      }
    }
  }

  static func variable(for name: String) -> String {
    variablePrefix + String(name.uppercased().map { "-./".contains($0) ? "_" : $0 })
  }
}
