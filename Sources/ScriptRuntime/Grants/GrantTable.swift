package import FileWatching
package import Lua

/// `grants` of `moondial.lua`: which scripts may do what.
///
///     grants = {
///       ["*"] = { env = { "HOME" } },
///       ["backup.lua"] = { fs = { "data:rw", "/srv/cache:r" }, exec = { "pg_dump" } },
///       ["ops/*"] = { exec = true },
///     }
///
/// A key is a script's path below the scripts directory, where `*` stands for anything; a script has what all keys that
/// match it grant together. `fs` lists directories or files with `:r` or `:rw` (nothing is `:r`), relative to the
/// directory of `moondial.lua`; so are the paths of `exec`. `http` and `mail` list hosts, addresses and networks (``HTTPGrants``).
/// The others list names with `*`, or are `true` for all and `false` for none.
package struct GrantTable: Sendable, Equatable {
  private var entries: [(pattern: String, grants: Grants)] = []

  /// Grants nothing.
  package init() {}

  /// Grants everything to every script (`--allow-all`).
  package static let all: GrantTable = {
    var table = GrantTable()
    table.entries = [("*", .all)]
    return table
  }()

  /// - Parameters:
  ///   - value: the table, or nil.
  ///   - baseDirectory: absolute; relative paths of `fs` start here.
  /// - Throws: one sentence with the path of what is wrong: `grants["backup.lua"].fs[1]: …`.
  package init(_ value: LuaValue, baseDirectory: String) throws(LuaError) {
    if value == .nil { return }
    let reader = LuaReader(value, path: "grants")
    let table = try reader.table()
    guard table.isEmpty || table.array.isEmpty && table.others.isEmpty else {
      throw reader.error("expected script paths as keys, such as [\"*\"] or [\"backup.lua\"]")
    }
    for (pattern, value) in table.fields {
      let entry = LuaReader(value, path: "grants[\"\(pattern)\"]")
      entries.append((pattern, try Self.grants(entry, baseDirectory)))
    }
  }

  /// What `script` may do. O(entries).
  package func grants(for script: ScriptPath) -> Grants {
    var result = Grants.none
    for entry in entries where Grants.matches(script.text, pattern: entry.pattern) {
      result = result.joined(entry.grants)
    }
    return result
  }

  /// The keys that are no script's: none of `scripts` matches them.
  package func unused(by scripts: [ScriptPath]) -> [String] {
    entries.map(\.pattern).filter { pattern in !scripts.contains { Grants.matches($0.text, pattern: pattern) } }
  }

  package static func == (left: GrantTable, right: GrantTable) -> Bool {
    left.entries.elementsEqual(right.entries) { $0 == $1 }
  }

  /// What may be granted.
  package static let kinds = ["fs", "exec", "exec_env", "env", "secret", "http", "mail"]

  private static func grants(_ entry: LuaReader, _ base: String) throws(LuaError) -> Grants {
    if case .bool(let all) = entry.value { return all ? .all : .none }
    try entry.allow(kinds)
    var grants = Grants()
    if let field = entry.field("fs") { grants.files = try files(field, base) }
    if let field = entry.field("exec") { grants.exec = try programs(field, base) }
    if let field = entry.field("exec_env") {
      let names = try names(field)
      // `true` is a pattern: what decides over programs is named letter by letter.
      grants.execEnvironment = names == .any ? .some(["*"]) : names
    }
    if let field = entry.field("env") { grants.env = try names(field) }
    if let field = entry.field("secret") { grants.secret = try names(field) }
    if let field = entry.field("http") { grants.http = try hosts(field) }
    if let field = entry.field("mail") { grants.mail = try hosts(field) }
    return grants
  }

  private static func names(_ field: LuaReader) throws(LuaError) -> Grants.Names {
    switch field.value {
    case .bool(let all): return all ? .any : .none
    case .string(let name): return .some([name.text])
    default:
      var names: [String] = []
      for item in try field.items() { names.append(try item.string()) }
      return names.isEmpty ? .none : .some(names)
    }
  }

  private static func hosts(_ field: LuaReader) throws(LuaError) -> HTTPGrants {
    var hosts = HTTPGrants()
    switch try names(field) {
    case .none: break
    case .any: _ = hosts.add("*")
    case .some(let entries):
      for entry in entries where !hosts.add(entry) {
        throw field.error(
          "\"\(entry)\" is no host: write a name (\"api.example.org\", \"*.corp.example:8443\", international ones as xn--…), "
            + "an address or a network (\"127.0.0.1:8080\", \"10.0.0.0/8\", \"[fd00::]/8\")")
      }
    }
    return hosts
  }

  private static func programs(_ field: LuaReader, _ base: String) throws(LuaError) -> Grants.Names {
    guard case .some(let programs) = try names(field) else { return try names(field) }
    guard !programs.contains("") else { throw field.error("a program's name is not empty") }
    return .some(programs.map { $0.utf8.contains(PlainPath.slash) ? PlainPath.absolute($0, from: base) : $0 })
  }

  private static func files(_ field: LuaReader, _ base: String) throws(LuaError) -> Grants.Files {
    switch field.value {
    case .bool(let all): return all ? .any : .below([])
    case .string: return .below([try root(field, base)])
    default:
      var roots: [Grants.FileRoot] = []
      for item in try field.items() { roots.append(try root(item, base)) }
      return .below(roots)
    }
  }

  private static func root(_ item: LuaReader, _ base: String) throws(LuaError) -> Grants.FileRoot {
    var text = try item.string()
    var isWritable = false
    if text.hasSuffix(":rw") {
      isWritable = true
      text.removeLast(3)
    } else if text.hasSuffix(":r") {
      text.removeLast(2)
    } else if let colon = text.lastIndex(of: ":") {
      throw item.error("\"\(text[colon...])\" is no access: write :r or :rw after the path")
    }
    guard !text.isEmpty else { throw item.error("expected a path, such as \"data:rw\"") }
    return Grants.FileRoot(path: PlainPath.absolute(text, from: base), isWritable: isWritable)
  }
}
