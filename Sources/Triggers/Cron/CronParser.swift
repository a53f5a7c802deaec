internal import Basics
internal import Chronology

/// Reads cron expressions: five fields, six with seconds first, seven with the year last, or a nickname like `@daily`.
struct CronParser {
  /// What a cron expression says, without the zone and policy that surround it.
  struct Result {
    var source: CronTrigger.Source
    var fields = CronFields()
    var followsClock = false
    var usesHash = false
    /// The zone in a `CRON_TZ=` or `TZ=` prefix.
    var zoneName: String?
    /// `@reboot` and `@startup` have no fields.
    var isStartup = false
    var notes: [TriggerNote] = []
  }

  /// Longer than any sane expression; keeps hostile input cheap.
  private static let longest = 1000

  private static let nicknames = [
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
  ]

  private static let layouts: [Int: [CronField]] = [
    5: [.minute, .hour, .day, .month, .weekday],
    6: [.second, .minute, .hour, .day, .month, .weekday],
    7: [.second, .minute, .hour, .day, .month, .weekday, .year],
  ]

  /// What `text` means. Errors do not repeat the text; the caller introduces them with it.
  static func parse(_ text: String, jobName: String?) throws(TriggerError) -> Result {
    guard text.utf8.count <= longest else {
      throw TriggerError("it is longer than \(longest) bytes")
    }
    let bytes = Array(text.utf8)
    var words = split(bytes)
    if let odd = bytes.firstIndex(where: { $0 < 32 && $0 != 9 || $0 > 126 }) {
      throw TriggerError("a character that no cron field has", at: odd..<odd + 1)
    }
    let zoneName = try takeZone(&words, bytes)
    guard let first = words.first else {
      throw TriggerError("it is empty", suggestion: "write five fields, as in \"0 3 * * *\", or a nickname like @daily")
    }
    if bytes[first.lowerBound] == UInt8(ascii: "@") {
      return try parseNickname(words, bytes, zoneName: zoneName)
    }
    if words.count > 5, let mistake = CronLine.mistake(in: words.map { Array(bytes[$0]) }, at: words) { throw mistake }
    guard let layout = layouts[words.count] else { throw wrongCount(words, bytes) }
    var result = Result(source: .expression(""), zoneName: zoneName)
    var values: [CronField: CronFieldValue] = Dictionary(minimumCapacity: layout.count)
    let nameHash = jobName.map(StableHash.of)
    for (field, word) in zip(layout, words) {
      values[field] = try CronFieldParser.parse(Array(bytes[word]), as: field, at: word.lowerBound, nameHash: nameHash)
    }
    result.source = .expression(
      zip(layout, words).map { canonical(bytes[$1], field: $0) }
        .joined(separator: " "))
    assemble(values, seconds: layout[0] == .second, into: &result)
    // Debian's rule: a day field that begins with `*` does not count, and then both must match.
    if let days = values[.day], let weekdays = values[.weekday] {
      result.fields.eitherDay = !days.startsWithStar && !weekdays.startsWithStar
    }
    result.fields.finish()
    guard result.fields.nextLocal(from: CronParser.firstLocal) != neverLocal else {
      throw impossible(layout, words, bytes)
    }
    return result
  }

  /// 1900-01-01T00:00:00: before it no schedule needs to fire, and the calendar repeats long before its end.
  static let firstLocal = CivilDate(year: 1900, month: 1, day: 1).daysSinceEpoch * 86_400

  /// Puts field values together; a field that is absent matches everything, seconds only 0.
  static func assemble(_ values: [CronField: CronFieldValue], seconds: Bool, into result: inout Result) {
    if seconds, let value = values[.second] { result.fields.seconds = value.bits }
    if let value = values[.minute] { result.fields.minutes = value.bits }
    if let value = values[.hour] { result.fields.hours = value.bits }
    if let value = values[.month] { result.fields.months = value.bits }
    if let value = values[.day] { result.fields.days = value.days }
    if let value = values[.weekday] { result.fields.weekdays = value.days }
    if let value = values[.week] { result.fields.weeks = value.bits }
    result.fields.years = values[.year]?.years
    result.followsClock = values[.minute]?.startsWithStar == true || values[.hour]?.startsWithStar == true
    result.usesHash = values.values.contains { $0.usesHash }
    for field in CronField.allCases { result.notes += values[field]?.notes ?? [] }
  }

  private static func split(_ bytes: [UInt8]) -> [Range<Int>] {
    bytes.indices.split { bytes[$0] == 32 || bytes[$0] == 9 }.map { $0.startIndex..<$0.endIndex }
  }

  /// The canonical text of a word that was read well. Numbers, stars and signs are canonical as they are.
  private static func canonical(_ word: ArraySlice<UInt8>, field: CronField) -> String {
    let text = String(decoding: word, as: UTF8.self)
    return word.allSatisfy { (42...57).contains($0) && $0 != 46 } ? text : canonical(text, field: field)
  }

