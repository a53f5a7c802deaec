import Foundation
import Testing
import TestSupport

@testable import Chronology

/// Damaged zone files and rules: each is read or refused, quickly, and what is read answers at the ends of time.
@Suite("Time parsers survive anything")
struct TimeParserFuzzTests {
  private static let isLong = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1"

  /// A few bytes changed, taken out, doubled or set to an end of their range; or the end cut off.
  private func damaged(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0...Int.random(in: 0..<6, using: &random) {
      guard !bytes.isEmpty else { return bytes }
      let place = Int.random(in: bytes.indices, using: &random)
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[place] = .random(in: 0...255, using: &random)
      case 1: bytes.remove(at: place)
      case 2: bytes.insert(bytes[place], at: place)
      case 3: bytes.removeSubrange(place...)
      default:
        let end: UInt8 = Bool.random(using: &random) ? 0xFF : Bool.random(using: &random) ? 0x80 : 0
        for index in place..<min(bytes.count, place + [1, 4, 8].randomElement(using: &random)!) { bytes[index] = end }
      }
    }
    return bytes
  }

  private func ask(_ zone: TimeZoneRules) {
    for instant in [Instant.distantPast, .epoch, Instant(seconds: 1_790_000_000), .distantFuture] {
      let civil = zone.civilTime(at: instant)
      _ = zone.instant(of: civil)
      _ = ISO8601.format(instant, in: zone)
    }
  }

  @Test("zone files, cut and corrupted", arguments: [1, UInt64.random(in: 0...UInt64.max)])
  func files(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    let files = ["Europe/Berlin", "America/St_Johns", "UTC", "Africa/Casablanca", "right/Europe/London"].compactMap {
      try? Array(Data(contentsOf: URL(fileURLWithPath: "/usr/share/zoneinfo/" + $0)))
    }
    for _ in 0..<(Self.isLong ? 100_000 : 300) {
      guard let file = files.randomElement(using: &random) else { return }
      if let zone = try? TimeZoneRules(name: "x", tzif: damaged(file, &random)) { ask(zone) }
    }
  }

  @Test("rules of zones", arguments: [2, UInt64.random(in: 0...UInt64.max)])
  func rules(seed: UInt64) {
    var random = SeededGenerator(seed)
    let rules = ["CET-1CEST,M3.5.0,M10.5.0/3", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "EST5EDT,J60/167,365/-167", "X0"]
    for _ in 0..<(Self.isLong ? 500_000 : 5_000) {
      let bytes = damaged(Array(rules.randomElement(using: &random)!.utf8), &random)
      guard let rule = try? PosixTimeZone(String(decoding: bytes, as: UTF8.self)) else { continue }
      for year in [1678, 2000, 2026, 2263] { _ = rule.changes(in: year) }
    }
  }

  @Test("leap seconds at the beginning of time")
  func leaps() throws {
    // Version 1: one change at the smallest second, one leap second there that counts for the largest total.
    var bytes = Array("TZif".utf8) + [UInt8](repeating: 0, count: 16)
    for count in [0, 0, 1, 1, 1, 4] { bytes += [0, 0, 0, UInt8(count)] }
    bytes += [0x80, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0] + Array("UTC\0".utf8) + [0x80, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF]
    ask(try TimeZoneRules(name: "x", tzif: bytes))
    // Version 2: the same in 64 bits.
    bytes[4] = UInt8(ascii: "2")
    var wide = Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15)
    for count in [0, 0, 1, 1, 1, 4] { wide += [0, 0, 0, UInt8(count)] }
    wide += [0x80, 0, 0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0] + Array("UTC\0".utf8)
    wide += [0x80, 0, 0, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF] + Array("\nUTC0\n".utf8)
    ask(try TimeZoneRules(name: "x", tzif: bytes + wide))
  }
}
