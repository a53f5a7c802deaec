import Chronology
import Foundation
import Glibc
import Testing

@Suite("A calendar file and a running host, end to end", .serialized, .timeLimit(.minutes(5)))
struct CalendarFileTests {
  /// A calendar whose only event are whole days, counted from today.
  private static func calendar(_ days: ClosedRange<Int>) -> String {
    """
    BEGIN:VCALENDAR\r
    VERSION:2.0\r
    BEGIN:VEVENT\r
    UID:1\r
    DTSTART;VALUE=DATE:\(compact(days.lowerBound))\r
    DTEND;VALUE=DATE:\(compact(days.upperBound + 1))\r
    END:VEVENT\r
    END:VCALENDAR\r

    """
  }

  /// The day on which the tests began, in UTC: they may run past midnight.
  private static let today = Int(Date().timeIntervalSince1970) / 86_400

  /// A day in UTC, so many days from today.
  private static func day(_ offset: Int) -> String { CivilDate(daysSinceEpoch: today + offset).description }

  private static func compact(_ offset: Int) -> String { day(offset).replacing("-", with: "") }

  private static let script = """
    job "tick" {
      trigger = except(every "50ms", calendar_of { ics = "holidays.ics", timezone = "UTC" }),
      run = function() print("at work") end,
    }

    """

  /// What `moondial list` says is next, as soon as it is not `former`: the host's store follows the host's word.
  private static func nextFire(_ place: Place, otherThan former: String = "") throws -> String {
    let deadline = Date(timeIntervalSinceNow: HostProcess.patience)
    while Date() < deadline {
      let listed = try place.run("list", "scripts", "--json").output.joined()
      let value = try #require(try JSONSerialization.jsonObject(with: Data(listed.utf8)) as? [[String: Any]])
      if let next = value.first?["next_run_time"] as? String, next != former { return next }
    }
    throw HostProcess.Failure(description: "the next fire stays \(former)")
  }

  @Test("a host follows its calendar file: renamed over, emptied and written, broken, mended; without a restart")
  func reload() throws {
    let place = try Place()
    // Days around today, so that a test that runs past midnight sees the same.
    try place.save("holidays.ics", Self.calendar(-2...5))
    try place.save("a.lua", Self.script)
    let host = try place.host("--set", "timezone=UTC")
    try host.awaitLine(containing: "1 job from 1 script")
    let first = try Self.nextFire(place)
    #expect(first.hasPrefix(Self.day(6)), "\(first)")
    let asked = ["next", "except(every('12h'), calendar_of { ics = 'holidays.ics' })", "-n", "1", "--timezone", "UTC"]
    #expect(try HostProcess.run(asked, in: place.path).output.joined().contains(Self.day(6)))

    // An editor renames a finished file over the old one: the holiday is over, work begins.
    try place.replace("holidays.ics", Self.calendar(-30 ... -20))
    try host.awaitLine(containing: "1 changed")
    try host.awaitLine(containing: "at work")

    // Another one empties the file and writes it in two goes: a holiday again, of another length.
    try place.save("holidays.ics", "")
    let text = Self.calendar(-2...9)
    try place.save("holidays.ics", String(text.prefix(60)))
    try place.save("holidays.ics", text)
    try host.awaitLine(containing: "1 changed")
    #expect(try Self.nextFire(place).hasPrefix(Self.day(10)))
    let worked = host.lines.count { $0.text.contains("at work") }

    // A broken one is said with its line; the days stay as they were.
    try place.replace("holidays.ics", text.replacing("DTEND;VALUE=DATE:", with: "DURATION:"))
    try host.awaitLine { $0.contains("a.lua:2: ") && $0.contains("holidays.ics:6: ") }
    let checked = try place.run("check", "scripts")
    #expect(checked.status == 1 && checked.errors.joined().contains("holidays.ics:6: "), "\(checked)")
    #expect(host.lines.count { $0.text.contains("at work") } == worked)

    // Mended, the host follows once more.
    try place.replace("holidays.ics", Self.calendar(-30 ... -20))
    try host.awaitLine(containing: "1 changed")
    try host.awaitLine(containing: "at work")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(host.lines.count { $0.text.contains("holidays.ics:") } == 1, "\(host.text)")
  }
}