  /// Lower case, except for the special letters, which read better as capitals: `friL`, `15W`, `H/15`.
  static func canonical(_ word: String, field: CronField) -> String {
    word.lowercased().split(separator: ",").map { item in
      // The word may still be wrong: "/" and "/5" have an empty part, and are refused when they are read.
      let parts = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      var base = String(parts[0])
      if base == "h" || base.hasPrefix("h(") { base = "H" + base.dropFirst() }
      switch field {
      case .day:
        if base == "l" || base == "lw" || base == "wl" { base = base.uppercased() }
        if base.hasPrefix("l-") { base = "L" + base.dropFirst() }
        if base.hasSuffix("w") { base = base.dropLast() + "W" }
      case .weekday:
        if base.hasSuffix("l") { base = base.dropLast() + "L" }
      default:
        break
      }
      return parts.count == 2 ? "\(base)/\(parts[1])" : base
    }.joined(separator: ",")
  }
}

// MARK: Prefixes and nicknames

extension CronParser {
  /// Takes a `CRON_TZ=Zone` or `TZ=Zone` word from the front.
  private static func takeZone(_ words: inout [Range<Int>], _ bytes: [UInt8]) throws(TriggerError) -> String? {
    guard let first = words.first else { return nil }
    for prefix in ["CRON_TZ=", "TZ="] where bytes[first].starts(with: prefix.utf8) {
      let name = String(decoding: bytes[first].dropFirst(prefix.utf8.count), as: UTF8.self)
      guard !name.isEmpty else {
        throw TriggerError("\(prefix) names no zone", at: first, suggestion: "write \(prefix)Europe/Berlin")
      }
      words.removeFirst()
      return name
    }
    return nil
  }

  private static func parseNickname(
    _ words: [Range<Int>], _ bytes: [UInt8], zoneName: String?
  ) throws(TriggerError) -> Result {
    let name = String(decoding: bytes[words[0]], as: UTF8.self).lowercased()
    if name == "@every" {
      let rest = words.count > 1 ? String(decoding: bytes[words[1]], as: UTF8.self) : "5m"
      throw TriggerError("@every is not cron", at: words[0], suggestion: "write every(\"\(rest)\")")
    }
    guard name == "@reboot" || name == "@startup" || nicknames[name] != nil else {
      let known = (nicknames.keys + ["@reboot", "@startup"]).sorted()
      let near = Spelling.closest(to: name, among: known, limit: 1).first
      throw TriggerError(
        "unknown nickname \"\(name)\"", at: words[0],
        suggestion: near.map { "did you mean \($0)?" }
          ?? "write @yearly, @monthly, @weekly, @daily, @hourly or @reboot")
    }
    if words.count > 1 {
      let rest = words[1].lowerBound..<words[words.count - 1].upperBound
      throw TriggerError(
        "unexpected text after \(name)", at: rest,
        suggestion: "write \(name) alone; a command belongs into run, and `moondial import crontab` reads whole lines")
    }
    if let fields = nicknames[name] {
      var result = try parse(fields, jobName: nil)
      result.source = .expression(name)
      result.zoneName = zoneName
      return result
    }
    return Result(source: .expression(name), zoneName: zoneName, isStartup: true)
  }
}

// MARK: Errors

extension CronParser {
  private static func wrongCount(_ words: [Range<Int>], _ bytes: [UInt8]) -> TriggerError {
    let range = words[0].lowerBound..<words[words.count - 1].upperBound
    if words.count > 7 {
      let extra = words[7].lowerBound..<range.upperBound
      return TriggerError(
        "unexpected text \"\(String(decoding: bytes[extra], as: UTF8.self))\" after seven fields", at: extra)
    }
    return TriggerError(
      "\(words.count) field\(words.count == 1 ? "" : "s"), but cron has 5 (minute hour day month weekday), 6 (second "
        + "first) or 7 (second first, year last)", at: range)
  }

  private static func impossible(_ layout: [CronField], _ words: [Range<Int>], _ bytes: [UInt8]) -> TriggerError {
    var texts: [CronField: String] = [:]
    var places: [CronField: Range<Int>] = [:]
    for (field, word) in zip(layout, words) {
      texts[field] = String(decoding: bytes[word], as: UTF8.self)
      places[field] = word
    }
    return TriggerError(impossibleReason(texts), at: places[.day])
  }

  /// Why fields that are each fine never meet.
  static func impossibleReason(_ texts: [CronField: String]) -> String {
    let given = [CronField.day, .month, .weekday, .week, .year].filter { ![nil, "*", "?"].contains(texts[$0]) }
    if given == [.day, .month], let day = texts[.day], let month = texts[.month] {
      return "day \(day) never comes in month \(month)"
    }
    let list = given.map { "\($0.title) \(texts[$0] ?? "*")" }.joined(separator: ", ")
    return "it never fires: no date has \(list)"
  }
}
