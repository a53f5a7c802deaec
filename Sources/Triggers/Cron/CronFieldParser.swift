internal import Basics
internal import Chronology

/// Reads the text of one cron field: lists of `*`, values, ranges and steps, and the special forms of its field.
///
/// Positions in errors are bytes of the whole expression, in which this field begins at `start`.
struct CronFieldParser {
  let field: CronField
  let text: [UInt8]
  let start: Int
  /// The stable hash that `H` draws from; `nil` when there is no name to derive it from.
  let nameHash: UInt64?
  var value = CronFieldValue()

  /// What `text` means as a `field`.
  static func parse(
    _ text: [UInt8], as field: CronField, at start: Int, nameHash: UInt64?
  ) throws(TriggerError) -> CronFieldValue {
    var parser = CronFieldParser(field: field, text: text, start: start, nameHash: nameHash)
    return try parser.parse()
  }

  private init(field: CronField, text: [UInt8], start: Int, nameHash: UInt64?) {
    self.field = field
    self.text = text
    self.start = start
    self.nameHash = nameHash
  }

  private mutating func parse() throws(TriggerError) -> CronFieldValue {
    value.startsWithStar = text.first == UInt8(ascii: "*") || text.first == UInt8(ascii: "?")
    var itemStart = 0
    var everything = false
    while true {
      let end = text[itemStart...].firstIndex(of: UInt8(ascii: ",")) ?? text.count
      guard end > itemStart else {
        throw error(
          "the \(field.title) field \"\(string(0..<text.count))\" has an empty item",
          itemStart..<max(end, itemStart + 1),
          suggestion: "remove the extra comma")
      }
      if try parse(item: itemStart..<end) { everything = true }
      if end == text.count { break }
      itemStart = end + 1
    }
    if everything, field == .year { value.years = nil }
    return value
  }

  /// Reads one item of the list; whether it was a plain `*` or `?`.
  private mutating func parse(item: Range<Int>) throws(TriggerError) -> Bool {
    var base = item
    var step: Int?
    if let slash = text[item].firstIndex(of: UInt8(ascii: "/")) {
      base = item.lowerBound..<slash
      step = try parseStep(slash + 1..<item.upperBound, item: item)
      guard !base.isEmpty else {
        throw error(
          "\"\(string(item))\" in the \(field.title) field has nothing before the \"/\"", item,
          suggestion: "write */\(step ?? 1)")
      }
    }
    switch base.count == 1 ? text[base.lowerBound] : 0 {
    case UInt8(ascii: "*"):
      if step == nil {
        insertEverything()
        return true
      }
      insert(field.wholeRange, step: step ?? 1)
      noteStep(step, over: field.wholeRange, item: item)
      return false
    case UInt8(ascii: "?"):
      guard field == .day || field == .weekday, step == nil else {
        throw error("\"?\" stands alone, and only in a day field", item, suggestion: "write *")
      }
      insertEverything()
      return true
    default:
      break
    }
    if text[base.lowerBound] | 0x20 == UInt8(ascii: "h"),
      base.count == 1 || text[base.lowerBound + 1] == UInt8(ascii: "(")
    {
      try insertHash(base, step: step, item: item)
      return false
    }
    if try insertSpecial(base) {
      guard step == nil else {
        throw error("\"\(string(base))\" takes no step", item, suggestion: "write \(string(base))")
      }
      return false
    }
    if let tilde = text[base].firstIndex(of: UInt8(ascii: "~")) { throw randomRange(base, tilde) }
    try insertRange(base, step: step, item: item)
    return false
  }

  /// `15~45` is a random value to some crons; here such a value is the job's own, the same each time.
  private func randomRange(_ base: Range<Int>, _ tilde: Int) -> TriggerError {
    guard let range = field.hashRange else {
      return error("\"\(string(base))\" in the \(field.title) field: \"~\" has no meaning here", base)
    }
    let first = base.lowerBound == tilde ? "\(range.lowerBound)" : string(base.lowerBound..<tilde)
    let last = tilde + 1 == base.upperBound ? "\(range.upperBound)" : string(tilde + 1..<base.upperBound)
    return error(
      "\"\(string(base))\" in the \(field.title) field is no value", base,
      suggestion: "write H(\(first)-\(last)): one of them for each job, always the same")
  }

  private func parseStep(_ range: Range<Int>, item: Range<Int>) throws(TriggerError) -> Int {
    guard let step = number(range), step >= 0 else {
      throw error("\"\(string(item))\" in the \(field.title) field has no number after the \"/\"", item)
    }
    guard step > 0 else {
      throw error(
        "step 0 in \"\(string(item))\" in the \(field.title) field", range, suggestion: "a step is at least 1")
    }
    return step
  }
}

// MARK: Values and ranges

extension CronFieldParser {
  private mutating func insertEverything() {
    switch field {
    case .day: value.days.numbers = DaySet.everyDay
    case .weekday: value.days.weekdays = DaySet.everyWeekday
    case .year: value.years = nil
    default: insert(field.range, step: 1)
    }
  }

  mutating func insert(_ range: ClosedRange<Int>, step: Int) {
    for number in stride(from: range.lowerBound, through: range.upperBound, by: step) { insert(number) }
  }

