internal import Basics
internal import Chronology

/// What the texts of an `rrule` say: rules, and the lines that iCalendar puts beside them.
///
///     DTSTART;TZID=Europe/Berlin:20260105T090000
///     RRULE:FREQ=WEEKLY;BYDAY=MO
///     EXDATE:20260112T090000
///
/// A line without a name is a rule: `FREQ=WEEKLY;BYDAY=MO`.
struct RecurrenceText {
  private(set) var rules: [RecurrenceRule] = []
  private(set) var start: CalendarTime?
  private(set) var added: [CalendarTime] = []
  private(set) var removed: [CalendarTime] = []
  /// The TZID of the lines.
  private(set) var zoneName: String?

  /// Longer than any set of rules that somebody wrote; keeps hostile input cheap.
  private static let longest = 1 << 18

  /// Adds the lines of one text.
  mutating func read(_ text: String) throws(TriggerError) {
    guard text.utf8.count <= RecurrenceText.longest else {
      throw TriggerError("it is longer than \(RecurrenceText.longest) bytes")
    }
    if let odd = text.utf8.enumerated().first(where: { $0.element < 32 && ![9, 10, 13].contains($0.element) })?.offset {
      throw TriggerError("a character that no rule has", at: odd..<odd + 1)
    }
    let lines = RecurrenceText.lines(of: Array(text.utf8))
    if lines.isEmpty { throw TriggerError("it is empty", suggestion: "write a rule like \"FREQ=WEEKLY;BYDAY=MO\"") }
    for (bytes, offset) in lines {
      guard RecurrenceText.isProperty(bytes) else {
        rules.append(try RecurrenceRuleParser.parse(String(decoding: bytes, as: UTF8.self), at: offset))
        continue
      }
      let line: ContentLine
      do throws(ContentLineError) {
        line = try ContentLine(bytes, line: 1, offset: offset)
      } catch {
        throw TriggerError(error.message, at: offset..<offset + bytes.count)
      }
      try add(line)
    }
  }

  /// The lines without the space around them, and where each begins. An indented line continues the one before it,
  /// unless it begins like one of its own: texts in a script are indented as their author likes.
  private static func lines(of text: [UInt8]) -> [(bytes: [UInt8], offset: Int)] {
    var lines: [(bytes: [UInt8], offset: Int)] = []
    for line in text.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
      let isSpace = { (byte: UInt8) in byte == 32 || byte == 9 }
      guard let start = line.firstIndex(where: { !isSpace($0) }), let end = line.lastIndex(where: { !isSpace($0) })
      else { continue }
      let bytes = Array(line[start...end])
      if start > line.startIndex, !lines.isEmpty, !isProperty(bytes), !bytes.starts(with: "FREQ=".utf8) {
        lines[lines.count - 1].bytes += bytes
      } else {
        lines.append((bytes, start))
      }
    }
    return lines
  }

  private static let properties = ["DTSTART", "RRULE", "RDATE", "EXDATE", "EXRULE", "DTEND", "DURATION"]

  /// Whether a line begins with a property's name rather than with a part of a rule.
  private static func isProperty(_ line: [UInt8]) -> Bool {
    guard let end = line.firstIndex(where: { $0 == 58 || $0 == 59 || $0 == 61 }), line[end] != 61 else { return false }
    let name = String(decoding: line[..<end], as: UTF8.self).uppercased()
    return line[end] == 58 || properties.contains(name)
  }

  private mutating func add(_ line: ContentLine) throws(TriggerError) {
    let value = line.offset + line.valueOffset
    switch line.name {
    case "RRULE":
      rules.append(try RecurrenceRuleParser.parse(line.value, at: value))
    case "DTSTART":
      guard start == nil else { throw TriggerError("DTSTART is given twice", suggestion: "keep one") }
      start = try times(line)[0]
    case "RDATE": added += try times(line)
    case "EXDATE": removed += try times(line)
    case "EXRULE":
      throw TriggerError(
        "EXRULE is no longer part of iCalendar", at: line.offset..<value,
        suggestion: "write except(rrule(…), rrule(…))")
    case "DTEND", "DURATION":
      throw TriggerError(
        "\(line.name) has no meaning here, a fire has no length", at: line.offset..<value, suggestion: "remove it")
    default:
      let near = Spelling.closest(to: line.name, among: RecurrenceText.properties, limit: 1).first
      throw TriggerError(
        "unknown line \(line.name)", at: line.offset..<value,
        suggestion: near.map { "did you mean \($0)?" } ?? "the lines are DTSTART, RRULE, RDATE and EXDATE")
    }
  }

  private mutating func times(_ line: ContentLine) throws(TriggerError) -> [CalendarTime] {
    let value = line.offset + line.valueOffset
    let whole = value..<value + line.value.utf8.count
    if let end = line.value.firstIndex(of: ";") {
      throw TriggerError(
        "\(line.name) and a rule stand in one line", at: whole,
        suggestion: "write \"\(line.name):\(line.value[..<end])\\nRRULE:\(line.value[end...].dropFirst())\"")
    }
    for parameter in line.parameters {
      switch (parameter.name, parameter.value.uppercased()) {
      case ("TZID", _):
        guard zoneName == nil || zoneName == parameter.value else {
          throw TriggerError(
            "the zone is given twice, as \(zoneName ?? "") and as \(parameter.value)", at: whole, suggestion: "keep one"
          )
        }
        zoneName = parameter.value
      case ("VALUE", "DATE"), ("VALUE", "DATE-TIME"): break
      case ("VALUE", _):
        throw TriggerError("\(line.name) of the type \(parameter.value)", at: whole, suggestion: "write dates or times")
      default: break
      }
    }
    var times: [CalendarTime] = []
    for item in line.value.split(separator: ",", omittingEmptySubsequences: false) {
      do {
        times.append(try CalendarTime.parse(item))
      } catch {
        throw TriggerError("\(line.name) \(item): \(error.message)", at: whole)
      }
    }
    if line.name == "DTSTART", times.count > 1 {
      throw TriggerError("DTSTART has \(times.count) values", at: whole, suggestion: "keep one")
    }
    return times
  }
}
