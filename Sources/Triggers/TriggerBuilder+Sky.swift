internal import Basics
internal import Chronology

extension TriggerBuilder {
  /// `solar("sunset", { latitude = 52.52, longitude = 13.405, offset = "-30m", depression = "nautical" })`.
  @Sendable static func solar(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError) -> BuiltTrigger
  {
    let shape = "an event and a place, as in solar(\"sunset\", { latitude = 52.52, longitude = 13.405 })"
    try requireArguments(arguments, 2...2, shape)
    let event: SolarTrigger.Event = try word(arguments[0], of: "the event")
    var options = try TriggerOptions(argument: arguments[1])
    guard let latitude = try options.takeNumber("latitude", in: -90...90),
      let longitude = try options.takeNumber("longitude", in: -180...180)
    else {
      throw TriggerError("it needs a latitude and a longitude, in degrees", suggestion: "north and east are positive")
    }
    var depression: Double?
    if let value = options.take("depression") {
      guard event == .dawn || event == .dusk else {
        throw TriggerError("depression goes with dawn and dusk only", suggestion: "remove it")
      }
      depression = try takeDepression(value)
    }
    let offset = try takeOffset(&options)
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    let trigger = SolarTrigger(event, latitude: latitude, longitude: longitude, depression: depression, offset: offset)
    return BuiltTrigger(AnyTrigger(.solar(trigger)).bounded(from: common.from, until: common.until))
  }

  /// `lunar("full", { offset = "-1d" })`.
  @Sendable static func lunar(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError) -> BuiltTrigger
  {
    try requireArguments(arguments, 1...2, "a phase, and options")
    let phase: LunarTrigger.Phase = try word(arguments[0], of: "the phase")
    var options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
    let offset = try takeOffset(&options)
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    let trigger = LunarTrigger(phase, offset: offset)
    return BuiltTrigger(AnyTrigger(.lunar(trigger)).bounded(from: common.from, until: common.until))
  }

  /// One of the words of an enumeration.
  private static func word<Word: RawRepresentable & CaseIterable>(
    _ value: SpecValue, of name: String
  ) throws(TriggerError) -> Word where Word.RawValue == String {
    let words = Word.allCases.map(\.rawValue)
    guard case .string(let text) = value, let word = Word(rawValue: text) else {
      var near: String?
      if case .string(let text) = value { near = Spelling.closest(to: text, among: words, limit: 1).first }
      throw TriggerError(
        "\(name) is \(EnglishText.list(words.map { "\"\($0)\"" }, last: "or")), not \(value)",
        suggestion: near.map { "did you mean \"\($0)\"?" })
    }
    return word
  }

  /// A kind of twilight, or degrees below the horizon.
  private static func takeDepression(_ value: SpecValue) throws(TriggerError) -> Double {
    switch value {
    case .string(let text):
      if let twilight = SolarTrigger.Twilight(rawValue: text) { return twilight.depression }
    case .integer(let degrees):
      if (1...18).contains(degrees) { return Double(degrees) }
    case .number(let degrees):
      if (0.5...18).contains(degrees) { return degrees }
    default: break
    }
    throw TriggerError(
      "depression is \"civil\", \"nautical\" or \"astronomical\", or 0.5 to 18 degrees below the horizon, not \(value)")
  }

  /// The longest offset: one that is longer belongs to another event.
  private static let longestOffset: Int64 = 31 * 86_400_000_000_000

  /// `offset`, in nanoseconds.
  private static func takeOffset(_ options: inout TriggerOptions) throws(TriggerError) -> Int64 {
    guard let value = options.take("offset") else { return 0 }
    let offset: Int64
    do {
      offset = try duration(value)
    } catch {
      throw error.prefixed("offset")
    }
    guard offset.magnitude <= longestOffset.magnitude else {
      throw TriggerError("an offset is at most 31d, before or after, not \(DurationText.format(nanoseconds: offset))")
    }
    return offset
  }
}

extension TriggerOptions {
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
}
