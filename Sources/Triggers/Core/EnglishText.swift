/// Small pieces of English that explanations are put together from.
enum EnglishText {
  /// `a`, `a and b`, `a, b and c`.
  static func list(_ items: [String], last: String = "and") -> String {
    guard let final = items.last else { return "" }
    guard items.count > 1 else { return final }
    return items.dropLast().joined(separator: ", ") + " \(last) \(final)"
  }

  /// `hour`, `2 hours`.
  static func every(_ count: Int, _ unit: String) -> String { count == 1 ? unit : "\(count) \(unit)s" }

  static func capitalized(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

  static func uncapitalized(_ text: String) -> String { text.prefix(1).lowercased() + text.dropFirst() }

  /// Two digits.
  static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

  /// Weekdays after "if that is": `a Monday or Friday`, `Monday to Friday`, `the last Friday of the month`.
  static func condition(_ weekdays: String) -> String {
    let text = weekdays.replacing(" and ", with: " or ")
    return text.hasPrefix("the ") || text.contains(" to ") ? text : "a \(text)"
  }

  static let ordinals = ["first", "second", "third", "fourth", "fifth"]
  static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
  static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
  ]

  /// Numbers with runs of three and more as `a to b`, named by `name`.
  static func runs(_ numbers: [Int], name: (Int) -> String) -> String { list(runItems(numbers, name: name)) }

  /// The same, not joined.
  static func runItems(_ numbers: [Int], name: (Int) -> String) -> [String] {
    var items: [String] = []
    var index = 0
    while index < numbers.count {
      var end = index
      while end + 1 < numbers.count, numbers[end + 1] == numbers[end] + 1 { end += 1 }
      if end - index >= 2 {
        items.append("\(name(numbers[index])) to \(name(numbers[end]))")
      } else {
        for number in numbers[index...end] { items.append(name(number)) }
      }
      index = end + 1
    }
    return items
  }

  /// A duration in words: `90 seconds`, `1 hour and 30 minutes`.
  static func duration(nanoseconds: Int64) -> String {
    let units: [(String, Int64)] = [
      ("week", 604_800_000_000_000), ("day", 86_400_000_000_000), ("hour", 3_600_000_000_000),
      ("minute", 60_000_000_000), ("second", 1_000_000_000), ("millisecond", 1_000_000), ("microsecond", 1000),
      ("nanosecond", 1),
    ]
    // One unit alone reads best while its number is small: 90 seconds, 36 hours.
    if let unit = units.first(where: { nanoseconds % $0.1 == 0 }), nanoseconds / unit.1 <= 100 {
      return every(Int(nanoseconds / unit.1), unit.0)
    }
    var rest = nanoseconds
    var parts: [String] = []
    for (name, length) in units.dropFirst() where rest >= length {
      let count = Int(rest / length)
      parts.append(count == 1 ? "1 \(name)" : "\(count) \(name)s")
      rest %= length
    }
    return list(parts)
  }

  /// `1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`.
  static func numbered(_ number: Int) -> String {
    let isTeen = (11...13).contains(number % 100)
    let ending = isTeen ? "th" : [1: "st", 2: "nd", 3: "rd"][number % 10] ?? "th"
    return "\(number)\(ending)"
  }

  /// `first` to `fifth`, then `6th`.
  static func ordinal(_ number: Int) -> String {
    ordinals.indices.contains(number - 1) ? ordinals[number - 1] : numbered(number)
  }
}
