internal import Basics
internal import JobModel

extension PageLimit {
  package static func checked(_ limit: Int) throws(ControlError) -> Int {
    guard (1...most).contains(limit) else {
      throw ControlError(.invalid, "limit \(limit): give a number from 1 to \(most)")
    }
    return limit
  }
}

extension PageCursor {
  /// Names as hexadecimal UTF-8, with dots between them: safe everywhere, and nobody takes it for something to edit.
  package init(names: [String]) {
    self.init(
      names.map { name in name.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
        .joined(separator: "."))
  }

  init(id: Int64) { self.init("\(id)") }

  package func names(_ count: Int) throws(ControlError) -> [String] {
    let names = text.split(separator: ".", omittingEmptySubsequences: false).map { PageCursor.name(Array($0.utf8)) }
    guard names.count == count, !names.contains(nil) else { throw invalid }
    return names.compactMap { $0 }
  }

  private static func name(_ digits: [UInt8]) -> String? {
    guard digits.count.isMultiple(of: 2), digits.count <= 8_192 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) else { return nil }
      bytes.append(byte)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  func id() throws(ControlError) -> Int64 {
    guard let id = Int64(text), id > 0 else { throw invalid }
    return id
  }

  private var invalid: ControlError {
    ControlError(.invalid, "the cursor is not one that this list gave: begin again without it")
  }
}

/// Whether `text` contains `part`, upper and lower case being the same for the letters of ASCII.
func containsText(_ part: String, in text: String) -> Bool {
  let part = part.utf8.map(lowered), text = text.utf8.map(lowered)
  guard part.count <= text.count else { return false }
  guard let first = part.first else { return true }
  var at = 0
  while at + part.count <= text.count {
    guard let next = text[at...].firstIndex(of: first), next + part.count <= text.count else { return false }
    if text[next..<next + part.count].elementsEqual(part) { return true }
    at = next + 1
  }
  return false
}

private func lowered(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }

/// `; did you mean "a" or "b"?`, or nothing.
func closestNames(to name: String, among names: some Sequence<String>) -> String {
  let near = Spelling.closest(to: name, among: Array(names.prefix(5_000))).map { "\"\($0)\"" }
  guard let last = near.last else { return "" }
  let others = near.dropLast().joined(separator: ", ")
  return "; did you mean \(others.isEmpty ? last : "\(others) or \(last)")?"
}
