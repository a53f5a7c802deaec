import Chronology
import Testing
import TestSupport

@testable import Triggers

@Suite("The sun")
struct SolarTriggerTests {
  /// All fires from `from` on and before `until`.
  private func fires(_ trigger: SolarTrigger, _ from: Instant, _ until: Instant) -> [Instant] {
    var fires: [Instant] = []
    var instant = from.advanced(byNanoseconds: -1)
    while let next = trigger.next(after: instant), next < until {
      fires.append(next)
      instant = next
    }
    return fires
  }

  private func instant(_ year: Int, _ month: Int = 1, _ day: Int = 1, _ hour: Int = 0, _ minute: Int = 0) -> Instant {
    let civil = CivilDateTime(year: year, month: month, day: day, hour: hour, minute: minute)
    return Instant(seconds: Int64(civil.localSeconds))
  }

  /// The instants that a table has in one of its two columns, in order.
  private func published(_ table: String, isRise: Bool) -> [Instant] {
    var instants: [Instant] = []
    for row in table.split(separator: "\n") {
      let text = Array(row.utf8)
      guard let day = Int(row.prefix(2)) else { continue }
      for month in 1...12 {
        let start = 3 + 9 * (month - 1) + (isRise ? 0 : 4)
        guard start + 4 <= text.count, let time = Int(String(decoding: text[start..<start + 4], as: UTF8.self)) else {
          continue
        }
        instants.append(instant(2019, month, day, time / 100, time % 100))
      }
    }
    return instants.sorted()
  }

