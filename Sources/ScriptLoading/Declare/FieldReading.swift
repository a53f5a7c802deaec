internal import Basics
internal import Chronology
package import Lua
internal import ScriptRuntime

/// Reads values of a configuration table with their types and limits. A value that will not do leaves one sentence in
/// `complaints` and reads as `nil`, so that one pass finds every mistake of a table.
package struct FieldReading {
  package var complaints: [String] = []

  package mutating func complain(_ message: String) { complaints.append(message) }

  /// `nil`, with the sentence "NAME must be EXPECTED, not a table".
  private mutating func mismatch<T>(_ name: String, _ expected: String, _ value: LuaValue) -> T? {
    complain("\(name) must be \(expected), not \(value.shown)")
    return nil
  }

  package mutating func bool(_ name: String, _ value: LuaValue) -> Bool? {
    if case .bool(let bool) = value { return bool }
    return mismatch(name, "true or false", value)
  }

  /// A string without control characters.
  package mutating func string(
    _ name: String, _ value: LuaValue, _ expected: String = "a string", atMost bytes: Int = .max
  ) -> String? {
    guard case .string(let string) = value else { return mismatch(name, expected, value) }
    return isShort(name, string, bytes) ? string.text : nil
  }

  private mutating func isShort(_ name: String, _ string: LuaString, _ most: Int) -> Bool {
    let size = string.bytes.count
    if size > most { complain("\(name) may have \(most) bytes, this one has \(size): shorten it") }
    return size <= most
  }

  /// A name or a list of names: not empty, each once, each of at most `bytes` bytes.
  package mutating func names(
    _ name: String, _ value: LuaValue, of what: String, atMost count: Int = 10_000, bytes: Int = .max
  ) -> [String]? {
    let values: [LuaValue]
    switch value {
    case .string: values = [value]
    case .table(let table) where table.isSequence: values = table.array
    default: return mismatch(name, "\(what) or a list of them", value)
    }
    guard values.count <= count else {
      complain("\(name) may have \(count) entries, this one has \(values.count): leave some out")
      return nil
    }
    var names: [String] = []
    var known: Set<String> = []
    for (index, value) in values.enumerated() {
      let own = values.count == 1 ? name : "\(name)[\(index + 1)]"
      guard case .string(let string) = value, !string.bytes.isEmpty else { return mismatch(own, what, value) }
      guard isShort(own, string, bytes) else { return nil }
      let text = string.text
      if values.count == 1 || known.insert(text).inserted { names.append(text) }
    }
    return names
  }

  package mutating func integer(_ name: String, _ value: LuaValue, in range: ClosedRange<Int>) -> Int? {
    let exact: Int64?
    switch value {
    case .integer(let integer): exact = integer
    case .number(let number): exact = Int64(exactly: number)
    default: exact = nil
    }
    guard let exact else { return mismatch(name, "a whole number", value) }
    guard let integer = Int(exactly: exact), range.contains(integer) else {
      complain(
        range.upperBound == .max
          ? "\(name) must be at least \(range.lowerBound), not \(exact)"
          : "\(name) must be \(range.lowerBound) to \(range.upperBound), not \(exact)")
      return nil
    }
    return integer
  }

  /// Nanoseconds of a text like `5m`, or of a number of seconds.
  package mutating func duration(_ name: String, _ value: LuaValue, atLeast least: Int64) -> Int64? {
    let nanoseconds: Int64
    switch value {
    case .string(let string):
      do {
        nanoseconds = try DurationText.parseNanoseconds(string.text)
      } catch {
        complain("\(name): \(error.message)")
        return nil
      }
    case .integer(let seconds):
      let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
      nanoseconds = overflow ? (seconds < 0 ? .min : .max) : product
    case .number(let seconds) where seconds.isFinite && abs(seconds) < 9e9:
      nanoseconds = Int64((seconds * 1e9).rounded())
    default:
      return mismatch(name, "a duration like \"90s\" or a number of seconds", value)
    }
    guard nanoseconds >= least else {
      complain("\(name) must be at least \(DurationText.format(nanoseconds: least)), not \(value.shown)")
      return nil
    }
    return nanoseconds
  }

  /// A duration in a range of nanoseconds.
  mutating func duration(_ name: String, _ value: LuaValue, in range: ClosedRange<Int64>) -> Int64? {
    guard let nanoseconds = duration(name, value, atLeast: range.lowerBound) else { return nil }
    guard nanoseconds <= range.upperBound else {
      complain("\(name) must be at most \(DurationText.format(nanoseconds: range.upperBound)), not \(value.shown)")
      return nil
    }
    return nanoseconds
  }

  /// A duration, or `false` for none: then the result is `.some(nil)`.
  package mutating func optionalDuration(_ name: String, _ value: LuaValue, atLeast least: Int64) -> Int64?? {
    if case .bool(false) = value { return .some(nil) }
    return duration(name, value, atLeast: least).map { .some($0) }
  }

  /// Bytes of a text like `64MB`.
  package mutating func size(_ name: String, _ value: LuaValue, in range: ClosedRange<Int>) -> Int? {
    let bytes: Int?
    switch value {
    case .string(let string): bytes = SizeText.parse(string.text)
    case .integer(let integer): bytes = Int(integer)
    default: bytes = nil
    }
    guard let bytes else { return mismatch(name, "a size like \"64MB\"", value) }
    guard range.contains(bytes) else {
      let limits = "\(SizeText.format(range.lowerBound)) to \(SizeText.format(range.upperBound))"
      complain("\(name) must be \(limits), not \(value.shown)")
      return nil
    }
    return bytes
  }

  /// One of a set of words.
  package mutating func choice<T: CaseIterable & RawRepresentable<String>>(
    _ name: String, _ value: LuaValue, _ type: T.Type
  ) -> T? {
    if case .string(let string) = value, let choice = T(rawValue: string.text) { return choice }
    let words = T.allCases.map(\.rawValue)
    let listed = FieldReading.list(words)
    guard case .string(let string) = value else { return mismatch(name, listed, value) }
    complain("\(name) must be \(listed), not \(value.shown)\(FieldReading.suggestion(for: string.text, among: words))")
    return nil
  }

  /// `"a", "b" or "c"`.
  package static func list(_ words: [String]) -> String {
    let quoted = words.map { "\"\($0)\"" }
    guard let last = quoted.last, quoted.count > 1 else { return quoted.first ?? "" }
    return quoted.dropLast().joined(separator: ", ") + " or " + last
  }

  /// `; did you mean "cron"?`, or nothing when no name is near. Of one letter nobody can tell what was meant.
  package static func suggestion(for word: String, among names: [String]) -> String {
    guard word.utf8.count > 1, let near = Spelling.closest(to: word, among: names, limit: 1).first else { return "" }
    return "; did you mean \"\(near)\"?"
  }

  /// Complains about every key of `table` that is not a name.
  package mutating func namedKeysOnly(_ table: LuaTable, in what: String) {
    if !table.array.isEmpty {
      complain("\(what) has a value without a name (\(table.array[0].shown)); write name = value")
    }
    for other in table.others { complain("\(what) has the key \(other.key.keyText), which is not a name") }
  }
}
