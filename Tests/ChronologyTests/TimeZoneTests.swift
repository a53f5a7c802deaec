import Foundation
import Testing

@testable import Chronology

@Suite("Time zones")
struct TimeZoneTests {
  private let zones = TimeZoneDatabase()

  private func local(_ text: String) throws -> CivilDateTime { try ISO8601.parse(text).civil }

  @Test(
    "local times mean one instant, two or none",
    arguments: [
      ("Europe/Berlin", "2026-03-29 01:59:59", "2026-03-29T00:59:59Z", nil),
      ("Europe/Berlin", "2026-03-29 02:30", nil, "2026-03-29T01:00:00Z"),
      ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
      ("Europe/Berlin", "2100-10-31 02:30", "2100-10-31T00:30:00Z", "2100-10-31T01:30:00Z"),
      ("Australia/Lord_Howe", "2026-10-04 02:15", nil, "2026-10-03T15:30:00Z"),
      ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"),
      ("Pacific/Apia", "2011-12-30 12:00", nil, "2011-12-30T10:00:00Z"),
      ("Africa/Cairo", "2026-04-24 00:30", nil, "2026-04-23T22:00:00Z"),
      ("America/Santiago", "2026-09-06 00:30", nil, "2026-09-06T04:00:00Z"),
      ("Asia/Kolkata", "2026-06-01 12:00", "2026-06-01T06:30:00Z", nil),
      ("America/Nuuk", "2026-03-28 23:30", nil, "2026-03-29T01:00:00Z"),
      ("Africa/Monrovia", "1972-01-07 00:10", nil, "1972-01-07T00:44:30Z"),
    ] as [(String, String, String?, String?)])
  func meanings(name: String, text: String, first: String?, other: String?) throws {
    let meaning = try zones.zone(named: name).meaning(of: local(text))
    switch meaning {
    case .once(let instant):
      #expect(instant.description == first && other == nil)
    case .repeated(let one, let two):
      #expect(one.description == first && two.description == other)
    case .skipped(let resumes):
      #expect(first == nil && resumes.description == other)
    }
  }

  @Test("UTC needs no files, and everything else says what to install")
  func withoutFiles() throws {
    let empty = TimeZoneDatabase(directory: "/nonexistent")
    #expect(try empty.zone(named: "UTC").isUTC)
    #expect(try empty.zone(named: "Etc/UTC").isUTC)
    #expect(throws: TimeZoneError.self) { try empty.zone(named: "Europe/Berlin") }
    do { _ = try empty.zone(named: "Europe/Berlin") } catch { #expect(error.message.contains("apt install tzdata")) }
  }

  @Test(
    "unknown zones come with the closest names",
    arguments: [
      ("Europe/Berln", "did you mean Europe/Berlin?"), ("berlin", "Europe/Berlin"), ("New York", "America/New_York"),
      ("Asia/Calcuta", "Asia/Calcutta"), ("Qqqqqq", "write an IANA name"), ("../../etc/passwd", "no time zone"),
      ("", "no time zone"), ("Europe", "no time zone"), ("Europe/", "no time zone"), ("/etc/passwd", "no time zone"),
    ])
  func unknown(name: String, part: String) {
    do {
      _ = try zones.zone(named: name)
      Issue.record("\(name) was accepted")
    } catch {
      #expect(error.message.contains(part), "\(error)")
    }
  }

  @Test("a file that changes on disk is picked up by a reload, and a broken one is not")
  func reload() throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "zones-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let file = directory.appending(path: "Test")
    func put(_ name: String) throws {
      try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/\(name)")).write(to: file, options: .atomic)
    }
    try put("Asia/Tokyo")
    let database = TimeZoneDatabase(directory: directory.path)
    let tokyo = try database.zone(named: "Test")
    #expect(tokyo.offset(at: .epoch) == 9 * 3600)
    #expect(database.reload() == [])
    try put("Asia/Kolkata")
    #expect(try database.zone(named: "Test") === tokyo)
    #expect(database.reload() == ["Test"])
    #expect(try database.zone(named: "Test").offset(at: .epoch) == 19_800)
    #expect(try database.zone(named: "Test") != tokyo)
    try Data("TZif2 broken".utf8).write(to: file, options: .atomic)
    #expect(database.reload() == [])
    #expect(try database.zone(named: "Test").offset(at: .epoch) == 19_800)
    // The same rules in a new file: nothing that uses the zone has changed.
    let before = try database.zone(named: "Test")
    try put("Asia/Kolkata")
    #expect(database.reload() == [])
    #expect(try database.zone(named: "Test") === before)
  }

  @Test("aliases and old names load", arguments: ["US/Eastern", "GB", "Asia/Calcutta", "EST5EDT", "Etc/GMT+5", "Zulu"])
  func aliases(name: String) throws {
    #expect(try zones.zone(named: name).name == name)
  }

