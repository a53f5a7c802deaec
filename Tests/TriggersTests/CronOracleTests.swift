import Chronology
import Foundation
import Testing
import TestSupport

@testable import Triggers

/// Zones with everything that has gone wrong in schedulers: half hours, midnight gaps, skipped and repeated days,
/// negative daylight saving time, changes without it, Ramadan, and plain ones.
let oracleZones = [
  "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Moscow", "Europe/Istanbul", "Europe/Volgograd",
  "America/New_York", "America/Chicago", "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo",
  "America/Asuncion", "America/Santiago", "America/Havana", "America/Caracas", "America/Nuuk", "America/Scoresbysund",
  "America/Mexico_City", "America/Argentina/San_Luis", "America/Metlakatla", "Africa/Cairo", "Africa/Casablanca",
  "Africa/El_Aaiun", "Africa/Monrovia", "Africa/Juba", "Africa/Windhoek", "Asia/Amman", "Asia/Beirut", "Asia/Damascus",
  "Asia/Gaza", "Asia/Jerusalem", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Manila", "Asia/Pyongyang", "Asia/Tehran",
  "Asia/Tokyo", "Atlantic/Azores", "Australia/Adelaide", "Australia/Eucla", "Australia/Lord_Howe", "Australia/Sydney",
  "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Easter", "Pacific/Fiji", "Pacific/Kiritimati",
  "Pacific/Kwajalein", "Pacific/Norfolk", "Pacific/Tongatapu", "Antarctica/Troll", "Antarctica/Casey",
]

let isLong = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1"

@Suite("Cron agrees with brute force")
struct CronOracleTests {
  private let zones = TimeZoneDatabase()
  private static let policies: [DSTPolicy] = [
    DSTPolicy(), DSTPolicy(), DSTPolicy(gap: .skip, overlap: .last), DSTPolicy(gap: .shift, overlap: .both),
    DSTPolicy(gap: .skip, overlap: .first), DSTPolicy(gap: .shift, overlap: .last),
  ]
  private static let first = 0
  private static let last = 3_155_760_000

  private func trigger(_ cron: RandomCron, _ zone: TimeZoneRules, _ dst: DSTPolicy) throws -> AnyTrigger? {
    let context = TriggerContext(zones: zones, zone: zone, dst: dst)
    do {
      return try TriggerBuilder.build("cron", [.string(cron.text)], context: context).trigger
    } catch {
      // Random fields may describe a date that does not exist, and only that may be refused.
      #expect(error.message.contains("never"), "\(error)")
      #expect(!PlainDay.all.contains { cron.matches($0) }, "\(cron.text) refused: \(error)")
      return nil
    }
  }

  private func fires(_ trigger: AnyTrigger, from: Int, until: Int) -> [Int] {
    var fires: [Int] = []
    var instant = Instant(seconds: Int64(from)).advanced(byNanoseconds: -1)
    while let next = trigger.next(after: instant), next <= Instant(seconds: Int64(until)) {
      fires.append(Int(next.wholeSeconds))
      instant = next
    }
    return fires
  }

  @Test("minute by minute around changes of clocks, in every zone", arguments: Seeds.with([1, 2026]))
  func minutes(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for name in oracleZones {
      let zone = try zones.zone(named: name)
      let changes = zone.stretches.dropFirst().map(\.start).filter { $0 > Self.first && $0 < Self.last }
      for _ in 0..<(isLong ? 60 : 3) {
        let middle = changes.isEmpty ? Int.random(in: Self.first...Self.last, using: &random) : random.pick(changes)
        let cron = RandomCron(using: &random)
        let dst = random.pick(Self.policies)
        guard let trigger = try trigger(cron, zone, dst) else { continue }
        // Searches that begin at the change itself are a case of their own.
        let from = random.chance(30) ? middle : middle - Int.random(in: 0...86_400, using: &random)
        let until = middle + Int.random(in: 0...86_400, using: &random)
        let expected = CronOracle(cron, zone: zone, dst: dst).walk(from: from, until: until)
        #expect(
          fires(trigger, from: from, until: until) == expected,
          "seed \(seed): \(cron.text) in \(name), \(dst), from \(from)")
      }
    }
  }

  @Test("second by second around changes of clocks", arguments: Seeds.with([7]))
  func seconds(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 200 : 8) {
      let name = random.pick(oracleZones)
      let zone = try zones.zone(named: name)
      let changes = zone.stretches.dropFirst().map(\.start).filter { $0 > Self.first && $0 < Self.last }
      let middle = changes.isEmpty ? Int.random(in: Self.first...Self.last, using: &random) : random.pick(changes)
      let cron = RandomCron(using: &random, seconds: true)
      let dst = random.pick(Self.policies)
      guard let trigger = try trigger(cron, zone, dst) else { continue }
      let expected = CronOracle(cron, zone: zone, dst: dst).walk(from: middle - 5000, until: middle + 5000)
      #expect(
        fires(trigger, from: middle - 5000, until: middle + 5000) == expected,
        "seed \(seed): \(cron.text) in \(name), \(dst), around \(middle)")
    }
  }

  @Test("day by day over decades, for dates far apart", arguments: Seeds.with([3, 11]))
  func decades(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 2000 : 60) {
      let name = random.pick(oracleZones)
      let zone = try zones.zone(named: name)
      let cron = RandomCron(using: &random, sparse: true)
      let dst = random.pick(Self.policies)
      guard let trigger = try trigger(cron, zone, dst) else { continue }
      let from = Int.random(in: Self.first...Self.last, using: &random)
      let expected = CronOracle(cron, zone: zone, dst: dst).list(after: from, count: 5, days: 11_000)
      var instant = Instant(seconds: Int64(from))
      for second in expected {
        let next = trigger.next(after: instant)
        #expect(
          next == Instant(seconds: Int64(second)), "seed \(seed): \(cron.text) in \(name), \(dst), after \(instant)")
        guard let next else { break }
        instant = next
      }
    }
  }

  @Test("the answer is the same from anywhere in between", arguments: Seeds.with([5]))
  func laws(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 20_000 : 1500) {
      let zone = try zones.zone(named: random.pick(oracleZones))
      let cron = RandomCron(using: &random, seconds: random.chance(20), sparse: random.chance(50))
      guard let trigger = try trigger(cron, zone, random.pick(Self.policies)) else { continue }
      let after = Instant(
        nanoseconds: Int64.random(in: -2_208_988_800_000_000_000...7_258_118_400_000_000_000, using: &random))
      guard let next = trigger.next(after: after) else {
        // Nothing is left only where the range of instants ends.
        #expect(after.wholeSeconds > 7_000_000_000, "\(cron.text) in \(zone.name) after \(after)")
        continue
      }
      #expect(next > after)
      let between = Instant(nanoseconds: Int64.random(in: after.nanoseconds...next.nanoseconds - 1, using: &random))
      #expect(trigger.next(after: between) == next, "\(cron.text) in \(zone.name) after \(after) and \(between)")
      #expect(trigger.next(after: next.advanced(byNanoseconds: -1)) == next)
    }
  }
}
