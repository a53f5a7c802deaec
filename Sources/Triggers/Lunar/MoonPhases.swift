internal import Glibc

/// When the moon is new, full, or half.
///
/// Source: Jean Meeus, *Astronomical Algorithms*, 2nd edition, chapter 49: the mean phase, its periodic terms after
/// Chapront's ELP-2000/82, and the fourteen planetary terms. By the book's own account the error is 4 s on average and
/// 17 s at most between 1980 and 2020; far from now the conversion from the ephemeris' time to UTC (``EphemerisTime``)
/// is the larger uncertainty.
///
/// Lunations are counted from the new moon of 2000-01-06.
struct MoonPhases: Sendable, Hashable {
  let phase: LunarTrigger.Phase

  /// The mean synodic month, and the mean new moon of lunation 0 in days since 2000-01-01T12:00 of ephemeris time.
  private static let month = 29.530588861
  private static let start = 5.09766
  /// A phase is never further from its mean time than this, in days.
  private static let farthest = 0.9

  /// The first phase after `second` (since the epoch), in whole seconds.
  ///
  /// - Complexity: O(1): one or two phases of 0.3 to 0.4 µs each. Does not allocate.
  func next(after second: Int) -> Int {
    let days = Double(second - Sky.j2000) / Sky.secondsPerDay
    // The first lunation whose phase is not surely over.
    let lunation = (days - MoonPhases.start - MoonPhases.farthest) / MoonPhases.month - phase.fraction
    var number = Int(lunation.rounded(.up))
    while true {
      let event = self.second(ofLunation: number)
      if event > second { return event }
      number += 1
    }
  }

  /// When the phase of a lunation is, in seconds since the epoch.
  func second(ofLunation number: Int) -> Int {
    let days = ephemerisDay(ofLunation: number)
    return Int((days * Sky.secondsPerDay - EphemerisTime.ahead(at: days)).rounded()) + Sky.j2000
  }

  /// When the phase of a lunation is, in days of ephemeris time since 2000-01-01T12:00.
  func ephemerisDay(ofLunation number: Int) -> Double {
    // The book's letters.
    let k = Double(number) + phase.fraction
    let t = k / 1236.85
    let mean = MoonPhases.start + MoonPhases.month * k + t * t * (0.00015437 - t * (0.000000150 - t * 0.00000000073))
    // How much the eccentricity of the earth's orbit weakens terms with the sun's anomaly.
    let e = 1 - t * (0.002516 + t * 0.0000074)
    let sun = Turn(degrees: 2.5534 + 29.10535670 * k - t * t * (0.0000014 + t * 0.00000011))
    let moon = Turn(degrees: 201.5643 + 385.81693528 * k + t * t * (0.0107582 + t * (0.00001238 - t * 0.000000058)))
    let latitude = Turn(degrees: 160.7108 + 390.67050284 * k - t * t * (0.0016118 + t * (0.00000227 - t * 0.000000011)))
    let node = Sky.radians(124.7746 - 1.56375588 * k + t * t * (0.0020672 + t * 0.00000215))
    let angles = Angles(sun: sun, moon: moon, latitude: latitude + latitude, e: e)
    var correction = -0.00017 * sin(node)
    switch phase {
    case .new: correction += angles.syzygy(.new)
    case .full: correction += angles.syzygy(.full)
    case .firstQuarter: correction += angles.quarter + angles.quarterShift
    case .lastQuarter: correction += angles.quarter - angles.quarterShift
    }
    return mean + correction + MoonPhases.planets(k, t)
  }

  /// The additional corrections, by the planets.
  private static func planets(_ k: Double, _ t: Double) -> Double {
    func term(_ millionths: Double, _ angle: Double, _ step: Double) -> Double {
      millionths * sin(Sky.radians(angle + step * k))
    }
    // In groups: one expression of fourteen would keep the compiler busy.
    var sum = term(325, 299.77 - 0.009173 * t * t, 0.107408) + term(165, 251.88, 0.016321)
    sum += term(164, 251.83, 26.651886) + term(126, 349.42, 36.412478) + term(110, 84.66, 18.206239)
    sum += term(62, 141.74, 53.303771) + term(60, 207.14, 2.453732) + term(56, 154.84, 7.306860)
    sum += term(47, 34.52, 27.261239) + term(42, 207.19, 0.121824) + term(40, 291.34, 1.844379)
    sum += term(37, 161.72, 24.198154) + term(35, 239.56, 25.513099) + term(23, 331.55, 3.592518)
    return sum * 1e-6
  }
}

/// An angle as the sine and cosine of it: sums of angles cost four multiplications, where a sine costs twenty.
private struct Turn {
  var sine: Double
  var cosine: Double

  init(degrees: Double) {
    let angle = Sky.radians(degrees)
    (sine, cosine) = (sin(angle), cos(angle))
  }

  private init(sine: Double, cosine: Double) { (self.sine, self.cosine) = (sine, cosine) }

  static func + (left: Turn, right: Turn) -> Turn {
    Turn(
      sine: left.sine * right.cosine + left.cosine * right.sine,
      cosine: left.cosine * right.cosine - left.sine * right.sine)
  }

