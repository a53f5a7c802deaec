package import JobModel

/// How much of the history one page looks at.
enum RunPaging {
  /// Bytes of texts on a page.
  static let bytes = 512 << 10
  /// Texts of one run in a list; longer ones are only in the answer about the run.
  static let textBytes = 16 << 10
  /// Lines of a run in which a text is looked for.
  static let logLines = 1_000

  /// Runs that are read from a store at first, while nobody knows how long their texts are.
  static let firstPart = 32

  /// Runs that are read from a store after `part`: so many that the texts of all of them are about a page's.
  static func nextPart(after part: [RunRecord]) -> Int {
    let texts = part.reduce(0) { $0 + $1.textBytes }
    return max(1, min(1_000, part.count * 4, bytes * part.count / max(texts, 1)))
  }

  /// Runs that are looked at for one page: of each its log is read, or its tags are compared, at about 50 and 2 µs.
  static func looks(_ query: RunsQuery) -> Int {
    query.text != nil ? 500 : query.tag != nil ? 10_000 : .max
  }
}

extension RunsQuery {
  /// The run after which the page begins. Throws for what is no question.
  package func checked() throws(ControlError) -> RunID? {
    _ = try PageLimit.checked(limit)
    if let from, let to, from >= to {
      throw ControlError(.invalid, "the end of the span must be later than its beginning")
    }
    return try after.map { (cursor) throws(ControlError) in RunID(try cursor.id()) }
  }
}
