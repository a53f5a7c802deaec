internal import Chronology
package import JobModel
package import Lua

/// Rates and groups: `"10/1m"`, `{ max = 2, rate = "10/1m" }`.
extension FieldReading {
  /// A rate, or `false` for none: then the result is `.some(nil)`.
  package mutating func optionalRate(_ name: String, _ value: LuaValue) -> RateLimit?? {
    if case .bool(false) = value { return .some(nil) }
    return rate(name, value).map { .some($0) }
  }

  package mutating func rate(_ name: String, _ value: LuaValue) -> RateLimit? {
    guard case .string(let string) = value else {
      complain("\(name) must be a number of starts and a time like \"10/1m\", not \(value.shown)")
      return nil
    }
    let text = string.text
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let digits = parts.first?.trimmed ?? ""
    guard parts.count == 2, !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }) else {
      complain("\(name) must be a number of starts and a time like \"10/1m\", not \(quoted(text))")
      return nil
    }
    guard let count = Int(digits), RateLimit.counts.contains(count) else {
      complain("\(name): \(digits) starts are outside 1 to \(RateLimit.counts.upperBound)")
      return nil
    }
    let window: Int64
    do {
      window = try DurationText.parseNanoseconds(String(parts[1].trimmed))
    } catch {
      complain("\(name) \(quoted(text)): \(error.message)")
      return nil
    }
    guard RateLimit.windows.contains(window) else {
      complain("\(name) \(quoted(text)): the time must be 1ms to 366d")
      return nil
    }
    return RateLimit(count: count, window: window, text: text)
  }

  /// What a group's table may say.
  package static let groupKeys = ["max", "rate"]

  /// What a group's table says.
  package mutating func groupLimit(_ name: String, _ value: LuaValue) -> GroupLimit? {
    guard case .table(let table) = value else {
      complain("\(name) must be a table like { max = 2, rate = \"10/1m\" }, not \(value.shown)")
      return nil
    }
    let before = complaints.count
    namedKeysOnly(table, in: name)
    var limit = GroupLimit()
    for (key, value) in table.fields {
      switch key {
      case "max": limit.max = integer("\(name).max", value, in: 1...100_000)
      case "rate": limit.rate = rate("\(name).rate", value)
      default:
        complain("unknown setting \"\(name).\(key)\"\(FieldReading.suggestion(for: key, among: Self.groupKeys))")
      }
    }
    if complaints.count == before, limit == GroupLimit() {
      complain("\(name) limits nothing; give it max, rate or both")
    }
    return complaints.count == before ? limit : nil
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var text = self
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return text
  }
}