  @Test(
    "rises and sets within a minute of the almanac's, on every day of a year that has a rise or a setting",
    arguments: [60.0, 80.0])
  func almanac(latitude: Double) {
    let table = latitude == 60 ? AlmanacTables.latitude60 : AlmanacTables.latitude80
    for (event, isRise) in [(SolarTrigger.Event.sunrise, true), (.sunset, false)] {
      let expected = published(table, isRise: isRise)
      let computed = fires(
        SolarTrigger(event, latitude: latitude, longitude: 0), instant(2019), instant(2020))
      #expect(expected.count == computed.count && expected.count > 100)
      for (table, ours) in zip(expected, computed) {
        #expect(
          abs((ours - table).fractionalSeconds) <= 60, "\(event) at \(latitude)°: \(ours), the table says \(table)")
      }
    }
  }

  @Test(
    "at the poles the sun rises once a year, and sets once",
    arguments: [
      (90.0, 0.0, "2022-03-18T13:02Z", "2022-09-25T04:13Z"), (-90.0, 0.0, "2022-09-20T21:52Z", "2022-03-22T18:07Z"),
    ])
  func poles(latitude: Double, longitude: Double, rise: String, setting: String) throws {
    for (event, expected) in [(SolarTrigger.Event.sunrise, rise), (.sunset, setting)] {
      let table = try ISO8601.parse(expected).instant(in: .utc)
      let found = fires(SolarTrigger(event, latitude: latitude, longitude: longitude), instant(2022), instant(2023))
      // The declination gains a hundredth of a degree, the accuracy of the theory, in half an hour.
      #expect(found.count == 1 && abs((found[0] - table).fractionalSeconds) < 1800, "\(event): \(found), not \(table)")
    }
  }

  /// USNO, "Rise and Set for the Sun for 2022", 89° N 30° E: the sun's few circles through the horizon.
  @Test("next to a pole it rises and sets for five days")
  func nextToPole() throws {
    let rises = ["16T08:11", "17T06:11", "18T04:40", "19T03:14", "20T01:39", "20T23:14"]
    let found = fires(SolarTrigger(.sunrise, latitude: 89, longitude: 30), instant(2022), instant(2023))
    let spring = found.filter { $0 < instant(2022, 6) }
    #expect(spring.count == rises.count)
    for (text, ours) in zip(rises, spring) {
      let table = try ISO8601.parse("2022-03-\(text)Z").instant(in: .utc)
      // Half an hour at the pole is a few minutes here, where it circles at 1°.
      #expect(abs((ours - table).fractionalSeconds) < 900, "\(ours), the table says \(table)")
    }
  }

  /// Meeus, examples 25.a and 28.a: 1992 October 13, 0h.
  @Test("the declination and the equation of time are those of the book's examples")
  func examples() {
    let sun = Sun(at: 2_448_908.5 - 2_451_545)
    #expect(abs(Sky.degrees(atan2Degrees(sun)) + 7.78507) < 0.0005)
    #expect(abs(sun.equationOfTime * 86_400 / (2 * .pi) - (13 * 60 + 42.6)) < 1.5)
  }

  private func atan2Degrees(_ sun: Sun) -> Double {
    // The declination is small: its arc sine by Newton's method from the sine alone.
    var angle = sun.sinDeclination
    for _ in 0..<4 { angle += (sun.sinDeclination - sine(angle)) / sun.cosDeclination }
    return angle
  }

  private func sine(_ x: Double) -> Double {
    x - x * x * x / 6 + x * x * x * x * x / 120 - x * x * x * x * x * x * x / 5040
  }

  @Test(
    "rises and settings alternate, noons lie between them, at random places",
    arguments: Seeds.with([1, 2, 16_537_545_446_876_338_823, 6_773_321_564_863_949_366]))
  func alternate(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<40 {
      let latitude =
        random.chance(50) ? Double.random(in: -90...90, using: &random) : random.pick([66.5, 65.8, 89.9, -90, -67, 0])
      let longitude = Double.random(in: -180...180, using: &random)
      let up = SolarTrigger(.sunrise, latitude: latitude, longitude: longitude)
      let down = SolarTrigger(.sunset, latitude: latitude, longitude: longitude)
      let from = instant(Int.random(in: 1700...2250, using: &random))
      let until = from + .seconds(400 * 86_400)
      let events = fires(up, from, until).map { ($0, true) } + fires(down, from, until).map { ($0, false) }
      var sorted = events.sorted { $0.0 < $1.0 }
      // Where the sun only just touches the horizon, it sets and rises within one second: which is first is told by
      // what was before.
      for place in sorted.indices.dropFirst().dropLast()
      where sorted[place].0 == sorted[place + 1].0 && sorted[place].1 == sorted[place - 1].1 {
        sorted.swapAt(place, place + 1)
      }
      for (one, other) in zip(sorted, sorted.dropFirst()) {
        #expect(one.1 != other.1, "seed \(seed): twice at \(latitude), \(longitude): \(one.0) and \(other.0)")
      }
      let noons = fires(SolarTrigger(.noon, latitude: latitude, longitude: longitude), from, until)
      #expect((399...401).contains(noons.count), "seed \(seed)")
      for (one, other) in zip(noons, noons.dropFirst()) {
        #expect(abs((other - one).fractionalSeconds - 86_400) < 35, "seed \(seed): noons \(one), \(other)")
      }
    }
  }

  @Test("every question has the answer of the walk from fire to fire", arguments: Seeds.with([3]))
  func questions(seed: UInt64) {
    var random = SeededGenerator(seed)
    for _ in 0..<60 {
      let event = random.pick(SolarTrigger.Event.allCases)
      let trigger = SolarTrigger(
        event,
        latitude: random.chance(30) ? random.pick([90, -90, 66, 65.7]) : Double.random(in: -90...90, using: &random),
        longitude: random.chance(20) ? random.pick([180, -180]) : Double.random(in: -180...180, using: &random),
        depression: random.pick([nil, 12, 18, 0.5]),
        offset: random.chance(50) ? 0 : Int64.random(in: -100_000...100_000, using: &random) * 1_000_000_001)
      let from = instant(Int.random(in: 1690...2250, using: &random))
      let all = fires(trigger, from, from + .seconds(500 * 86_400))
      for (index, fire) in all.dropFirst().enumerated() {
        let before = all[index]
        for after in [
          before, before.advanced(byNanoseconds: 1), fire.advanced(byNanoseconds: -1),
          Instant(nanoseconds: Int64.random(in: before.nanoseconds..<fire.nanoseconds, using: &random)),
        ] {
          let next = trigger.next(after: after)
          #expect(next == fire, "seed \(seed): \(trigger.explanation) after \(after)")
          if next != fire { return }
        }
      }
    }
  }

  @Test("at the ends of time it answers and ends", arguments: SolarTrigger.Event.allCases)
  func ends(event: SolarTrigger.Event) {
    for latitude in [0.0, 70, 90] {
      for offset in [0, 86_400_000_000_000, -86_400_000_000_000] as [Int64] {
        let trigger = SolarTrigger(event, latitude: latitude, longitude: 10, offset: offset)
        #expect(trigger.next(after: .distantPast) != nil)
        #expect(trigger.next(after: .distantFuture) == nil)
        var last = instant(2262, 2)
        while let next = trigger.next(after: last) {
          #expect(next > last)
          last = next
        }
      }
    }
  }
}

