internal import Basics
internal import FileWatching
internal import JobModel
package import ScriptRuntime

extension CodeCheck {
  /// What a script may do, and where its programs and files are looked for.
  package struct Permissions: Sendable {
    let grants: Grants
    let programs: ProgramFinder
    let base: String

    /// - Parameters:
    ///   - searchPath: the host's own `PATH`.
    ///   - base: where relative paths begin.
    package init(_ grants: Grants, searchPath: String?, base: String) {
      self.grants = grants
      programs = ProgramFinder(searchPath: searchPath ?? ProgramFinder.defaultPath, base: base)
      self.base = base
    }
  }

  /// The programs, files, hosts, variables and secrets that the script names in so many words and may not use.
  /// Looks for programs on the disk.
  package func missingGrants(_ permissions: Permissions) -> [ScriptProblem] {
    tokens.indices.compactMap { index in
      guard isGlobal(index), let lack = request(index)?.lack(permissions) else { return nil }
      return ScriptProblem(
        .note, at: SourceLocation(file: script.text, line: tokens[index].line),
        Grants.refusal(of: lack.what, to: script, grant: lack.grant))
    }
  }

  /// What a call asks for that begins at `index`, if its first argument is a text alone.
  private func request(_ index: Int) -> Request? {
    switch name(index) {
    case "exec":
      var cursor = index + 1
      if isSymbol(cursor, "(") { cursor += 1 }
      guard isSymbol(cursor, "{"), case .string(let program)? = token(cursor + 1), isSymbol(cursor + 2, ",", "}", ";")
      else { return nil }
      return .program(program)
    case "secret": return argument(index + 1).map { .secret($0) }
    case let module?:
      guard isSymbol(index + 1, "."), let function = name(index + 2), let text = argument(index + 3) else { return nil }
      switch module {
      case "env": return function == "get" ? .variable(text) : nil
      case "http": return Self.requests.contains(function) ? .host(text) : nil
      case "fs":
        return Self.readers.contains(function)
          ? .file(text, writing: false) : Self.writers.contains(function) ? .file(text, writing: true) : nil
      default: return nil
      }
    case nil: return nil
    }
  }

  static let requests: Set<String> = ["get", "head", "post", "put", "patch", "delete", "options"]
  static let readers: Set<String> = ["read", "list", "stat", "lines", "chunks", "copy"]
  static let writers: Set<String> = ["write", "append", "remove", "rename", "move", "mkdir"]

  private func argument(_ index: Int) -> String? {
    if case .string(let text)? = token(index) { return text }
    guard isSymbol(index, "("), case .string(let text)? = token(index + 1), isSymbol(index + 2, ",", ")") else {
      return nil
    }
    return text
  }

  private enum Request {
    case program(String)
    case variable(String)
    case secret(String)
    /// A URL.
    case host(String)
    case file(String, writing: Bool)

    /// What nothing grants of it, and the grant that would; nil: it is granted, or that is not certain.
    func lack(_ permissions: Permissions) -> (what: String, grant: String)? {
      let grants = permissions.grants
      switch self {
      case .program(let word):
        switch grants.exec {
        case .any: return nil
        case .none: break
        case .some(let patterns):
          let bytes = Array(word.utf8)
          if permissions.programs.allows(bytes, permissions.programs.file(bytes), patterns) { return nil }
        }
        return ("the program \(word)", "exec = { \(quoted(word)) }")
      case .variable(let name):
        return grants.env.allows(name) ? nil : ("the environment variable \(name)", "env = { \(quoted(name)) }")
      case .secret(let name):
        return grants.secret.allows(name) ? nil : ("the secret \(name)", "secret = { \(quoted(name)) }")
      case .host(let url):
        guard let (host, port) = Self.authority(of: url), !grants.http.allows(host: host, port: port) else {
          return nil
        }
        return ("asking \(host)", "http = { \(quoted(host)) }")
      case .file(let path, let writing): return Self.lack(path, writing, grants.files, permissions.base)
      }
    }

    /// The name and the port of a URL that has a plain name. Addresses have many spellings, of which the client knows
    /// what they mean.
    private static func authority(of url: String) -> (host: String, port: Int)? {
      let text = url.lowercased()
      guard let scheme = ["http://", "https://"].first(where: { text.hasPrefix($0) }) else { return nil }
      let parts = text.dropFirst(scheme.count).prefix { !"/?#".contains($0) }.split(
        separator: ":", omittingEmptySubsequences: false)
      guard parts.count <= 2, let host = parts.first, let last = host.split(separator: ".").last,
        last.contains(where: \.isLetter), !last.hasPrefix("0x"),
        host.utf8.allSatisfy({ ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 45 || $0 == 46 })
      else { return nil }
      guard parts.count == 2 else { return (String(host), scheme == "http://" ? 80 : 443) }
      return Int(parts[1]).map { (String(host), $0) }
    }

    private static func lack(
      _ path: String, _ writing: Bool, _ files: Grants.Files, _ base: String
    ) -> (what: String, grant: String)? {
      guard !path.isEmpty, case .below(let roots) = files else { return nil }
      let whole = PlainPath.absolute(path, from: base)
      let isGranted = roots.contains { root in
        PlainPath.components(of: whole, below: root.path) != nil && (root.isWritable || !writing)
      }
      guard !isGranted else { return nil }
      let directory = whole.lastIndex(of: "/").map { String(whole[..<$0]) } ?? whole
      let shown = PlainPath.components(of: directory, below: base).map { $0.isEmpty ? "." : $0.joined(separator: "/") }
      return (
        "\(writing ? "writing" : "reading") \(path)",
        "fs = { \(quoted("\(shown ?? directory):\(writing ? "rw" : "r")")) }"
      )
    }
  }
}
