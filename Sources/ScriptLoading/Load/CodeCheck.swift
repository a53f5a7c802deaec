internal import Basics
internal import Chronology
package import FileWatching
internal import JobModel
internal import ScriptRuntime

/// What a script will trip over when it runs, as far as its text tells: functions that the host's tables do not have,
/// and programs, files, hosts, variables and secrets that no grant covers.
///
/// It only says what is certain. A name that the script gives a meaning of its own anywhere, as a local, a parameter or
/// a global, is not looked at; nor is a function that the script asks for before it calls it.
package struct CodeCheck {
  let script: ScriptPath
  let tokens: [LuaTokens.Located]
  private let bound: Set<String>

  package init(_ script: ScriptPath, _ bytes: [UInt8]) {
    self.script = script
    tokens = LuaTokens.read(bytes)
    bound = CodeCheck.bound(in: tokens)
  }

  func token(_ index: Int) -> LuaTokens.Token? { tokens.indices.contains(index) ? tokens[index].token : nil }

  func name(_ index: Int) -> String? {
    if case .name(let name)? = token(index) { name } else { nil }
  }

  func isSymbol(_ index: Int, _ symbols: String...) -> Bool {
    if case .symbol(let symbol)? = token(index) { symbols.contains(symbol) } else { false }
  }

  /// Whether the name at `index` is that of a global of the host: no field of something, no name of the script's own.
  func isGlobal(_ index: Int) -> Bool {
    guard let name = name(index), !bound.contains(name) else { return false }
    return !isSymbol(index - 1, ".", ":", "::")
  }

  /// Whether its text calls `job`.
  package var declaresJobs: Bool {
    tokens.indices.contains { isGlobal($0) && name($0) == "job" && isCall($0 + 1) && name($0 - 1) != "function" }
  }

  private func isCall(_ index: Int) -> Bool {
    if case .string? = token(index) { return true }
    return isSymbol(index, "(", "{")
  }
}

// MARK: Functions that are not there

extension CodeCheck {
  /// - Parameter fields: the names in a global table of the host; `nil` for what is none.
  package func missingFunctions(fields: (String) -> [String]?) -> [ScriptProblem] {
    guard !bound.contains("_ENV"), !tokens.contains(where: { $0.token == .name("_ENV") }) else { return [] }
    var called: [(table: String, field: String, line: Int)] = []
    // What is read without a call, or assigned, is somebody's own affair.
    var touched: Set<String> = []
    for index in tokens.indices where isGlobal(index) && isSymbol(index + 1, ".") {
      guard let table = name(index), let field = name(index + 2) else { continue }
      if isCall(index + 3), name(index - 1) != "function" {
        called.append((table, field, tokens[index].line))
      } else {
        touched.insert("\(table).\(field)")
      }
    }
    var known: [String: [String]?] = [:]
    return called.compactMap { call in
      guard !touched.contains("\(call.table).\(call.field)") else { return nil }
      let names = known[call.table] ?? fields(call.table)
      known[call.table] = names
      guard let names, !names.contains(call.field) else { return nil }
      let near = Spelling.closest(to: call.field, among: names, limit: 1).first
      let hint =
        near.map { "; did you mean \(call.table).\($0)?" } ?? CodeCheck.instead["\(call.table).\(call.field)"] ?? ""
      return ScriptProblem(
        .note, at: SourceLocation(file: script.text, line: call.line),
        "there is no function \(call.table).\(call.field)\(hint)")
    }
  }

  /// What people look for elsewhere.
  private static let instead: [String: String] = [
    "os.execute": "; use exec { \"program\", \"argument\" }", "io.popen": "; use exec { \"program\", \"argument\" }",
    "os.getenv": "; use env.get", "os.remove": "; use fs.remove", "os.rename": "; use fs.rename",
    "os.exit": "; return from run, or raise an error", "os.tmpname": "; choose a name of your own",
    "io.open": "; use fs.read and fs.write", "io.lines": "; use fs.read",
  ]
}

// MARK: Names of the script's own

extension CodeCheck {
  /// Every name that is given a meaning anywhere: more than are in force at any place, and never fewer.
  private static func bound(in tokens: [LuaTokens.Located]) -> Set<String> {
    var bound: Set<String> = []
    func name(_ index: Int) -> String? {
      guard tokens.indices.contains(index), case .name(let name) = tokens[index].token else { return nil }
      return name
    }
    func isSymbol(_ index: Int, _ symbol: String) -> Bool {
      tokens.indices.contains(index) && tokens[index].token == .symbol(symbol)
    }
    for index in tokens.indices {
      switch name(index) {
      case "local", "for":
        // `local a <const>, b`, `for key, value in`; `local function f` is met below.
        var cursor = index + 1
        while let next = name(cursor), next != "function" {
          bound.insert(next)
          cursor += 1
          if isSymbol(cursor, "<") { cursor += 3 }
          guard isSymbol(cursor, ",") else { break }
          cursor += 1
        }
      case "function":
        var cursor = index + 1
        if let own = name(cursor) { bound.insert(own) }
        while cursor < tokens.count, !isSymbol(cursor, "(") { cursor += 1 }
        while cursor < tokens.count, !isSymbol(cursor, ")") {
          if let parameter = name(cursor) { bound.insert(parameter) }
          cursor += 1
        }
      case let global?:
        // An assignment; in a table it is a key, after a comma it may be either.
        let isField = isSymbol(index - 1, ".") || isSymbol(index - 1, ":") || isSymbol(index - 1, "{")
        if !isField, isSymbol(index + 1, "=") { bound.insert(global) }
        if !isField, isSymbol(index + 1, ","), isAssigned(index + 1, tokens) { bound.insert(global) }
      case nil: break
      }
    }
    return bound
  }

  /// Whether a list of names that goes on at the comma at `index` ends in an assignment: `a, b = …`.
  private static func isAssigned(_ index: Int, _ tokens: [LuaTokens.Located]) -> Bool {
    var cursor = index
    while cursor + 1 < tokens.count, tokens[cursor].token == .symbol(","), case .name = tokens[cursor + 1].token {
      cursor += 2
    }
    return cursor < tokens.count && tokens[cursor].token == .symbol("=")
  }
}
