/// A field of a crontab as Debian's cron reads it: the reading of its `entry.c`, not that of its manual.
///
/// It matters where the two differ: what follows an item and is no comma is passed over (`mon#1` is every Monday), and
/// a range that goes backwards holds nothing (`fri-mon` never comes).
struct CrontabField: Sendable, Hashable {
  /// The items that mean something, as they were written; `*` for the whole of the field.
  private(set) var items: [String] = []
  /// Whether the field begins with `*`, by which cron tells whether both day fields must match.
  let beginsWithStar: Bool

  /// Which values a field has, and names from its lowest one on.
  private struct Kind {
    var range: ClosedRange<Int>
    var names: [String] = []
  }

  private static let kinds = [
    Kind(range: 0...59), Kind(range: 0...23), Kind(range: 1...31),
    Kind(
      range: 1...12, names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    Kind(range: 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
  ]

  /// Reads the `index`-th word of an entry, 0...4; `nil` where cron refuses the crontab because of it.
  init?(_ word: String, index: Int) {
    let kind = CrontabField.kinds[index]
    beginsWithStar = word.hasPrefix("*")
    var rest = word[...]
    while true {
      let start = rest.startIndex
      guard let isEmpty = CrontabField.item(&rest, kind) else { return nil }
      if !isEmpty { items.append(String(word[start..<rest.startIndex])) }
      guard rest.first == "," else { return }
      rest = rest.dropFirst()
    }
  }

  /// Takes an item from the front; whether it holds no value, or `nil` when it is none.
  private static func item(_ rest: inout Substring, _ kind: Kind) -> Bool? {
    var isEmpty = false
    if rest.first == "*" {
      rest = rest.dropFirst()
    } else {
      guard let first = number(&rest, kind), kind.range.contains(first), rest.first != "/" else { return nil }
      guard rest.first == "-" else { return false }
      rest = rest.dropFirst()
      guard let last = number(&rest, kind), kind.range.contains(last) else { return nil }
      isEmpty = last < first
    }
    guard rest.first == "/" else { return isEmpty }
    rest = rest.dropFirst()
    guard let step = number(&rest, Kind(range: 1...1)), step > 0 else { return nil }
    return isEmpty
  }

  private static func number(_ rest: inout Substring, _ kind: Kind) -> Int? {
    let word = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber) }
    rest = rest.dropFirst(word.count)
    if let index = kind.names.firstIndex(of: word.lowercased()) { return index + kind.range.lowerBound }
    return word.allSatisfy(\.isNumber) ? Int(word) : nil
  }

  /// What five fields mean to Debian's cron.
  enum Reading: Sendable, Hashable {
    /// What they mean everywhere.
    case asWritten
    /// The same as these fields, read as they are meant to be.
    case other(String)
    case never
    /// Cron takes no crontab with such a line.
    case refused
  }

  static func reading(of words: [String]) -> Reading {
    var fields: [CrontabField] = []
    for (index, word) in words.enumerated() {
      guard let field = CrontabField(word, index: index) else { return .refused }
      fields.append(field)
    }
    guard fields.count == 5, !fields[0].items.isEmpty, !fields[1].items.isEmpty, !fields[3].items.isEmpty else {
      return .never
    }
    // Of two day fields that are given, either is enough; one of them may hold nothing.
    let (day, weekday) = (fields[2], fields[4])
    if day.items.isEmpty || weekday.items.isEmpty {
      guard !day.beginsWithStar, !weekday.beginsWithStar, day.items.isEmpty != weekday.items.isEmpty else {
        return .never
      }
    }
    let texts = fields.map { $0.items.isEmpty ? "*" : $0.items.joined(separator: ",") }
    return texts == words ? .asWritten : .other(texts.joined(separator: " "))
  }
}
