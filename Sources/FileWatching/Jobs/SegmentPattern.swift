/// A pattern for one name in a directory: `*.csv`, `export-[0-9]?.{…}` after its braces were written out.
///
/// `*` stands for any characters, `?` for one, `[a-z]` for one of a set and `[!a-z]` for one outside it. As in shells,
/// a name that begins with a dot is matched only by a pattern that begins with one. There are no escapes: `[*]` is a
/// star.
package struct SegmentPattern: Sendable, Hashable {
  private enum Part: Sendable, Hashable {
    case literal(Unicode.Scalar)
    case any
    case one
    case set([ClosedRange<Unicode.Scalar>], isNegated: Bool)

    /// `any` aside.
    func takes(_ scalar: Unicode.Scalar) -> Bool {
      switch self {
      case .literal(let own): own == scalar
      case .any, .one: true
      case .set(let ranges, let isNegated): ranges.contains { $0.contains(scalar) } != isNegated
      }
    }
  }

  package let text: String
  private let parts: [Part]

  /// The name itself when the pattern has no wildcard.
  package var literal: String? {
    for case .any in parts { return nil }
    for case .one in parts { return nil }
    for case .set in parts { return nil }
    return text
  }

  /// - Throws: what is wrong, without the pattern.
  package init(_ text: String) throws(PathPatternError) {
    self.text = text
    var parts: [Part] = []
    var rest = text.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case "*":
        if parts.last != .any { parts.append(.any) }
      case "?": parts.append(.one)
      case "[": parts.append(try Self.set(&rest))
      default: parts.append(.literal(scalar))
      }
    }
    self.parts = parts
  }

  /// What follows a bracket, up to its end. A `]` that comes first is a member, as is a `-` at either end.
  private static func set(_ rest: inout Substring.UnicodeScalarView) throws(PathPatternError) -> Part {
    var isNegated = false
    if rest.first == "!" || rest.first == "^" {
      isNegated = true
      rest.removeFirst()
    }
    var ranges: [ClosedRange<Unicode.Scalar>] = []
    while let scalar = rest.popFirst() {
      if scalar == "]", !ranges.isEmpty { return .set(ranges, isNegated: isNegated) }
      let afterDash = rest.dropFirst()
      if rest.first == "-", let last = afterDash.first, last != "]" {
        guard scalar <= last else {
          throw PathPatternError("[\(scalar)-\(last)] is backwards: write [\(last)-\(scalar)]")
        }
        rest = afterDash.dropFirst()
        ranges.append(scalar...last)
      } else {
        ranges.append(scalar...scalar)
      }
    }
    throw PathPatternError("a [ has no ]; write [[] for the character itself")
  }

  package func matches(_ name: String) -> Bool {
    if name.hasPrefix("."), parts.first != .literal(".") { return false }
    let name = Array(name.unicodeScalars)
    var (at, cursor) = (0, 0)
    // Where to go back to: the last star, and the character that it takes next. Linear space, no recursion.
    var star: (cursor: Int, at: Int)?
    while at < name.count {
      if cursor < parts.count, parts[cursor] != .any, parts[cursor].takes(name[at]) {
        cursor += 1
        at += 1
      } else if cursor < parts.count, parts[cursor] == .any {
        star = (cursor, at)
        cursor += 1
      } else if let last = star {
        star = (last.cursor, last.at + 1)
        cursor = last.cursor + 1
        at = last.at + 1
      } else {
        return false
      }
    }
    return parts[cursor...].allSatisfy { $0 == .any }
  }
}