  static func - (left: Turn, right: Turn) -> Turn {
    Turn(
      sine: left.sine * right.cosine - left.cosine * right.sine,
      cosine: left.cosine * right.cosine + left.sine * right.sine)
  }
}

/// The arguments of the periodic terms, in Meeus's letters: M the sun's anomaly, M′ the moon's, F the moon's argument
/// of latitude.
private struct Angles {
  private let e: Double
  private let m, m2, mm, mm2, mm3, f2: Turn

  init(sun: Turn, moon: Turn, latitude: Turn, e: Double) {
    self.e = e
    m = sun
    m2 = sun + sun
    mm = moon
    mm2 = moon + moon
    mm3 = mm2 + moon
    f2 = latitude
  }

  /// The two phases in which sun, earth and moon are in line differ in the largest coefficients only.
  struct Syzygy {
    let mm, m, mm2, f2, less, more, m2: Double

    static let new = Syzygy(
      mm: -0.40720, m: 0.17241, mm2: 0.01608, f2: 0.01039, less: 0.00739, more: -0.00514, m2: 0.00208)
    static let full = Syzygy(
      mm: -0.40614, m: 0.17302, mm2: 0.01614, f2: 0.01043, less: 0.00734, more: -0.00515, m2: 0.00209)
  }

  /// New and full moon, in days.
  func syzygy(_ c: Syzygy) -> Double {
    let (more, less) = (mm + m, mm - m)
    var sum = c.mm * mm.sine + c.mm2 * mm2.sine + c.f2 * f2.sine
    sum += e * (c.m * m.sine + c.less * less.sine + c.more * more.sine + e * c.m2 * m2.sine)
    sum += -0.00111 * (mm - f2).sine - 0.00057 * (mm + f2).sine - 0.00042 * mm3.sine
    sum += e * (0.00056 * (mm2 + m).sine + 0.00042 * (m + f2).sine + 0.00038 * (m - f2).sine - 0.00024 * (mm2 - m).sine)
    sum += -0.00007 * (mm + m2).sine + 0.00004 * (mm2 - f2).sine + 0.00004 * (m2 + m).sine
    sum += 0.00003 * ((more - f2).sine + (mm2 + f2).sine - (more + f2).sine + (less + f2).sine)
    sum += 0.00002 * ((mm2 + mm2).sine - (less - f2).sine - (mm3 + m).sine)
    return sum
  }

  /// First and last quarter, in days.
  var quarter: Double {
    let (more, less) = (mm + m, mm - m)
    var sum = -0.62801 * mm.sine + 0.00862 * mm2.sine + 0.00804 * f2.sine
    sum += e * (0.17172 * m.sine - 0.01183 * more.sine + 0.00454 * less.sine + e * 0.00204 * m2.sine)
    sum += -0.00180 * (mm - f2).sine - 0.00070 * (mm + f2).sine - 0.00040 * mm3.sine
    sum +=
      e * (-0.00034 * (mm2 - m).sine + 0.00032 * (m + f2).sine + 0.00032 * (m - f2).sine + 0.00027 * (mm2 + m).sine)
    sum += e * e * -0.00028 * (mm + m2).sine - 0.00005 * (less - f2).sine
    sum += 0.00004 * ((mm2 + f2).sine - (more + f2).sine + (mm - m2).sine)
    sum += 0.00003 * ((more - f2).sine + (m2 + m).sine)
    sum += 0.00002 * ((mm2 - f2).sine + (less + f2).sine - (mm3 + m).sine)
    return sum
  }

  /// What first quarters have more, and last quarters less, than ``quarter``.
  var quarterShift: Double {
    0.00306 - 0.00038 * e * m.cosine + 0.00026 * mm.cosine
      + 0.00002 * ((mm + m).cosine - (mm - m).cosine + f2.cosine)
  }
}

/// The uniform time in which ephemerides are computed.
enum EphemerisTime {
  /// Seconds that it is ahead of UTC, `days` after 2000-01-01T12:00.
  ///
  /// Up to 2020 between the values of the table, which are measured: Morrison and Stephenson, *Journal for the History
  /// of Astronomy* 35 (2004), and IERS. After that the earth's rotation is anybody's guess: half a second a year here,
  /// which may be wrong by a minute in 2100 and by some in 2200.
  static func ahead(at days: Double) -> Double {
    let decades = (days / 3652.425) + Double(2000 - firstYear) / 10
    guard decades > 0 else { return table[0] }
    let index = Int(decades)
    guard index + 1 < table.count else { return table[table.count - 1] + 5 * (decades - Double(table.count - 1)) }
    return table[index] + (table[index + 1] - table[index]) * (decades - Double(index))
  }

  private static let firstYear = 1670
  /// For the first of January of 1670, 1680, … 2020.
  private static let table: [Double] = [
    42, 31, 20, 9, 10, 11, 11, 12, 13, 15, 16, 17, 17, 13.7, 12.5, 12, 7.5, 5.7, 7.1, 7.9, 1.6, -5.4, -5.9, -2.7, 10.5,
    21.2, 24, 24.3, 29.2, 33.1, 40.2, 50.5, 56.9, 63.8, 66.1, 69.4,
  ]
}
