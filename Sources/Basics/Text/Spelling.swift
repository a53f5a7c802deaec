/// Suggestions for misspelt names.
package enum Spelling {
  /// Up to `limit` of `names` that are near `word`, nearest first: at most a third of its letters differ, or it is a
  /// whole part of the name (`Berlin` is a part of `Europe/Berlin`). Case, `_`, `-` and spaces do not count as
  /// differences.
  package static func closest(to word: String, among names: [String], limit: Int = 3) -> [String] {
    let plain = fold(word)
    guard !plain.isEmpty, plain.count <= 80 else { return [] }
    let tail = fold(word.split(separator: "/").last.map(String.init) ?? word)
    var scored: [(score: Int, name: String)] = []
    for name in names {
      let folded = fold(name)
      let nameTail = fold(name.split(separator: "/").last.map(String.init) ?? name)
      let tolerance = max(1, plain.count / 3)
      var score = distance(plain, folded, limit: tolerance)
      if nameTail == tail { score = min(score, folded == plain ? 0 : 1) }
      if tail.count >= 4 { score = min(score, 1 + distance(tail, nameTail, limit: max(1, tail.count / 4))) }
      if score <= max(tolerance, 2) { scored.append((score, name)) }
    }
    scored.sort { ($0.score, $0.name) < ($1.score, $1.name) }
    guard let best = scored.first?.score else { return [] }
    return scored.prefix(limit).filter { $0.score <= best + 1 }.map(\.name)
  }

  package static let tooFar = 1000

  private static func fold(_ text: String) -> [UInt8] {
    text.lowercased().utf8.map { "-_ ".utf8.contains($0) ? UInt8(ascii: "_") : $0 }
  }

  /// How many letters must be added, removed, replaced or swapped with their neighbour (Damerau and Levenshtein), or
  /// ``tooFar`` when it takes more than `limit`.
  package static func distance(_ left: [UInt8], _ right: [UInt8], limit: Int) -> Int {
    guard abs(left.count - right.count) <= limit else { return tooFar }
    var beforePrevious: [Int] = []
    var previous = Array(0...right.count)
    for row in 0..<left.count {
      var current = [row + 1]
      for column in 0..<right.count {
        let same = left[row] == right[column]
        var cost = min(previous[column] + (same ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          cost = min(cost, beforePrevious[column - 1] + 1)
        }
        current.append(cost)
      }
      beforePrevious = previous
      previous = current
    }
    return previous[right.count] <= limit ? previous[right.count] : tooFar
  }
}
