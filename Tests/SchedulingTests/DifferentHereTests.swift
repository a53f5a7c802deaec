import Chronology
import Glibc
import JobModel
import Scheduling
import Testing
import Triggers

/// The README's table "Different here", row by row: what users of cron or APScheduler would find different.
@Suite("Different here: the rows of the README's table")
struct DifferentHereTests {
  /// The rows that have a test below, in the order of the table.
  static let tested = [
    "a run that is late", "several missed fire times", "first fire of an interval", "still running when due again",
    "weekday numbers", "a wall time in a DST gap", "a removed job", "an edited interval",
  ]

  @Test("every row has its test here")
  func everyRow() throws {
    let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    let readme = try text(ofFile: folder + "/README.md")
    let lines = readme.split(separator: "\n", omittingEmptySubsequences: false)
    let section = lines.drop { $0 != "## Different here" }.dropFirst().prefix { !$0.hasPrefix("## ") }
    // The first two are the head and the rule below it.
    let rows = section.filter { $0.hasPrefix("|") }.dropFirst(2)
    let names = rows.map { row -> String in
      let cell = row.dropFirst().prefix { $0 != "|" }
      return String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
    #expect(names == Self.tested)
  }

  @Test("a run that is late runs once, however late, unless misfire_grace_time is set")
  func late() {
    let year = 365 * 86_400.0
    var f = Fixture([
      definition("a", every: 86_400 * second), definition("b", every: 86_400 * second) { $0.misfireGraceTime = 0 },
    ])
    f.jump(to: year + 3_600)
    #expect(f.fires("a") == [year])
    #expect(f.fires("b") == [])
    #expect(f.decided("b") == ["misfired 86400.0...\(year) ×365"])
  }

  @Test("several missed fire times are one run, and it counts the others")
  func missed() {
    var f = Fixture([definition("a")])
    f.jump(to: 45)
    #expect(f.orders.map(\.missed) == [3])
    #expect(f.fires("a") == [40])
  }

  @Test("the first fire of an interval is one interval after the job is first seen; run_at_start adds one now")
  func firstFire() {
    var f = Fixture([definition("a"), definition("b") { $0.runAtStart = true }])
    #expect(f.fires("a") == [] && f.fires("b") == [0])
    f.endAll()
    f.advance(to: 10)
    #expect(f.fires("a") == [10] && f.fires("b") == [0, 10])
  }

  @Test(
    "a job that still runs when it is due again is skipped, and that is recorded; or it is queued, or replaced",
    arguments: [
      (OverlapPolicy.skip, [10.0], 0, ["skipped(overlap) 20.0...20.0 ×1"]), (.queue, [10.0, 20], 0, []),
      (.replace, [10.0, 20], 1, []),
    ])
  func overlap(policy: OverlapPolicy, fires: [Double], cancelled: Int, decided: [String]) {
    var f = Fixture([definition("a") { $0.overlap = policy }])
    f.advance(to: 10)
    f.startRun()
    f.advance(to: 20)
    #expect(f.fires("a") == fires && f.cancellations.count == cancelled && f.decided("a") == decided)
    #expect(
      f.events.contains { if case .decided = $0 { true } else { false } } == !decided.isEmpty, "what the log is made of"
    )
  }

  /// The next fire time of a trigger's text in Berlin after a time of a day of March or November 2026, in UTC.
  private func next(_ text: String, after month: Int, _ day: Int, _ hour: Int = 0) throws -> String? {
    let zones = TimeZoneDatabase()
    let context = TriggerContext(zones: zones, zone: try zones.zone(named: "Europe/Berlin"))
    let after = Instant(
      seconds: Int64(CivilDateTime(year: 2026, month: month, day: day, hour: hour, minute: 0).localSeconds))
    return try TriggerText.parse(text, context: context).trigger.next(after: after)?.description
  }

  @Test(
    "weekday numbers: 0 and 7 are Sunday, in tables too",
    arguments: [
      "cron \"0 12 * * 0\"", "cron \"0 12 * * 7\"", "cron { day_of_week = 0, hour = 12, minute = 0 }",
      "cron { day_of_week = \"7\", hour = 12, minute = 0 }", "cron \"0 12 * * sun\"",
    ])
  func weekdays(text: String) throws {
    // 2026-11-22 is a Sunday.
    #expect(try next(text, after: 11, 18) == "2026-11-22T11:00:00Z")
  }

  @Test("a wall time in a DST gap runs once, at the end of the gap")
  func gap() throws {
    #expect(try next("cron \"30 2 * * *\"", after: 3, 28, 12) == "2026-03-29T01:00:00Z")
    #expect(try next("cron \"10,30,50 2 * * *\"", after: 3, 28, 12) == "2026-03-29T01:00:00Z")
    #expect(try next("cron \"10,30,50 2 * * *\"", after: 3, 29, 1) == "2026-03-30T00:10:00Z")
  }

  @Test("a removed job is kept as orphaned, and resumes when it returns")
  func removed() {
    var f = Fixture([definition("a")])
    f.advance(to: 10)
    f.endAll()
    f.core.reconcile([], at: f.now, into: &f.actions)
    f.advance(to: 25)
    #expect(f.schedules["a"]?.orphanedAt == t(10))
    f.core.reconcile([definition("a")], at: f.now, into: &f.actions)
    f.advance(to: 30)
    #expect(f.fires("a") == [10, 30])
    #expect(f.schedules["a"]?.orphanedAt == nil)
  }

  @Test(
    "an edited interval: the last fire + the new interval if that is ahead, else now + the new interval",
    arguments: [(12.0, 5, 15.0), (18.0, 5, 23.0), (12.0, 30, 40.0)])
  func edited(at: Double, interval: Int64, expected: Double) {
    var f = Fixture([definition("a")])
    f.advance(to: at)
    f.endAll()
    f.core.reconcile([definition("a", every: interval * second)], at: f.now, into: &f.actions)
    f.advance(to: expected - 0.5)
    #expect(f.fires("a") == [10])
    f.advance(to: expected)
    #expect(f.fires("a") == [10, expected])
  }

  private struct Unreadable: Error {}
  private func text(ofFile path: String) throws -> String {
    guard let file = unsafe fopen(path, "r") else { throw Unreadable() }
    defer { unsafe fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    // Safe: reads at most as many bytes as the array has.
    let count = unsafe fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
