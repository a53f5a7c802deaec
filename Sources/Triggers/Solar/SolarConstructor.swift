internal import Chronology

/// `solar("sunset", { latitude = 52.52, longitude = 13.405, offset = "-30m", depression = "nautical" })`.
enum SolarConstructor: TriggerConstructor {
  static let name = "solar"
  static let summary = "by the sun at a place"
  static let example = #"solar("sunset", { latitude = 52.52, longitude = 13.405, offset = "-30m" })"#
  static let parameters = [
    "event \"sunrise\"|\"sunset\"|\"dawn\"|\"dusk\"|\"noon\"",
    "options moondial.SolarOptions",
  ]
  static let editorTypes = """
    ---@class moondial.SolarOptions: moondial.TriggerOptions
    ---@field latitude number Degrees, north is positive.
    ---@field longitude number Degrees, east is positive.
    ---@field offset? moondial.Duration Negative is before the event.
    ---@field depression? "civil"|"nautical"|"astronomical"|number How deep the sun is at dawn and dusk. Default: "civil".
    """
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    let shape = "an event and a place, as in solar(\"sunset\", { latitude = 52.52, longitude = 13.405 })"
    try Arguments.require(arguments, 2...2, shape)
    let event: SolarTrigger.Event = try Arguments.word(arguments[0], of: "the event")
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
    let offset = try Sky.takeOffset(&options)
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    let trigger = SolarTrigger(event, latitude: latitude, longitude: longitude, depression: depression, offset: offset)
    return BuiltTrigger(AnyTrigger(trigger).bounded(from: common.from, until: common.until))
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
}