  @Test("leap seconds in a right/ file do not shift the times")
  func leapSeconds() throws {
    let plain = try zones.zone(named: "Europe/Berlin")
    #expect(try zones.zone(named: "right/Europe/Berlin").stretches == plain.stretches)
    let path = "/usr/share/zoneinfo/right/Europe/Berlin"
    guard FileManager.default.fileExists(atPath: path) else { return }
    // Such a file ends when the next leap second is unknown; until then its changes are those of the plain one.
    let right = try TimeZoneRules(name: "right", tzif: Array(try Data(contentsOf: URL(filePath: path))))
    let end = Instant(seconds: 1_700_000_000)
    #expect(
      right.changes(from: .distantPast, to: end).map(\.at) == plain.changes(from: .distantPast, to: end).map(\.at))
  }
}

@Suite("POSIX rules")
struct PosixTimeZoneTests {
  @Test(
    "rules give their changes",
    arguments: [
      ("CET-1CEST,M3.5.0,M10.5.0/3", 2026, ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]),
      ("EST5EDT,M3.2.0,M11.1.0", 2026, ["2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"]),
      ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]),
      ("AEST-10AEDT,M10.1.0,M4.1.0/3", 2026, ["2026-04-04T16:00:00Z", "2026-10-03T16:00:00Z"]),
      ("IST-1GMT0,M10.5.0,M3.5.0/1", 2026, ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]),
      ("EET-2EEST,M4.5.5/0,M10.5.4/24", 2026, ["2026-04-23T22:00:00Z", "2026-10-29T21:00:00Z"]),
      ("IST-2IDT,M3.4.4/26,M10.5.0", 2026, ["2026-03-27T00:00:00Z", "2026-10-24T23:00:00Z"]),
      ("AAA3BBB,J60,J300", 2028, ["2028-03-01T05:00:00Z", "2028-10-27T04:00:00Z"]),
      ("AAA3BBB,59/0,299", 2028, ["2028-02-29T03:00:00Z", "2028-10-26T04:00:00Z"]),
      ("JST-9", 2026, []),
    ])
  func changes(rule: String, year: Int, expected: [String]) throws {
    let changes = try PosixTimeZone(rule).changes(in: year)
    #expect(changes.map { Instant(seconds: Int64($0.at)).description } == expected)
  }

  @Test(
    "rules that cannot be read are refused",
    arguments: [
      "", "C", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "<CET-1", "CET-99",
      "CET-1CEST,J0,J5",
      "CET-1CEST,M3.5.0,M10.5.0/3x", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET--1",
    ])
  func refuses(rule: String) {
    #expect(throws: TimeZoneError.self) { try PosixTimeZone(rule) }
  }
}

@Suite("TZif files")
struct TimeZoneFileTests {
  private func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/\(name)")))
  }

  /// A version 1 file: a header, one change of two types.
  private func oldFile() -> [UInt8] {
    var file = Array("TZif".utf8) + [0] + [UInt8](repeating: 0, count: 15)
    for count: UInt8 in [0, 0, 0, 1, 2, 4] { file += [0, 0, 0, count] }
    file += [0, 0, 0x0E, 0x10, 1]
    file += [0, 0, 0x0E, 0x10, 0, 0] + [0, 0, 0x1C, 0x20, 1, 0]
    return file + Array("ABC\0".utf8)
  }

  @Test("version 1 files are read from their 32-bit block")
  func versionOne() throws {
    let zone = try TimeZoneRules(name: "old", tzif: oldFile())
    #expect(zone.offset(at: .epoch) == 3600)
    #expect(zone.offset(at: Instant(seconds: 3600)) == 7200)
    #expect(zone.offset(at: .distantPast) == 3600)
    #expect(zone.offset(at: .distantFuture) == 7200)
  }

  @Test(
    "a file cut short anywhere is refused, never trapped on", arguments: ["Europe/Berlin", "Asia/Tokyo", "right/UTC"])
  func truncated(name: String) throws {
    let whole = try bytes(name)
    for count in 0..<whole.count {
      #expect(throws: TimeZoneError.self) { try TimeZoneRules(name: name, tzif: Array(whole[..<count])) }
    }
  }

  @Test(
    "files with random damage are refused or read, never trapped on",
    arguments: [1, 2, UInt64.random(in: 0...UInt64.max)])
  func damaged(seed: UInt64) throws {
    var state = seed
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for name in ["Asia/Tokyo", "America/Nuuk"] {
      let whole = try bytes(name)
      for _ in 0..<150 {
        var damaged = whole
        for _ in 0...random(4) { damaged[random(damaged.count)] = UInt8(random(256)) }
        // Either answer is fine; what is tested is that there is one, and that the rules can be asked.
        if let zone = try? TimeZoneRules(name: name, tzif: damaged) {
          for second in [Int64.min / 1_000_000_000, -1, 0, 1 << 31, Int64.max / 1_000_000_000] {
            _ = zone.offset(at: Instant(seconds: second))
            _ = zone.meaning(of: CivilDateTime(localSeconds: Int(second)))
          }
        }
      }
    }
  }
}
