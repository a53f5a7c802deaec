/// The path and the query of a request, taken apart and decoded once: what is compared with the routes cannot be
/// decoded again into something else.
package struct RequestTarget: Sendable, Equatable {
  /// The parts between the slashes. None is empty, `.` or `..`.
  package var segments: [String]
  package var query: [Pair]

  package struct Pair: Sendable, Equatable {
    package var name: String
    package var value: String
  }

  /// Reads the target in a request's first line; only a path with a query is taken.
  package init(_ target: String) throws(ProblemDetails) {
    guard target.hasPrefix("/") else {
      throw .badRequest("the target of a request begins with /, such as /api/v1/status")
    }
    let withoutFragment = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)[0]
    let parts = withoutFragment.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    segments = []
    for part in parts[0].dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      segments.append(try RequestTarget.decode(part))
    }
    if segments == [""] { segments = [] }
    guard segments.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else {
      throw .notFound("there is nothing at this path: it has an empty part, or one of dots")
    }
    query = []
    guard parts.count == 2 else { return }
    for part in parts[1].split(separator: "&") {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let value = pair.count == 2 ? try RequestTarget.decode(pair[1], plusIsSpace: true) : ""
      query.append(Pair(name: try RequestTarget.decode(pair[0], plusIsSpace: true), value: value))
    }
  }

  /// `%41` is A. What is no UTF-8 afterwards, or has a zero byte, is refused.
  private static func decode(_ text: Substring, plusIsSpace: Bool = false) throws(ProblemDetails) -> String {
    var bytes: [UInt8] = []
    var iterator = text.utf8.makeIterator()
    while let byte = iterator.next() {
      switch byte {
      case UInt8(ascii: "%"):
        guard let high = iterator.next().flatMap(digit), let low = iterator.next().flatMap(digit) else {
          throw .badRequest("the target has a % without two hexadecimal digits: write %25 for the sign itself")
        }
        bytes.append(high << 4 | low)
      case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
      default: bytes.append(byte)
      }
    }
    guard !bytes.contains(0), let decoded = String(validating: bytes, as: UTF8.self) else {
      throw .badRequest("the target is not UTF-8, or has a zero byte")
    }
    return decoded
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - 48
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - 87
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - 55
    default: nil
    }
  }
}
