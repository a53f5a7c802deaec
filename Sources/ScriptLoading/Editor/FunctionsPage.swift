/// docs/lua-api/functions.md: every function that scripts have in a run, made of the entries of ``EditorFiles``.
package enum FunctionsPage {
  /// - Parameter names: all of them, as `moondial functions` prints them; sorted.
  package static func text(_ names: [String]) -> String {
    var page = """
      # All functions

      Written by `make reference` from the table that types for editors and `moondial functions NAME` are made of. What each module
      is for, its bounds and its errors are in [modules.md](modules.md) and [ctx.md](ctx.md). ⏸ marks what gives its thread away while it
      waits. `?` marks what may be left out, or may be nil. `print` is Lua's own, and writes a line of level info. A test executes
      every example.

      """
    for module in modules(names) {
      page += "\n## \(module.isEmpty ? "Without a module" : module)\n"
      if let about = about(module) { page += "\n\(about)\n" }
      let own = names.filter { self.module(of: $0) == module }
      let fields = own.compactMap { field($0) }
      if !fields.isEmpty { page += "\n| field | type | is |\n|---|---|---|\n" + fields.joined() }
      for name in own { page += section(name) ?? "" }
    }
    return page
  }

  private static func modules(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.map(module).filter { seen.insert($0).inserted }.sorted {
      ($0 == "ctx" ? " " : $0) < ($1 == "ctx" ? " " : $1)
    }
  }

  /// Empty for a function that stands alone.
  private static func module(of name: String) -> String {
    name.firstIndex(of: ".").map { String(name[..<$0]) } ?? ""
  }

  /// What the types say of a module as a whole.
  private static func about(_ module: String) -> String? {
    let lines = EditorFiles.typeStubs.split(separator: "\n", omittingEmptySubsequences: false)
    let heads = module == "ctx" ? ["---@class moondial.Context"] : ["\(module) = {}"]
    guard let line = lines.firstIndex(where: { heads.contains(String($0)) }) else { return nil }
    let comment = lines[..<line].reversed().prefix { $0.hasPrefix("---") && !$0.hasPrefix("---@") }
    return comment.isEmpty ? nil : comment.reversed().map { String($0.dropFirst(3)) }.joined(separator: " ")
  }

  /// A row of what is read and not called.
  private static func field(_ name: String) -> String? {
    guard let entry = EditorFiles.entry(of: name) else { return nil }
    if let match = entry.firstMatch(of: #/^---@field \S+ (\S+)(?: (.*))?$/#) {
      return "| `\(name)` | `\(match.1)` | \(match.2 ?? "") |\n"
    }
    guard let match = entry.firstMatch(of: #/^---@type (\S+) (.*)\n/#) else { return nil }
    return "| `\(name)` | `\(match.1)` | \(match.2) |\n"
  }

  private static func section(_ name: String) -> String? {
    guard let entry = EditorEntry(name) else { return nil }
    var text = "\n### \(entry.call)\(entry.waits ? " ⏸" : "")\n\n\(entry.summary)\n"
    var list = entry.parameters.map { "- `\($0.name)`: `\($0.type)`\($0.text.isEmpty ? "" : ". \($0.text)")\n" }
      .joined()
    if let returns = entry.returns { list += "- returns `\(returns)`\n" }
    if !list.isEmpty { text += "\n" + list }
    return text + "\n```lua run\n\(entry.example.joined(separator: "\n"))\n```\n"
  }
}
