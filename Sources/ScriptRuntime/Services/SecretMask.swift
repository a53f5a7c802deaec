package import Lua
internal import Synchronization

/// Hides the values of secrets in everything that leaves a run: log lines and their fields, errors and tracebacks,
/// results, progress, the data of events, parameters, labels of metrics.
///
///     mask.add(Array("s3cret".utf8), of: "db")
///     mask.masked("password is s3cret")        // password is ***
///
/// What is hidden is each value that `secret` has answered, as a whole and line by line, wherever it stands in a text,
/// also as the host itself writes it in an address; in a table each string and each key, and a number whose digits are
/// a value's. Values of fewer than ``shortest`` bytes are not hidden (a text without any "1" says more than one with
/// it), nor are other forms of a value: base64, parts, the value backwards.
///
/// Threading: any thread. Without a secret every function answers its argument; otherwise O(n), while no two values
/// begin with the same four bytes.
package final class SecretMask: Sendable {
  /// Bytes that a value has at least that is hidden.
  package static let shortest = 4
  /// Bytes that a line of a longer value has at least that is hidden by itself.
  package static let shortestLine = 8
  /// Values that are hidden for one name: the newest ones, since a command may answer another one each time.
  static let valuesPerName = 16
  /// Names whose values are hidden.
  static let names = 1_000
  package static let replacement = "***"

  private struct State: Sendable {
    /// Values by name, the newest last.
    var values: [String: [[UInt8]]] = [:]
    /// Names, that which was asked for last at the end.
    var order: [String] = []
    var patterns = SecretPatterns([])
  }
  private let state = Mutex(State())
  private let isInUse = Atomic(false)

  package init() {}

  /// From now on `value` is hidden. Before anybody gets it.
  package func add(_ value: [UInt8], of name: String) {
    guard value.count >= Self.shortest else { return }
    state.withLock { state in
      var values = state.values[name] ?? []
      let known = values.firstIndex(of: value)
      // The usual case costs no new patterns.
      if let known, known == values.count - 1 { return }
      if let known { values.remove(at: known) }
      values.append(value)
      let dropsValue = values.count > Self.valuesPerName
      state.values[name] = values.suffix(Self.valuesPerName)
      state.order.removeAll { $0 == name }
      state.order.append(name)
      let dropsName = state.order.count > Self.names
      if dropsName { state.values[state.order.removeFirst()] = nil }
      // Only what is forgotten makes all patterns be made anew.
      if dropsValue || dropsName {
        state.patterns = SecretPatterns(state.values.values.flatMap(\.self))
      } else if known == nil {
        state.patterns.insert(value)
      }
    }
    isInUse.store(true, ordering: .releasing)
  }

  private var patterns: SecretPatterns? {
    isInUse.load(ordering: .acquiring) ? state.withLock { $0.patterns } : nil
  }

  /// The bytes without values of secrets.
  package func masked(_ bytes: [UInt8]) -> [UInt8] {
    guard let patterns else { return bytes }
    return unsafe bytes.withUnsafeBytes { unsafe patterns.masked($0) } ?? bytes
  }

  /// The text without values of secrets.
  ///
  /// - Parameter mayBeCut: the text may end inside a value; then the beginning of one at its end is hidden too.
  package func masked(_ text: String, mayBeCut: Bool = false) -> String {
    guard let patterns else { return text }
    var copy = text
    // Both closures read the text's own bytes, which stay where they are until they return.
    guard let bytes = copy.withUTF8({ unsafe patterns.masked(UnsafeRawBufferPointer($0), mayBeCut: mayBeCut) }) else {
      return text
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The value without values of secrets, in whatever depth.
  package func masked(_ value: LuaValue) -> LuaValue { hiding(value) ?? value }

  /// The same; nil when no value of a secret is in it. (Comparing would not tell: NaN differs from itself.)
  package func hiding(_ value: LuaValue) -> LuaValue? {
    // Not the literal nil, which is a value of Lua too.
    guard let patterns else { return .none }
    var isHidden = false
    let masked = patterns.masked(value, &isHidden)
    guard isHidden else { return .none }
    return .some(masked)
  }
}

/// Byte strings that are searched for all at once.
private struct SecretPatterns: Sendable {
  private var all: Set<[UInt8]> = []
  /// By their first four bytes, each list with the longest first.
  private var byHead: [UInt32: [[UInt8]]] = [:]
  /// Whether any begins with that byte.
  private var begins = [Bool](repeating: false, count: 256)
  private var longest = 0

  init(_ values: [[UInt8]]) { for value in values { insert(value) } }

  mutating func insert(_ value: [UInt8]) {
    for pattern in Self.forms(of: value) where all.insert(pattern).inserted {
      let head = Self.head(pattern, 0)
      let place = place(of: pattern, among: head)
      byHead[head, default: []].insert(pattern, at: place)
      begins[Int(pattern[0])] = true
      longest = max(longest, pattern.count)
    }
  }

  /// Where it stands among those that begin like it, the longest of which comes first.
  private func place(of pattern: [UInt8], among head: UInt32) -> Int {
    guard let others = byHead[head] else { return 0 }
    var (low, high) = (0, others.count)
    while low < high {
      let middle = (low + high) / 2
      if others[middle].count < pattern.count { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// What of a value is searched for.
  private static func forms(of value: [UInt8]) -> Set<[UInt8]> {
    var forms: Set<[UInt8]> = [value]
    // What is no text is shown with escapes by some who show it, and a thrown table is shown as JSON.
    let shown = String(showing: value)
    forms.insert(Array(shown.utf8))
    if let json = try? LuaValue.string(LuaString(shown)).json() {
      forms.insert(Array(json.utf8.dropFirst().dropLast()))
    }
    if value.count <= mostInURL { forms.formUnion(formsInURL(value)) }
    for line in value.split(whereSeparator: { $0 == 10 || $0 == 13 }) where line.count >= SecretMask.shortestLine {
      forms.insert(Array(line))
    }
    return forms
  }

  /// Bytes of a value that somebody puts into an address.
  private static let mostInURL = 4_096

  /// The value as addresses have it: percent signs in place of all that has a meaning there, or only of what cannot
  /// stand there; and in small letters when it can be the name of a host, which is read so.
  private static func formsInURL(_ value: [UInt8]) -> [[UInt8]] {
    func isOfNames(_ byte: UInt8) -> Bool {
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."): true
      default: false
      }
    }
    func escaped(_ digits: String, keeping isKept: (UInt8) -> Bool) -> [UInt8] {
      let digits = Array(digits.utf8)
      return value.flatMap { byte in
        isKept(byte) ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    var forms: [[UInt8]] = []
    for digits in ["0123456789ABCDEF", "0123456789abcdef"] {
      forms.append(escaped(digits) { isOfNames($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "~") })
      forms.append(escaped(digits) { (0x21...0x7e).contains($0) })
    }
    // A short word in small letters says more than it would tell.
    if value.count >= SecretMask.shortestLine, value.allSatisfy(isOfNames) {
      forms.append(value.map { (0x41...0x5a).contains($0) ? $0 + 0x20 : $0 })
    }
    return forms
  }

  private static func head(_ bytes: some RandomAccessCollection<UInt8>, _ offset: Int) -> UInt32 {
    let start = bytes.index(bytes.startIndex, offsetBy: offset)
    return bytes[start...].prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// The length of the longest pattern that stands at `at`; 0 when there is none.
  private func match(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Int {
    guard begins[Int(unsafe bytes[at])], bytes.count - at >= 4,
      let candidates = byHead[unsafe Self.head(bytes, at)]
    else { return 0 }
    return candidates.first { pattern in
      unsafe pattern.count <= bytes.count - at && bytes[at..<at + pattern.count].elementsEqual(pattern)
    }?.count ?? 0
  }

  /// Where the beginning of a pattern stands at the end, at least four bytes of it.
  private func cutMatch(_ bytes: UnsafeRawBufferPointer) -> Int? {
    let text = unsafe Self.withoutSignsOfCut(bytes[...])
    guard unsafe text.count >= 4 else { return nil }
    return unsafe (max(0, text.endIndex - longest)...(text.endIndex - 4)).first { at in
      guard begins[Int(unsafe bytes[at])], let candidates = byHead[unsafe Self.head(bytes, at)] else { return false }
      return candidates.contains { unsafe $0.starts(with: text[at...]) }
    }
  }

  /// Without what stands at a cut: an ellipsis, and the bytes of half a character, shown or replaced.
  private static func withoutSignsOfCut(_ bytes: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
    var text = unsafe bytes
    if unsafe text.suffix(3).elementsEqual("…".utf8) { unsafe text = text.dropLast(3) }
    for _ in 0..<3 {
      if unsafe text.suffix(3).elementsEqual("\u{FFFD}".utf8) {
        unsafe text = text.dropLast(3)
      } else if unsafe text.count >= 4, unsafe text.suffix(4).starts(with: "\\x".utf8) {
        unsafe text = text.dropLast(4)
      }
    }
    return unsafe text
  }

  /// nil when there is nothing to hide.
  func masked(_ bytes: UnsafeRawBufferPointer, mayBeCut: Bool = false) -> [UInt8]? {
    var result: [UInt8]?
    var (at, copied) = (0, 0)
    while at < bytes.count {
      let length = unsafe match(bytes, at)
      guard length > 0 else {
        at += 1
        continue
      }
      result = unsafe (result ?? []) + bytes[copied..<at] + SecretMask.replacement.utf8
      at += length
      copied = at
    }
    if mayBeCut, let start = unsafe cutMatch(bytes), start >= copied {
      return unsafe (result ?? []) + bytes[copied..<start] + SecretMask.replacement.utf8
    }
    guard let result else { return nil }
    return unsafe result + bytes[copied...]
  }

  private func masked(_ bytes: [UInt8]) -> [UInt8]? { unsafe bytes.withUnsafeBytes { unsafe masked($0) } }

  private func masked(_ bytes: [UInt8], _ isHidden: inout Bool) -> [UInt8]? {
    let masked = masked(bytes)
    if masked != nil { isHidden = true }
    return masked
  }

  /// A number whose digits are a secret's is a text then.
  private func masked(_ number: LuaValue, shown: String, _ isHidden: inout Bool) -> LuaValue {
    masked(Array(shown.utf8), &isHidden) == nil ? number : .string(LuaString(SecretMask.replacement))
  }

  /// - Parameter isHidden: becomes true when something was hidden.
  func masked(_ value: LuaValue, _ isHidden: inout Bool) -> LuaValue {
    switch value {
    case .nil, .bool, .function, .object: return value
    case .integer(let number): return masked(value, shown: String(number), &isHidden)
    case .number(let number): return masked(value, shown: String(number), &isHidden)
    case .string(let text): return masked(text.bytes, &isHidden).map { .string(LuaString(bytes: $0)) } ?? value
    case .table(let table):
      return .table(
        LuaTable(
          array: table.array.map { masked($0, &isHidden) },
          fields: table.fields.map { field in
            let key = masked(Array(field.key.utf8), &isHidden).map { String(decoding: $0, as: UTF8.self) }
            return (key: key ?? field.key, value: masked(field.value, &isHidden))
          },
          others: table.others.map { (key: masked($0.key, &isHidden), value: masked($0.value, &isHidden)) }))
    }
  }
}
