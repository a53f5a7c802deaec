package import Chronology

/// Fires at sunrise, sunset, dawn, dusk or noon of the sun at a place, or some time before or after.
///
///     let trigger = SolarTrigger(.sunset, latitude: 52.52, longitude: 13.405, offset: -1_800_000_000_000)
///     trigger.next(after: noon)      // half an hour before the sun goes down in Berlin
///
/// Sunrise and sunset are when the upper limb of the sun touches a level horizon under average refraction: its centre
/// 50′ below it, as almanacs (the Astronomical Almanac, USNO, NOAA) define them. Dawn and dusk are when the centre is a
/// number of degrees below. A day without the event (polar day, polar night) has no fire. Knows no time zones: the zone
/// is only for showing.
package final class SolarTrigger: PlainTriggerKind {
  /// What the sun does.
  enum Event: String, Sendable, Hashable, CaseIterable {
    case sunrise, sunset, dawn, dusk, noon
  }

  /// How deep the sun is at dawn and dusk.
  enum Twilight: String, Sendable, Hashable, CaseIterable {
    case civil, nautical, astronomical

    /// Degrees below the horizon.
    var depression: Double {
      switch self {
      case .civil: 6
      case .nautical: 12
      case .astronomical: 18
      }
    }
  }

  /// 34′ of refraction and 16′ of the sun's radius, in degrees.
  static let horizon = 50.0 / 60

  let event: Event
  let latitude: Double
  let longitude: Double
  /// Degrees below the horizon, at dawn and dusk; ``horizon`` for the others.
  let depression: Double
  /// Nanoseconds after the event; negative is before.
  let offset: Int64
  private let crossings: SunCrossings

  init(_ event: Event, latitude: Double, longitude: Double, depression: Double? = nil, offset: Int64 = 0) {
    self.event = event
    self.latitude = latitude
    self.longitude = longitude
    switch event {
    case .dawn, .dusk: self.depression = depression ?? Twilight.civil.depression
    case .sunrise, .sunset, .noon: self.depression = SolarTrigger.horizon
    }
    self.offset = offset
    crossings = SunCrossings(latitude: latitude, longitude: longitude, altitude: -self.depression)
  }

  /// - Complexity: O(1): about half a microsecond; some microseconds through a polar day or night. Does not allocate.
  package func next(after instant: Instant) -> Instant? {
    // Events are whole seconds: what is after the second is after the instant.
    let second = Int(instant.advanced(byNanoseconds: -offset).wholeSeconds)
    let event: Int?
    switch self.event {
    case .sunrise, .dawn: event = crossings.next(.up, after: second)
    case .sunset, .dusk: event = crossings.next(.down, after: second)
    case .noon: event = crossings.nextNoon(after: second)
    }
    return event.flatMap { Sky.fire(at: $0, offset: offset, after: instant) }
  }
}

extension SolarTrigger: Hashable {
  package static func == (left: SolarTrigger, right: SolarTrigger) -> Bool {
    left === right
      || left.event == right.event && left.latitude == right.latitude && left.longitude == right.longitude
        && left.depression == right.depression && left.offset == right.offset
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(event)
    hasher.combine(latitude)
    hasher.combine(longitude)
    hasher.combine(offset)
  }
}

extension SolarTrigger {
  package var zones: [TimeZoneRules] { [] }

  /// The kind of twilight, if its depression has a name.
  private var twilight: Twilight? { Twilight.allCases.first { $0.depression == depression } }

  /// `solar("sunset", { latitude = 52.52, longitude = 13.405, offset = "-30m" })`. The same everywhere.
  package func lua(_ form: LuaForm) -> String { lua(bounds: []) }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? {
    lua(bounds: WrittenOptions.bounds(from: from, until: until, zone: nil))
  }

  private func lua(bounds: [(key: String, literal: String)]) -> String {
    var options = [("latitude", LuaText.plain(latitude)), ("longitude", LuaText.plain(longitude))]
    if event == .dawn || event == .dusk, twilight != .civil {
      options.append(("depression", twilight.map { LuaText.quote($0.rawValue) } ?? LuaText.plain(depression)))
    }
    if offset != 0 { options.append(("offset", LuaText.quote(DurationText.format(nanoseconds: offset)))) }
    return LuaText.call("solar", LuaText.quote(event.rawValue), options: options + bounds)
  }

  /// `30 minutes before sunset at 52.52° N 13.405° E`.
  package var explanation: String {
    var name = event.rawValue
    switch event {
    case .sunrise, .sunset: break
    case .noon: name = "solar noon"
    case .dawn, .dusk:
      if let twilight {
        name = "\(twilight.rawValue) \(name)"
      } else {
        name += " (the sun \(LuaText.plain(depression))° below the horizon)"
      }
    }
    let north = "\(LuaText.plain(abs(latitude)))° \(latitude < 0 ? "S" : "N")"
    let east = "\(LuaText.plain(abs(longitude)))° \(longitude < 0 ? "W" : "E")"
    return "\(EnglishText.offset(offset, from: name)) at \(north) \(east)"
  }
}
