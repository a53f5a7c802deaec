internal import Basics
internal import Chronology

/// Reads the fields of a constructor's table: each once, by name, with its type; what is left over is an error.
struct TriggerOptions {
  private var fields: [SpecValue.Field]
  /// All names that were asked for, to suggest from.
  private var known: [String] = []

  init(_ fields: [SpecValue.Field] = []) { self.fields = fields }

  /// The options in the last argument of a constructor, which is a table or absent.
  init(argument: SpecValue?) throws(TriggerError) {
    switch argument {
    case nil, .nothing?, .list([])?: self.init()
    case .table(let fields)?: self.init(fields)
    case let other?:
      throw TriggerError("options are a table like { timezone = \"Europe/Berlin\" }, not \(other.typeName)")
    }
  }

  /// The fields that nobody has taken yet.
  var remaining: [SpecValue.Field] { fields }

  /// The value of `key`, or `nil` when it is absent. Each key can be taken once.
  mutating func take(_ key: String) -> SpecValue? {
    known.append(key)
    guard let index = fields.firstIndex(where: { $0.key == key }) else { return nil }
    let value = fields.remove(at: index).value
    return value == .nothing ? nil : value
  }

  /// A string.
  mutating func takeString(_ key: String) throws(TriggerError) -> String? {
    guard let value = take(key) else { return nil }
    guard case .string(let text) = value else { throw TriggerError("\(key) is a string, not \(value.typeName)") }
    return text
  }

  /// A whole number in `range`; a string of digits will do.
  mutating func takeInteger(_ key: String, in range: ClosedRange<Int>) throws(TriggerError) -> Int? {
    guard let value = take(key) else { return nil }
    let number: Int64?
    switch value {
    case .integer(let integer): number = integer
    case .number(let double): number = Int64(exactly: double)
    case .string(let text): number = Int64(text)
    default: number = nil
    }
    guard let number else { throw TriggerError("\(key) is a whole number, not \(value)") }
    guard let small = Int(exactly: number), range.contains(small) else {
      throw TriggerError("\(key) \(number) is outside \(range.lowerBound)-\(range.upperBound)")
    }
    return small
  }

  /// A number in `range`; a string that is one will do.
  mutating func takeNumber(_ key: String, in range: ClosedRange<Double>) throws(TriggerError) -> Double? {
    guard let value = take(key) else { return nil }
    let number: Double?
    switch value {
    case .integer(let integer): number = Double(integer)
    case .number(let double): number = double
    case .string(let text): number = Double(text)
    default: number = nil
    }
    guard let number else { throw TriggerError("\(key) is a number, not \(value)") }
    guard range.contains(number) else {
      let (low, high) = (LuaText.plain(range.lowerBound), LuaText.plain(range.upperBound))
      throw TriggerError("\(key) \(LuaText.plain(number)) is outside \(low) to \(high)")
    }
    return number
  }

  /// A point in time: ISO 8601 text, read on the clocks of `zone` when it has no offset, or seconds since the epoch.
  mutating func takeInstant(_ key: String, zone: TimeZoneRules) throws(TriggerError) -> Instant? {
    guard let value = take(key) else { return nil }
    return try TriggerOptions.instant(value, name: key, zone: zone)
  }

  private static func instant(_ seconds: Double, _ instant: Instant?) throws(TriggerError) -> Instant {
    guard let instant, abs(seconds) < 9.2e9 else {
      throw TriggerError("\(seconds) seconds since 1970 is no time between 1678 and 2261")
    }
    return instant
  }

  /// `name` introduces the value in messages; `nil` when the value is all there is.
  static func instant(_ value: SpecValue, name: String?, zone: TimeZoneRules) throws(TriggerError) -> Instant {
    switch value {
    case .integer(let seconds):
      return try instant(Double(seconds), Instant(seconds: seconds))
    case .number(let seconds):
      return try instant(seconds, Instant(fractionalSeconds: seconds))
    case .string(let text):
      return try written(text, name: name).instant(in: zone)
    default:
      break
    }
    throw TriggerError(
      "\(name ?? "it") is a time like \"2027-01-31 09:00\" or seconds since 1970, not \(value.typeName)")
  }

  static func written(_ text: String, name: String?) throws(TriggerError) -> WrittenTime {
    do {
      return try ISO8601.parse(text)
    } catch {
      let introduction = name.map { "\($0) \"\(text)\": " } ?? ""
      throw TriggerError(introduction + error.message, at: error.position..<error.position)
    }
  }

  /// Complains about the first field that nobody took.
  func finish() throws(TriggerError) {
    guard let extra = fields.first else { return }
    if let advice = TriggerOptions.advice[extra.key] { throw TriggerError(advice) }
    let near = Spelling.closest(to: extra.key, among: known, limit: 1).first
    throw TriggerError(
      "unknown key \"\(extra.key)\"",
      suggestion: near.map { "did you mean \($0)?" } ?? "the keys are \(known.joined(separator: ", "))")
  }

  /// Keys that belong elsewhere.
  private static let advice = [
    "jitter": "jitter belongs to the job: job { …, jitter = \"10s\" }",
    "limit": "limit belongs to the job: job { …, limit = 3 }",
    "weekday": "the key is day_of_week, not weekday",
    "dow": "the key is day_of_week, not dow",
    "tz": "the key is timezone, not tz",
    "zone": "the key is timezone, not zone",
  ]
}

/// The options that every constructor has: the zone, the policy, the first and last instant.
struct CommonOptions {
  var zone: TimeZoneRules
  var hasOwnZone = false
  var dst: DSTPolicy
  var from: Instant?
  var until: Instant?

  /// `prefixZone` is a zone given inside the expression.
  init(
    _ options: inout TriggerOptions, context: TriggerContext, prefixZone: String? = nil
  ) throws(TriggerError) {
    zone = context.zone
    var name = try options.takeString("timezone")
    if let prefixZone {
      guard name == nil || name == prefixZone else {
        throw TriggerError("the zone is given twice, as \(prefixZone) and as \(name ?? "")", suggestion: "keep one")
      }
      name = prefixZone
    }
    if let name {
      do {
        zone = try context.zones.zone(named: name)
      } catch {
        throw TriggerError(error.message)
      }
      hasOwnZone = true
    }
    dst = context.dst
    if let value = options.take("dst") {
      let own = try DSTPolicy(value)
      dst = DSTPolicy(gap: own.gap ?? dst.gap, overlap: own.overlap ?? dst.overlap)
    }
    from = try options.takeInstant("start_date", zone: zone)
    until = try CommonOptions.takeEnd(&options, zone: zone)
    if let from, let until, until < from {
      throw TriggerError("end_date is before start_date", suggestion: "swap them")
    }
  }

  /// `end_date` is inclusive: a date alone includes its whole day.
  private static func takeEnd(_ options: inout TriggerOptions, zone: TimeZoneRules) throws(TriggerError) -> Instant? {
    guard let value = options.take("end_date") else { return nil }
    if case .string(let text) = value {
      let time = try TriggerOptions.written(text, name: "end_date")
      if !time.hasTimeOfDay { return time.endOfDay(in: zone).advanced(byNanoseconds: -1) }
    }
    return try TriggerOptions.instant(value, name: "end_date", zone: zone)
  }
}

extension WrittenTime {
  /// The first instant after the day that was written, in `zone`.
  func endOfDay(in zone: TimeZoneRules) -> Instant {
    let next = CivilDate(daysSinceEpoch: civil.date.daysSinceEpoch + 1)
    return zone.instant(of: CivilDateTime(date: next))
  }
}
