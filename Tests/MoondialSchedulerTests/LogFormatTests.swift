import Chronology
import Foundation
import Glibc
import JobModel
import Testing

@testable import Hosting

/// The forms of the host's log, and who is heard.
@Suite("The log's forms")
struct LogFormatTests {
  private static let line = LogLine(
    run: RunID(7), job: "odd\nname", level: .error, message: "a\nb\u{1B}[2J\u{202E}<0>fake",
    fields: JSONText(#"{"n":1}"#),
    traceback: "one\n2026-01-01T00:00:00.000Z error fake\n<0>two", at: .epoch)

  @Test("text: one line, and a traceback indented under it; nothing in it acts or looks like a record")
  func text() {
    let renderer = LogRenderer(zone: .utc, threshold: .debug)
    #expect(
      renderer.rendered(Self.line) == """
        1970-01-01T00:00:00.000Z error odd\\nname #7: a\\nb\\x1B[2J\\u{202E}<0>fake {"n":1}
            one
            2026-01-01T00:00:00.000Z error fake
            <0>two
        """)
  }

  @Test("journal: the priority before each line, and no time")
  func journal() {
    let renderer = LogRenderer(zone: .utc, threshold: .debug, format: .journal)
    #expect(
      renderer.rendered(Self.line) == """
        <3>error odd\\nname #7: a\\nb\\x1B[2J\\u{202E}<0>fake {"n":1}
        <3>    one
        <3>    2026-01-01T00:00:00.000Z error fake
        <3>    <0>two
        """)
    for (level, priority) in [(LogLevel.debug, "<7>debug m"), (.info, "<6>info  m"), (.warn, "<4>warn  m")] {
      #expect(renderer.rendered(LogLine(run: nil, job: nil, level: level, message: "m", at: .epoch)) == priority)
    }
  }

  @Test("json: one object a line, that says what was said")
  func json() throws {
    let text = LogRenderer(zone: .utc, threshold: .debug, format: .json).rendered(Self.line)
    #expect(!text.contains("\n") && !text.contains("\u{1B}") && !text.contains("\u{202E}"))
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(object["time"] as? String == "1970-01-01T00:00:00.000Z" && object["level"] as? String == "error")
    #expect(object["job"] as? String == "odd\nname" && object["run"] as? Int == 7)
    #expect(object["message"] as? String == Self.line.message && object["traceback"] as? String == Self.line.traceback)
    #expect((object["fields"] as? [String: Int]) == ["n": 1])
    var broken = Self.line
    broken.fields = JSONText("{")
    let other = LogRenderer(zone: .utc, threshold: .debug, format: .json).rendered(broken)
    #expect(try JSONSerialization.jsonObject(with: Data(other.utf8)) is [String: Any])
  }

  @Test("automatic: as the journal wants it where it reads, text elsewhere")
  func automatic() {
    #expect(LogFormat.automatic(environment: [:]) == .text)
    #expect(LogFormat.automatic(environment: ["JOURNAL_STREAM": "1:2"]) == .text)
    var status = stat()
    #expect(unsafe fstat(2, &status) == 0)
    #expect(LogFormat.automatic(environment: ["JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)"]) == .journal)
  }

  @Test("a job's own level counts: by its name, then by the longest beginning of it")
  func levels() {
    let levels = LogLevels(.info, jobs: ["noisy": .error, "etl-*": .debug, "etl-big*": .warn, "etl-one": .info])
    #expect(levels[nil] == .info && levels["other"] == .info && levels["noisy"] == .error)
    #expect(levels["etl-x"] == .debug && levels["etl-bigger"] == .warn && levels["etl-one"] == .info)
    #expect(levels.lowest == .debug)
    let renderer = LogRenderer(zone: .utc, threshold: .info)
    renderer.use(levels: ["noisy": .error, "etl-*": .debug])
    #expect(renderer.threshold == .debug)
    #expect(!renderer.shows(.debug, job: nil) && !renderer.shows(.debug, job: "other"))
    #expect(renderer.shows(.debug, job: "etl-x") && !renderer.shows(.warn, job: "noisy"))
    renderer.use(levels: [:])
    #expect(renderer.threshold == .info && renderer.shows(.warn, job: "noisy"))
  }
}