  mutating func insert(_ number: Int) {
    switch field {
    case .day:
      value.days.numbers |= 1 << UInt64(number)
    case .weekday:
      value.days.weekdays |= 1 << UInt64(number % 7)
    case .year:
      if value.years == nil { value.years = YearSet() }
      value.years?.insert(number)
    default:
      value.bits |= 1 << UInt64(number)
    }
  }

  /// `a`, `a-b`, `a-b/n`, `a/n`.
  private mutating func insertRange(_ base: Range<Int>, step: Int?, item: Range<Int>) throws(TriggerError) {
    guard let dash = text[base].firstIndex(of: UInt8(ascii: "-")), dash > base.lowerBound else {
      let first = try parseValue(base)
      guard let step else { return insert(first) }
      let last = max(first, field.wholeRange.upperBound)
      insert(first...last, step: step)
      return noteStep(step, over: first...last, item: item)
    }
    var first = try parseValue(base.lowerBound..<dash)
    var last = try parseValue(dash + 1..<base.upperBound)
    if last < first {
      guard field == .weekday else {
        throw error(
          "range \(string(base)) in the \(field.title) field is upside down", base, suggestion: upright(base, dash))
      }
      // Weekdays go round: fri-mon is Friday to Monday, and 7-2 is 0-2.
      if first == 7 { first = 0 } else { last += 7 }
    }
    insert(first...last, step: step ?? 1)
    noteStep(step, over: first...last, item: item)
  }

  private func upright(_ base: Range<Int>, _ dash: Int) -> String {
    let (first, last) = (string(base.lowerBound..<dash), string(dash + 1..<base.upperBound))
    guard field != .year else { return "write \(last)-\(first)" }
    let (lowest, highest) =
      field.names.isEmpty
      ? ("\(field.range.lowerBound)", "\(field.range.upperBound)")
      : (field.names[0], field.names[field.names.count - 1])
    return "write \(last)-\(first), or \(first)-\(highest),\(lowest)-\(last) to go round"
  }

  /// A step that never takes a second step is nearly always a misunderstanding.
  private mutating func noteStep(_ step: Int?, over range: ClosedRange<Int>, item: Range<Int>) {
    guard let step, range.count > 1, step > range.upperBound - range.lowerBound, field != .weekday || step > 6 else {
      return
    }
    let unit: String
    switch field {
    case .second: unit = "s"
    case .minute: unit = "m"
    case .hour: unit = "h"
    default: unit = ""
    }
    let hint = unit.isEmpty ? "" : "; for a rhythm of \(step)\(unit) write every(\"\(step)\(unit)\")"
    value.notes.append(
      TriggerNote(
        "\"\(string(item))\" in the \(field.title) field only ever means \(range.lowerBound), because fields start again "
          + "at their lowest value\(hint)"))
  }

  /// A number or a name.
  mutating func parseValue(_ range: Range<Int>) throws(TriggerError) -> Int {
    guard !range.isEmpty else {
      throw error(
        "the \(field.title) field \"\(string(0..<text.count))\" has a range with an open end",
        0..<text.count, suggestion: "write both ends")
    }
    if let number = number(range) {
      guard field.range.contains(number) else {
        throw error(
          "\(field.title) \(string(range)) is outside \(field.range.lowerBound)-\(field.range.upperBound)", range)
      }
      if field == .weekday { value.usesWeekdayNumbers = true }
      return number
    }
    let name = lowercased(range)
    if let index = field.names.firstIndex(of: name) { return index + field.firstNamed }
    throw unknown(range)
  }

  private func unknown(_ range: Range<Int>) -> TriggerError {
    let written = lowercased(range)
    if let near = field.names.first(where: { written.hasPrefix($0) }) {
      return error("unknown \(field.title) \"\(string(range))\"", range, suggestion: "write \(near)")
    }
    if let near = Spelling.closest(to: String(written.prefix(3)), among: field.names, limit: 1).first {
      return error("unknown \(field.title) \"\(string(range))\"", range, suggestion: "did you mean \(near)?")
    }
    let examples: String
    switch field {
    case .month: examples = "write 1-12 or jan-dec"
    case .weekday: examples = "write 0-7 (0 and 7 are Sunday) or sun-sat"
    default: examples = "write \(field.range.lowerBound)-\(field.range.upperBound)"
    }
    return error("\"\(string(range))\" is no \(field.title)", range, suggestion: examples)
  }
}

// MARK: Bytes

extension CronFieldParser {
  func string(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }

  func lowercased(_ range: Range<Int>) -> String { string(range).lowercased() }

  /// A number of one to four digits.
  func number(_ range: Range<Int>) -> Int? {
    guard (1...4).contains(range.count) else { return nil }
    var number = 0
    for byte in text[range] {
      guard (48...57).contains(byte) else { return nil }
      number = number * 10 + Int(byte) - 48
    }
    return number
  }

  func error(_ message: String, _ range: Range<Int>, suggestion: String? = nil) -> TriggerError {
    TriggerError(message, at: start + range.lowerBound..<start + range.upperBound, suggestion: suggestion)
  }
}
