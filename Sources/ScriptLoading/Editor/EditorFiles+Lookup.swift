extension EditorFiles {
  /// What the types say of a function or a field that scripts have, by the name that they write: comment and
  /// declaration. nil: they have none of that name, as of `print`, which editors know.
  package static func entry(of name: String) -> String? {
    let lines = typeStubs.split(separator: "\n", omittingEmptySubsequences: false)
    let isOfContext = name.hasPrefix("ctx.")
    let field = isOfContext ? String(name.dropFirst(4)) : ""
    let head = isOfContext ? "function Context:\(field)(" : "function \(name)("
    if let line = lines.firstIndex(where: { $0.hasPrefix(head) || $0.hasPrefix("\(name) = ") }) {
      let comment = lines[..<line].reversed().prefix { $0.hasPrefix("---") }
      return (comment.reversed() + [lines[line]]).joined(separator: "\n")
    }
    guard isOfContext, let first = lines.firstIndex(where: { $0.hasPrefix("---@class moondial.Context") }) else {
      return nil
    }
    return lines[first...].prefix { $0.hasPrefix("---") }.first {
      $0.hasPrefix("---@field \(field) ") || $0.hasPrefix("---@field \(field)? ")
    }.map(String.init)
  }
}
