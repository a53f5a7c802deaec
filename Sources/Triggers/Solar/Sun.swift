internal import Glibc

/// Where the sun stands: its declination and the equation of time.
///
/// Source: Jean Meeus, *Astronomical Algorithms*, 2nd edition: chapter 25 (the lower accuracy, 0.01°), 22 (the
/// obliquity) and 28 (the equation of time). NOAA's solar calculator rests on the same chapters. A hundredth of a
/// degree is two seconds at noon, and some seconds at a sunrise that is not nearly level. Between 1678 and 2261 nothing
/// that is left out matters as much as the weather does; so the difference between UTC and the time of the ephemeris (a
/// minute now) is left out as well.
struct Sun {
  /// The declination's sine and cosine.
  let sinDeclination: Double
  let cosDeclination: Double
  /// Apparent minus mean solar time, in radians: positive when sundials are ahead of clocks. At most 0.072 (16.5
  /// minutes).
  let equationOfTime: Double

  /// The sun at `days` since 2000-01-01T12:00:00Z.
  ///
  /// Pure, any thread, no allocation; six calls of the mathematics library: a tenth of a microsecond.
  init(at days: Double) {
    let t = days / 36_525
    let meanLongitude = Sky.radians(280.46646 + t * (36_000.76983 + t * 0.0003032))
    let meanAnomaly = Sky.radians(357.52911 + t * (35_999.05029 - t * 0.0001537))
    // The multiples of the anomaly by the formulas for double and triple angles.
    let (sinM, cosM) = (sin(meanAnomaly), cos(meanAnomaly))
    let sin2M = 2 * sinM * cosM
    let sin3M = sinM * (3 - 4 * sinM * sinM)
    let center =
      (1.914602 - t * (0.004817 + t * 0.000014)) * sinM + (0.019993 - t * 0.000101) * sin2M + 0.000289 * sin3M
    // Aberration, and the largest term of the nutation.
    let node = Sky.radians(125.04 - 1934.136 * t)
    let nutation = -0.00478 * sin(node)
    // The apparent longitude is the mean one, turned by at most two degrees; the obliquity hardly differs from that of
    // 2000. Both by series, as far as they matter.
    let (sinMean, cosMean) = (sin(meanLongitude), cos(meanLongitude))
    let turn = Sky.radians(center - 0.00569 + nutation)
    let turned = turn * turn
    let (sinTurn, cosTurn) = (turn * (1 - turned / 6 * (1 - turned / 20)), 1 - turned / 2 * (1 - turned / 12))
    let sinLongitude = sinMean * cosTurn + cosMean * sinTurn
    let cosLongitude = cosMean * cosTurn - sinMean * sinTurn
    let tilt = Sky.radians(-t * (0.0130042 + t * (0.00000016 - t * 0.0000005)) + 0.00256 * cos(node))
    let sinObliquity = Sun.sinObliquity + tilt * (Sun.cosObliquity - tilt / 2 * Sun.sinObliquity)
    let cosObliquity = Sun.cosObliquity - tilt * (Sun.sinObliquity + tilt / 2 * Sun.cosObliquity)
    sinDeclination = sinObliquity * sinLongitude
    cosDeclination = (1 - sinDeclination * sinDeclination).squareRoot()
    // E = L0 − 0.0057183° − α + Δψ cos ε. The sine of L0 − α is the cross product of their directions; it is small, and
    // so never wraps.
    let cross = (sinMean * cosLongitude - cosMean * cosObliquity * sinLongitude) / cosDeclination
    let squared = cross * cross
    let difference = cross * (1 + squared / 6 * (1 + squared * 9 / 20))
    equationOfTime = difference + Sky.radians(nutation * cosObliquity - 0.0057183)
  }

  /// 23.4392911°, the mean obliquity of 2000.
  private static let sinObliquity = 0.39777715575399053
  private static let cosObliquity = 0.917482062146321

  /// The most that the declination changes in a day, in degrees, rounded up: at the equinoxes, near perihelion.
  static let fastestDeclination = 0.41
}
