import Chronology
import JobModel
import ScriptFixtures
import Testing
import TestSupport
import Triggers

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("scripts use calendar files of the snapshot")
struct LoadCalendarTests {
  private let fixture: LoadFixture
  init() throws { fixture = try LoadFixture() }
  private init(_ fixture: LoadFixture) { self.fixture = fixture }

  private static let script = "job 'x' { trigger = calendar_of { ics = 'days.ics' }, run = function() end }"
  private static let other = "job 'y' { every = '1m', run = function() end }"

  private static func calendar(_ day: String) -> String {
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:\(day)\nEND:VEVENT\nEND:VCALENDAR\n"
  }

  private func load(
    _ files: KeyValuePairs<String, String>, after previous: LoadedGeneration? = nil, changes: Set<ScriptPath> = []
  ) -> LoadedGeneration {
    fixture.loader.load(
      DirectorySnapshot(
        files.map { path, text in
          let path = ScriptPath(path)
          return ScriptFile(path, FileNaming.kind(of: path)!, .success(FileContent(Array(text.utf8))))
        }), after: previous, changes: changes)
  }

  private func next(_ generation: LoadedGeneration) -> String? {
    generation.job(named: "x")?.trigger?.next(after: LoadFixture.clock.now)?.description
  }

  @Test("a calendar that changes changes the jobs that use it, and no script that does not")
  func change() {
    let first = load(["a.lua": Self.script, "b.lua": Self.other, "days.ics": Self.calendar("20270101")])
    #expect(next(first) == "2027-01-01T00:00:00Z")
    let second = load(["a.lua": Self.script, "b.lua": Self.other, "days.ics": Self.calendar("20270202")], after: first)
    #expect(next(second) == "2027-02-02T00:00:00Z")
    #expect(second.changes(since: first) == GenerationChanges(changed: ["x"]))
    #expect(first.scripts[1].evaluation === second.scripts[1].evaluation)
  }

  @Test("other text with the same days changes nothing")
  func sameDays() {
    let first = load(["a.lua": Self.script, "days.ics": Self.calendar("20270101")])
    let second = load(["a.lua": Self.script, "days.ics": "\n" + Self.calendar("20270101")], after: first)
    #expect(second.changes(since: first).isEmpty)
  }

  @Test("a broken calendar is an error with its line, and the last good version stays")
  func broken() {
    let first = load(["a.lua": Self.script, "days.ics": Self.calendar("20270101")])
    let second = load(["a.lua": Self.script, "days.ics": Self.calendar("20271301")], after: first)
    #expect(next(second) == "2027-01-01T00:00:00Z" && second.scripts[0].status == .stale)
    #expect(
      second.errors.map(\.description) == [
        "a.lua:1: calendar_of { ics = \"days.ics\" }: days.ics:4: DTSTART 20271301: the month 13 is outside 1-12"
      ])
    let third = load(["a.lua": Self.script, "days.ics": Self.calendar("20270303")], after: second)
    #expect(next(third) == "2027-03-03T00:00:00Z" && third.errors.isEmpty)
  }

  @Test(
    "a calendar that ends in the middle is waited for, and an error only if it stays so",
    arguments: ["", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTST", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\n"])
  func half(text: String) throws {
    let fixture = try LoadFixture(retries: [true, false, false])
    let test = LoadCalendarTests(fixture)
    let first = test.load(["a.lua": Self.script, "days.ics": Self.calendar("20270101")])
    let half = test.load(["a.lua": Self.script, "days.ics": text], after: first)
    #expect(half.errors.isEmpty && test.next(half) == "2027-01-01T00:00:00Z")
    let still = test.load(["a.lua": Self.script, "days.ics": text], after: half, changes: [ScriptPath("days.ics")])
    #expect(still.errors.count == 1 && test.next(still) == "2027-01-01T00:00:00Z", "\(still.errors)")
    #expect(fixture.retried == [ScriptPath("days.ics"), ScriptPath("days.ics")])
    // What is wrong in a whole file is said at once.
    let broken = test.load(["a.lua": Self.script, "days.ics": Self.calendar("2027")], after: still)
    #expect(broken.errors.count == 1 && fixture.retried.count == 2)
  }

  @Test("a calendar that is missing is an error until it comes")
  func missing() {
    let first = load(["a.lua": Self.script, "day.ics": Self.calendar("20270101")])
    #expect(
      first.errors.map(\.description) == [
        "a.lua:1: calendar_of { ics = \"days.ics\" }: there is no file days.ics in the scripts directory; did you mean \"day.ics\"?"
      ])
    let second = load(["a.lua": Self.script, "days.ics": Self.calendar("20270101")], after: first)
    #expect(next(second) == "2027-01-01T00:00:00Z" && second.errors.isEmpty)
  }

  @Test("each script that uses a calendar follows it, also through a combination")
  func shared() {
    let daily = "job 'z' { trigger = only(cron '0 9 * * *', calendar_of { ics = './days.ics' }), run = function() end }"
    let first = load(["a.lua": Self.script, "c.lua": daily, "days.ics": Self.calendar("20270101")])
    let second = load(["a.lua": Self.script, "c.lua": daily, "days.ics": Self.calendar("20270102")], after: first)
    #expect(second.changes(since: first) == GenerationChanges(changed: ["x", "z"]))
  }

  @Test("a calendar elsewhere is read by its absolute path, and every later scan has it")
  func elsewhere() throws {
    let disk = EditedDirectory()
    disk.write("a.lua", "")
    disk.makeDirectory("../out")
    disk.write("../out/days.ics", Self.calendar("20270101"))
    let directory = ScriptDirectory(disk.path)
    let path = ScriptPath(AbsolutePath.make(disk.absolute("../out/days.ics")))
    let before = directory.scan()
    #expect(before.snapshot[path] == nil)
    #expect(directory.calendarElsewhere(path.text) != nil)
    var watched: [WatchRole] = []
    let after = directory.scan(after: before.snapshot, isFull: false) { watched.append($1) }
    #expect(after.snapshot[path]?.kind == .calendar)
    #expect(watched.contains(.elsewhere("days.ics", path)))
    disk.write("../out/days.ics", Self.calendar("20270202"))
    #expect(directory.scan(after: after.snapshot).snapshot.changes(since: after.snapshot) == [path])
  }
}
