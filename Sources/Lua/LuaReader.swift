internal import CLuaShim

/// Typed reading of a decoded value, with a path in the errors: `jobs[2].cron: expected a string, got a number`.
///
///     let job = LuaReader(value, path: "job")
///     try job.allow(["name", "run", "cron"])
///     let name = try job.field("name")?.string()
package struct LuaReader: Sendable {
  package let value: LuaValue
  package let path: String

  package init(_ value: LuaValue, path: String) {
    self.value = value
    self.path = path
  }

  /// A named field of a table; nil when it is absent, or when this is not a table.
  package func field(_ key: String) -> LuaReader? {
    guard case .table(let table) = value, let found = table[key], found != .nil else { return nil }
    return LuaReader(found, path: path.isEmpty ? key : "\(path).\(key)")
  }

  /// The elements of a sequence.
  package func items() throws(LuaError) -> [LuaReader] {
    let table = try table()
    if !table.isSequence { throw error("expected a list, got a table with named fields") }
    return table.array.enumerated().map { LuaReader($0.element, path: "\(path)[\($0.offset + 1)]") }
  }

  package func table() throws(LuaError) -> LuaTable {
    if case .table(let table) = value { return table }
    throw mismatch("a table")
  }

  package func string() throws(LuaError) -> String {
    if case .string(let s) = value { return s.text }
    throw mismatch("a string")
  }

  /// An integer, or a float with an integral value.
  package func integer() throws(LuaError) -> Int64 {
    switch value {
    case .integer(let i): return i
    case .number(let n):
      if let i = Int64(exactly: n) { return i }
      throw error("expected a whole number, got \(n)")
    default: throw mismatch("a whole number")
    }
  }

  package func number() throws(LuaError) -> Double {
    switch value {
    case .integer(let i): return Double(i)
    case .number(let n): return n
    default: throw mismatch("a number")
    }
  }

  package func bool() throws(LuaError) -> Bool {
    if case .bool(let b) = value { return b }
    throw mismatch("a boolean")
  }

  package func function() throws(LuaError) -> LuaReference {
    if case .function(let reference) = value { return reference }
    throw mismatch("a function")
  }

  /// Refuses string keys other than these, with a suggestion; and every key that is not a string.
  package func allow(_ keys: [String]) throws(LuaError) {
    let table = try table()
    for (key, _) in table.fields where !keys.contains(key) {
      let hint = closestName(to: key, in: keys).map { " (did you mean \"\($0)\"?)" } ?? ""
      throw LuaError(.host, "\(path.isEmpty ? key : "\(path).\(key)"): unknown field\(hint)")
    }
    if !table.array.isEmpty || !table.others.isEmpty { throw error("expected named fields only") }
  }

  /// An error about this value.
  package func error(_ text: String) -> LuaError { LuaError(.host, path.isEmpty ? text : "\(path): \(text)") }

  private func mismatch(_ expected: String) -> LuaError { error("expected \(expected), got \(value.typeName)") }
}

/// The name nearest to a misspelt one: one change away for short names, two for others. Nil when none is near; of
/// several the first in order.
package func closestName(to name: String, in names: some Sequence<String>) -> String? {
  var best: (distance: UInt32, name: String)?
  let limit: UInt32 = name.utf8.count <= 3 ? 1 : 2
  for candidate in names {
    let distance = unsafe moon_edit_distance(name, name.utf8.count, candidate, candidate.utf8.count, limit)
    if distance > limit { continue }
    if let known = best, (known.distance, known.name) <= (distance, candidate) { continue }
    best = (distance, candidate)
  }
  return best?.name
}
