/// What is wrong with a pattern: a sentence that follows the pattern and a colon.
package struct PathPatternError: Error, Sendable, Hashable {
  package var message: String
  package init(_ message: String) { self.message = message }
}

/// A pattern for files: `/srv/in/*.csv`, `/srv/**/*.{csv,txt}`.
///
/// Each component is a ``SegmentPattern``; `**` stands for any number of directories, none included, whose names do not
/// begin with a dot. Pure: only names decide.
///
///     let patterns = try PathPattern.parse("in/*.{csv,txt}", from: "/srv")     // two patterns
///     patterns[0].matches("/srv/in/a.csv")                                      // true
///     patterns[0].leads(through: "/srv")                                        // true: on the way there
package struct PathPattern: Sendable, Hashable {
  package enum Segment: Sendable, Hashable {
    case name(SegmentPattern)
    /// `**`
    case directories
  }

  /// Absolute, with `.` and `..` worked out and braces written out.
  package let text: String
  package let segments: [Segment]
  /// The directory before the first wildcard: where searching begins.
  package let root: String

  /// The most patterns that braces may write out to.
  package static let largestExpansion = 64

  /// - Parameter base: absolute; relative patterns start there.
  package static func parse(_ text: String, from base: String) throws(PathPatternError) -> [PathPattern] {
    guard !text.isEmpty else { throw PathPatternError("it is empty; write a path like \"/srv/in/*.csv\"") }
    guard !text.hasPrefix("~") else { throw PathPatternError("~ has no meaning here; write the whole path") }
    guard !text.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) else {
      throw PathPatternError("it has a control character")
    }
    guard !text.hasSuffix("/") else {
      throw PathPatternError("it names a directory; write \(text)* for the files in it")
    }
    var patterns: [PathPattern] = []
    for plain in try expandBraces(text) { patterns.append(try PathPattern(plain, from: base)) }
    return patterns
  }

  private init(_ text: String, from base: String) throws(PathPatternError) {
    var names: [Substring] = base.hasPrefix("/") && !text.hasPrefix("/") ? base.split(separator: "/") : []
    for name in text.split(separator: "/") {
      switch name {
      case ".": break
      case "..":
        guard names.last.map({ !Self.isWild($0) }) ?? true else {
          throw PathPatternError(".. cannot follow a wildcard; write the path without it")
        }
        _ = names.popLast()
      default: names.append(name)
      }
    }
    guard let last = names.last else { throw PathPatternError("it names the directory /; write which files in it") }
    if last == "**" { names.append("*") }
    var segments: [Segment] = []
    for name in names {
      if name == "**" {
        if segments.last != .directories { segments.append(.directories) }
        continue
      }
      guard !name.contains("**") else {
        throw PathPatternError("** stands for whole directories; write it between slashes, as in /srv/**/*.csv")
      }
      segments.append(.name(try SegmentPattern(String(name))))
    }
    self.segments = segments
    self.text = "/" + names.joined(separator: "/")
    // The file's own name is never part of the root.
    root = "/" + names.dropLast().prefix { !Self.isWild($0) }.joined(separator: "/")
    if root == "/", segments.count > 1 {
      throw PathPatternError("it would search the whole machine; begin with the name of a directory")
    }
  }

  private static func isWild(_ name: Substring) -> Bool { name.contains { "*?[".contains($0) } }

  /// `a{b,c}d` → `abd`, `acd`. Braces do not nest; those of `[{]` are characters.
  private static func expandBraces(_ text: String) throws(PathPatternError) -> [String] {
    var results = [""]
    var rest = text[...]
    var isInSet = false
    while let character = rest.popFirst() {
      switch character {
      case "[": isInSet = true
      case "]": isInSet = false
      case "{" where !isInSet:
        guard let end = rest.firstIndex(of: "}") else {
          throw PathPatternError("a { has no }; write [{] for the character itself")
        }
        let choices = rest[..<end]
        guard !choices.contains("{") else { throw PathPatternError("braces cannot be nested") }
        rest = rest[rest.index(after: end)...]
        results = choices.split(separator: ",", omittingEmptySubsequences: false).flatMap { choice in
          results.map { $0 + choice }
        }
        guard results.count <= largestExpansion else {
          throw PathPatternError("its braces make more than \(largestExpansion) patterns; write a list of patterns")
        }
        continue
      case "}" where !isInSet: throw PathPatternError("a } has no {; write [}] for the character itself")
      default: break
      }
      for index in results.indices { results[index].append(character) }
    }
    return results
  }

  // MARK: Matching

  /// Where a walk down the tree stands: the segments that may come next. Empty: nothing below can match.
  package struct Position: Sendable, Hashable {
    fileprivate var next: Set<Int>
    package var isDead: Bool { next.isEmpty }
  }

  package var start: Position { Position(next: closed([0])) }

  /// `**` may stand for nothing.
  private func closed(_ indices: Set<Int>) -> Set<Int> {
    var result = indices
    for index in indices where index < segments.count && segments[index] == .directories { result.insert(index + 1) }
    return result
  }

  /// The position inside the directory `name`.
  ///
  /// - Parameter isLink: `**` does not go through links, so that no tree is endless.
  package func enter(_ name: String, at position: Position, isLink: Bool = false) -> Position {
    var result: Set<Int> = []
    // The last segment is a file's name.
    for index in position.next where index < segments.count - 1 {
      switch segments[index] {
      case .directories: if !isLink, !name.hasPrefix(".") { result.insert(index) }
      case .name(let pattern): if pattern.matches(name) { result.insert(index + 1) }
      }
    }
    return Position(next: closed(result))
  }

  /// Whether the file `name` is meant, in a directory at `position`.
  package func accepts(_ name: String, at position: Position) -> Bool {
    guard case .name(let pattern)? = segments.last, position.next.contains(segments.count - 1) else { return false }
    return pattern.matches(name) && !TemporaryNames.isTemporary(name, unlessWanted: pattern.text)
  }

  /// Whether the file at `path`, which is absolute, is meant.
  package func matches(_ path: String) -> Bool {
    let names = path.split(separator: "/").map(String.init)
    guard let last = names.last else { return false }
    return accepts(last, at: position(names.dropLast()))
  }

  /// Whether a directory at `path` would be searched, or lies on the way to one that would be.
  package func leads(through path: String) -> Bool { !position(path.split(separator: "/").map(String.init)).isDead }

  /// The position inside the directory of these components.
  package func position(_ names: some Sequence<String>) -> Position {
    var position = start
    for name in names where !position.isDead { position = enter(name, at: position) }
    return position
  }
}

/// Names that programs give to files that are not complete, or that are only theirs.
enum TemporaryNames {
  private static let endings = [
    "~", ".swp", ".swo", ".swx", ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download",
  ]

  /// Whether `name` is such a name, and `pattern`, which it matches, does not ask for that very ending. (A name that
  /// begins with a dot is a matter of the pattern alone.)
  static func isTemporary(_ name: String, unlessWanted pattern: String) -> Bool {
    if name.hasPrefix("#"), name.hasSuffix("#"), !pattern.hasPrefix("#") { return true }
    return endings.contains { name.hasSuffix($0) && !pattern.hasSuffix($0) }
  }
}
