import Foundation
import Testing

@testable import Chronology

@Suite("The zone of the machine")
struct MachineZoneTests {
  /// A directory of its own with an /etc in it.
  private final class Machine {
    let directory = FileManager.default.temporaryDirectory.appending(path: "machine-\(UUID().uuidString)").path
    let zones = TimeZoneDatabase()

    init() throws { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func path(_ name: String) -> String { directory + "/" + name }

    func link(_ name: String, _ target: String) throws {
      try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
    }

    func copy(_ zone: String, to name: String) throws {
      try FileManager.default.copyItem(atPath: "/usr/share/zoneinfo/" + zone, toPath: path(name))
    }

    func zone(tz: String? = nil) -> MachineZone {
      zones.machineZone(tz: tz, localtime: path("localtime"), timezone: path("timezone"))
    }
  }

  @Test("a link, a link to a link, a relative link, a copy: all are called by their zone's name")
  func localTime() throws {
    var machine = try Machine()
    #expect(machine.zone() == MachineZone(name: "UTC", origin: nil, problem: nil))
    try Data("Asia/Tokyo\n".utf8).write(to: URL(filePath: machine.path("timezone")))
    #expect(machine.zone().name == "Asia/Tokyo" && machine.zone().origin == machine.path("timezone"))
    try machine.link("localtime", "/usr/share/zoneinfo/America/Argentina/San_Luis")
    #expect(machine.zone().name == "America/Argentina/San_Luis" && machine.zone().origin == machine.path("localtime"))
    machine = try Machine()
    try machine.link("second", "/usr/share/zoneinfo/posix/../Europe/Vienna")
    try machine.link("first", "second")
    try machine.link("localtime", machine.path("first"))
    let found = try machine.zones.zone(named: machine.zone().name)
    #expect(try found.stretches == machine.zones.zone(named: "Europe/Vienna").stretches)
    machine = try Machine()
    try machine.copy("Europe/Vienna", to: "localtime")
    #expect(machine.zone().name == "Europe/Vienna" && machine.zone().problem == nil)
    machine = try Machine()
    // The name file decides among zones that are alike.
    try machine.copy("Europe/Ljubljana", to: "localtime")
    try Data("Europe/Ljubljana\n".utf8).write(to: URL(filePath: machine.path("timezone")))
    #expect(machine.zone().name == "Europe/Ljubljana")
    machine = try Machine()
    // The file counts, not a name file that says something else.
    try machine.copy("Asia/Tokyo", to: "localtime")
    try Data("Europe/Rome\n".utf8).write(to: URL(filePath: machine.path("timezone")))
    #expect(machine.zone().name == "Asia/Tokyo")
  }

  @Test("rules that are no zone of the system are called by their file")
  func ownFile() throws {
    let machine = try Machine()
    // A zone of version 2 without changes and with a rule: half an hour ahead of everybody.
    let block =
      [UInt8]("TZif2".utf8) + [UInt8](repeating: 0, count: 15)
      + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4]
      + [0, 0, 7, 8, 0, 0] + [65, 65, 65, 0]
    let bytes = block + block + [UInt8]("\n<+0030>-0:30\n".utf8)
    try Data(bytes).write(to: URL(filePath: machine.path("localtime")))
    let zone = machine.zone()
    #expect(zone.name == machine.path("localtime") && zone.problem == nil)
    #expect(try machine.zones.zone(named: zone.name).offset(at: .epoch) == 1800)
    #expect(machine.zone(tz: machine.path("localtime")).name == machine.path("localtime"))
    #expect(machine.zones.reload() == [])
  }

  @Test(
    "TZ in every form that glibc reads",
    arguments: [
      ("Europe/Vienna", "Europe/Vienna", 3600, 7200), (":Europe/Vienna", "Europe/Vienna", 3600, 7200),
      (":/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo", 32_400, 32_400),
      ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo", 32_400, 32_400),
      ("CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3", 3600, 7200),
      ("<-03>3", "<-03>3", -10_800, -10_800), (":<-03>3", "<-03>3", -10_800, -10_800), ("UTC0", "UTC0", 0, 0),
      ("IST-5:30", "IST-5:30", 19_800, 19_800), ("XST5XDT", "XST5XDT", -18_000, -14_400), ("", "UTC", 0, 0),
      (":", "UTC", 0, 0), ("EST5EDT", "EST5EDT", -18_000, -14_400), ("UTC", "UTC", 0, 0),
      ("AEST-10AEDT,M10.1.0,M4.1.0/3", "AEST-10AEDT,M10.1.0,M4.1.0/3", 39_600, 36_000),
    ])
  func variable(tz: String, name: String, winter: Int, summer: Int) throws {
    let machine = try Machine()
    try machine.copy("Asia/Kolkata", to: "localtime")
    let zone = machine.zone(tz: tz)
    #expect(zone == MachineZone(name: name, origin: "TZ", problem: nil))
    let rules = try machine.zones.zone(named: zone.name)
    #expect(rules.offset(at: try ISO8601.parse("2027-01-15T12:00:00Z").instant(in: .utc)) == winter)
    #expect(rules.offset(at: try ISO8601.parse("2027-07-15T12:00:00Z").instant(in: .utc)) == summer)
  }

  @Test(
    "what cannot be read is blamed by its name",
    arguments: [
      ("Europe/Berln", "TZ=Europe/Berln: no time zone \"Europe/Berln\"; did you mean Europe/Berlin"),
      (":Europe/Berln", "TZ=:Europe/Berln: no time zone"), ("/no/such/file", "TZ=/no/such/file: there is no file"),
      ("/etc/passwd", "TZ=/etc/passwd: the file is no time zone"), ("CET-1CEST,M3.5.0", "no POSIX rule"),
      ("B4", "TZ=B4"), ("../../etc/passwd", "TZ=../../etc/passwd"), ("\u{1}", "TZ="), ("EST25:00", "TZ=EST25:00"),
    ])
  func problems(tz: String, words: String) throws {
    let zone = try Machine().zone(tz: tz)
    #expect(zone.name == "UTC" && zone.problem?.contains(words) == true, "\(zone)")
    let machine = try Machine()
    try Data("nothing\n".utf8).write(to: URL(filePath: machine.path("localtime")))
    #expect(machine.zone().problem?.contains("localtime: the file is no time zone") == true)
    try FileManager.default.removeItem(atPath: machine.path("localtime"))
    try machine.link("localtime", "/usr/share/zoneinfo/No/Where")
    #expect(machine.zone().problem?.contains("there is no file of time zone rules") == true)
  }
}
