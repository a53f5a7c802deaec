internal import Glibc

/// When the sun passes an altitude at a place, upwards or downwards, and when it is due south or north.
///
/// Time is cut at the sun's transits: noons, when it is highest, and midnights, when it is lowest, counted as half days
/// from the noon of 2000-01-01 at the place. The sun is above the altitude or not at each of them; where that differs
/// between two neighbours, there is one passage in between. So rises and settings alternate at every latitude, the
/// poles included, and a day on which the sun stays up or down simply has none.
///
/// Everything is a function of the half day's number, never of the question, so that all questions have the same
/// answers. Times are whole seconds since the epoch: refraction near the horizon differs by more than that from day to
/// day.
struct SunCrossings: Sendable, Hashable {
  private let sinLatitude: Double
  private let cosLatitude: Double
  /// The place's mean time less that of Greenwich, in days.
  private let dayShift: Double
  private let sinAltitude: Double
  /// Whether the sun passes the altitude twice a day all year round: nearly always, and then half the work can be left
  /// out.
  private let isEveryDay: Bool

  /// - Parameters:
  ///   - latitude: degrees, north is positive.
  ///   - longitude: degrees, east is positive.
  ///   - altitude: of the sun's centre, without refraction, in degrees: 0 or a little below.
  init(latitude: Double, longitude: Double, altitude: Double) {
    sinLatitude = sin(Sky.radians(latitude))
    cosLatitude = cos(Sky.radians(latitude))
    dayShift = longitude / 360
    sinAltitude = sin(Sky.radians(altitude))
    // 23.6° is beyond the sun's reach in any of these centuries.
    isEveryDay = abs(latitude) + 23.6 < 90 + altitude
  }

  enum Direction: Sendable { case up, down }

  /// Half days are even at noon, odd at midnight. Beyond this one there are no instants.
  private static let last = 2 * 96_000
  /// The equation of time never moves a transit by more, in days.
  private static let mostShift = 0.012

  /// The first passage after `second` (since the epoch), or `nil` when instants end before it.
  ///
  /// - Complexity: O(1): four to ten positions of the sun, 0.3 to 1 µs; through a polar night or day some thirty more.
  func next(_ direction: Direction, after second: Int) -> Int? {
    let days = Double(second - Sky.j2000) / Sky.secondsPerDay
    // The last half day that surely has begun.
    var halfDay = Int((2 * (days + dayShift - SunCrossings.mostShift)).rounded(.down))
    guard isEveryDay else { return search(direction, from: halfDay, after: second) }
    // Up is from a midnight to a noon.
    if (halfDay & 1 == 0) == (direction == .up) { halfDay -= 1 }
    while halfDay < SunCrossings.last {
      let passage = passage(direction, in: halfDay)
      if passage > second { return passage }
      halfDay += 2
    }
    return nil
  }

  /// The first transit at noon after `second` (since the epoch).
  func nextNoon(after second: Int) -> Int? {
    let days = Double(second - Sky.j2000) / Sky.secondsPerDay
    var halfDay = 2 * Int((days + dayShift - SunCrossings.mostShift).rounded(.down))
    while halfDay < SunCrossings.last {
      let noon = SunCrossings.second(transit(halfDay))
      if noon > second { return noon }
      halfDay += 2
    }
    return nil
  }

  // MARK: Where polar days and nights may be

  /// Goes from transit to transit, in leaps through the time of the year in which the sun cannot pass.
  @inline(never)
  private func search(_ direction: Direction, from start: Int, after second: Int) -> Int? {
    var halfDay = start
    var height = height(halfDay)
    while halfDay < SunCrossings.last {
      let isUp = height > 0
      // When the sun is up at midnight or down at noon, only a change of its declination can bring a passage. (The
      // difference of sines is a lower bound for that of angles.)
      var leap = 1
      if isUp != (halfDay & 1 == 0) {
        leap = max(1, Int(Sky.degrees(abs(height)) / (Sun.fastestDeclination / 2)))
      }
      let next = self.height(halfDay + leap)
      if isUp != (next > 0), isUp == (direction == .down) {
        let passage = passage(direction, in: halfDay)
        if passage > second { return passage }
      }
      halfDay += leap
      height = next
    }
    return nil
  }

  /// How far the sun is above the altitude at a transit, as a difference of sines.
  private func height(_ halfDay: Int) -> Double {
    let sun = Sun(at: meanTransit(halfDay))
    let across = cosLatitude * sun.cosDeclination
    return sinLatitude * sun.sinDeclination + (halfDay & 1 == 0 ? across : -across) - sinAltitude
  }

  // MARK: Times, in days since 2000-01-01T12:00:00Z

  private func meanTransit(_ halfDay: Int) -> Double { Double(halfDay) / 2 - dayShift }

  private func transit(_ halfDay: Int) -> Double {
    let mean = meanTransit(halfDay)
    return mean - Sun(at: mean).equationOfTime / (2 * .pi)
  }

  private static func second(_ days: Double) -> Int { Int((days * Sky.secondsPerDay).rounded()) + Sky.j2000 }

  /// The passage in a half day that is known to have one.
  ///
  /// The hour angle of the passage follows from the declination, which follows from the time: that is repeated until it
  /// settles, which takes two rounds in most places, as the declination moves slowly. Each round's gain tells what the
  /// rest would gain.
  private func passage(_ direction: Direction, in halfDay: Int) -> Int {
    let isMorning = halfDay & 1 != 0
    // Near the poles the sun may come up in the afternoon, because its declination changes faster than its height in a
    // day.
    guard isMorning == (direction == .up) else { return bisected(halfDay) }
    let noon = meanTransit(isMorning ? halfDay + 1 : halfDay)
    let sign: Double = isMorning ? -1 : 1
    var time = noon + sign * 0.25
    var step = 0.0
    for round in 0..<5 {
      let sun = Sun(at: time)
      let cosHour = (sinAltitude - sinLatitude * sun.sinDeclination) / (cosLatitude * sun.cosDeclination)
      guard abs(cosHour) < 1 else { return bisected(halfDay) }
      let better = noon + (sign * acos(cosHour) - sun.equationOfTime) / (2 * .pi)
      let gain = better - time
      time = better
      if round > 0, step != 0 {
        let ratio = gain / step
        guard abs(ratio) < 0.4 else { return bisected(halfDay) }
        let rest = gain * ratio / (1 - ratio)
        // A few tenths of a second: the estimate of the rest is good to a small part of it.
        if abs(rest) < 5e-6 { return SunCrossings.second(time + rest) }
      }
      step = gain
    }
    return bisected(halfDay)
  }

  /// The passage where the repetition does not settle: the sun grazes the altitude, or the place is near a pole.
  @inline(never)
  private func bisected(_ halfDay: Int) -> Int {
    let isUp = height(halfDay) > 0
    var low = transit(halfDay)
    var high = transit(halfDay + 1)
    while high - low > 1e-6 {
      let middle = (low + high) / 2
      if (heightNow(middle) > 0) == isUp { low = middle } else { high = middle }
    }
    return SunCrossings.second((low + high) / 2)
  }

  private func heightNow(_ time: Double) -> Double {
    let sun = Sun(at: time)
    let solarDays = time + dayShift
    let hour = 2 * .pi * (solarDays - solarDays.rounded()) + sun.equationOfTime
    return sinLatitude * sun.sinDeclination + cosLatitude * sun.cosDeclination * cos(hour) - sinAltitude
  }
}
