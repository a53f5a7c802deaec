/// The head of an answer, as it comes line by line. A later block (after an interim answer) takes the place of an earlier
/// one.
struct HeaderBlock {
  static let mostBytes = 256 << 10
  static let mostFields = 1_000

  private(set) var status = 0
  private(set) var version = ""
  private(set) var fields: [(name: String, value: [UInt8])] = []
  private(set) var isComplete = false
  private var size = 0

  enum Event { case more, complete, tooLarge, broken }

  /// One line, with its end.
  mutating func add(_ bytes: UnsafeRawBufferPointer) -> Event {
    // Trailers, after the content.
    if isComplete { return .more }
    size += bytes.count
    guard size <= Self.mostBytes, fields.count < Self.mostFields else { return .tooLarge }
    let line = unsafe Array(bytes).trimmed
    if line.starts(with: "HTTP/".utf8) { return begin(line) }
    if line.isEmpty {
      // 101 would be another protocol, which nobody asked for; interim answers are followed by the real one.
      isComplete = status >= 200
      return isComplete ? .complete : .more
    }
    if let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 {
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      fields.append((name, Array(line[(colon + 1)...]).trimmed))
    } else if let first = unsafe bytes.first, first == 0x20 || first == 0x09, !fields.isEmpty {
      // A folded line goes on with the value before.
      fields[fields.count - 1].value += [0x20] + line
    }
    return .more
  }

  private mutating func begin(_ line: [UInt8]) -> Event {
    let words = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 2)
    guard words.count > 1, let code = Int(words[1]) else { return .broken }
    status = code
    version = String(words[0].dropFirst(5))
    fields = []
    return .more
  }

  /// The first value of a field.
  func value(_ name: String) -> String? {
    fields.first { $0.name == name }.map { String(decoding: $0.value, as: UTF8.self) }
  }

  /// All codings of the content, the first applied first.
  var codings: [String] {
    fields.filter { $0.name == "content-encoding" }
      .flatMap { String(decoding: $0.value, as: UTF8.self).split(separator: ",") }
      .map { $0.trimmingSpaces.lowercased() }.filter { !$0.isEmpty && $0 != "identity" }
  }
}

extension [UInt8] {
  /// Without white space and line ends around it.
  fileprivate var trimmed: [UInt8] {
    let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0d).contains(byte) }
    guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) }) else {
      return []
    }
    return Array(self[first...last])
  }
}

extension Substring {
  fileprivate var trimmingSpaces: Substring {
    let head = drop { $0 == " " || $0 == "\t" }
    return head.prefix(
      upTo: head.lastIndex { $0 != " " && $0 != "\t" }.map { head.index(after: $0) } ?? head.startIndex)
  }
}