@Suite("The moon")
struct LunarTriggerTests {
  struct Almanac: Sendable, CustomTestStringConvertible {
    let year: Int
    let first: LunarTrigger.Phase
    let table: String
    var testDescription: String { "\(year)" }
  }

  static let tables = [
    Almanac(year: 1850, first: .lastQuarter, table: AlmanacTables.moon1850),
    Almanac(year: 1900, first: .new, table: AlmanacTables.moon1900),
    Almanac(year: 1950, first: .full, table: AlmanacTables.moon1950),
    Almanac(year: 2000, first: .new, table: AlmanacTables.moon2000),
    Almanac(year: 2020, first: .firstQuarter, table: AlmanacTables.moon2020),
    Almanac(year: 2050, first: .full, table: AlmanacTables.moon2050),
  ]

  @Test("phases are within two minutes of the almanac's", arguments: tables)
  func almanac(almanac: Almanac) throws {
    var phase = LunarTrigger.Phase.allCases.firstIndex(of: almanac.first) ?? 0
    var instant = try ISO8601.parse("\(almanac.year)-01-01T00:00Z").instant(in: .utc)
    for item in almanac.table.replacing("\n", with: ", ").split(separator: ", ") {
      let expected = try ISO8601.parse("\(almanac.year)-\(item)Z").instant(in: .utc)
      let trigger = LunarTrigger(LunarTrigger.Phase.allCases[phase])
      let next = try #require(trigger.next(after: instant))
      #expect(
        abs((next - expected).fractionalSeconds) <= 120, "\(trigger.explanation): \(next), the table says \(expected)")
      instant = next
      phase = (phase + 1) % 4
    }
  }

  /// Meeus, examples 49.a and 49.b, less the difference of times: 48 s in 1977.
  @Test("a new moon and a last quarter are those of the book's examples")
  func examples() throws {
    let start = try ISO8601.parse("1977-02-10").instant(in: .utc)
    let new = try #require(LunarTrigger(.new).next(after: start))
    let book = try ISO8601.parse("1977-02-18T03:37:42Z").instant(in: .utc)
    #expect(abs((book - new).fractionalSeconds - 48) < 2, "\(new)")
    #expect(
      MoonPhases(phase: .lastQuarter).ephemerisDay(ofLunation: 544).isNear(2_467_636.49186 - 2_451_545, by: 0.00002))
  }

  @Test("every question has the answer of the walk from phase to phase", arguments: Seeds.with([5]))
  func questions(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for phase in LunarTrigger.Phase.allCases {
      let offset = random.chance(50) ? 0 : Int64.random(in: -2_000_000...2_000_000, using: &random) * 1_000_000_000
      let trigger = LunarTrigger(phase, offset: offset)
      var instant = Instant(seconds: Int64.random(in: -9_000_000_000...8_000_000_000, using: &random))
      for _ in 0..<300 {
        let next = try #require(trigger.next(after: instant))
        let month = (try #require(trigger.next(after: next)) - next).fractionalSeconds
        #expect((29 * 86_400.0...30.1 * 86_400).contains(month), "seed \(seed)")
        for _ in 0..<3 {
          let between = Instant(nanoseconds: Int64.random(in: instant.nanoseconds..<next.nanoseconds, using: &random))
          #expect(trigger.next(after: between) == next, "seed \(seed): \(trigger.explanation) after \(between)")
        }
        instant = next
      }
    }
  }

  @Test("at the ends of time it answers and ends", arguments: LunarTrigger.Phase.allCases)
  func ends(phase: LunarTrigger.Phase) {
    #expect(LunarTrigger(phase).next(after: .distantPast) != nil)
    #expect(LunarTrigger(phase).next(after: .distantFuture) == nil)
    #expect(LunarTrigger(phase, offset: 86_400_000_000_000).next(after: .distantFuture) == nil)
    #expect(LunarTrigger(phase, offset: -86_400_000_000_000).next(after: .distantPast) != nil)
  }
}

extension Double {
  fileprivate func isNear(_ other: Double, by distance: Double) -> Bool { abs(self - other) <= distance }
}
