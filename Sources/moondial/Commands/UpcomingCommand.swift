import ArgumentParser
import Basics
import Chronology
import HostClient
import Hosting

struct UpcomingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upcoming",
    abstract: "The fires to come of all jobs, as a table and as a strip; schedules that fire often are one line each.",
    discussion: "Examples:\n  moondial upcoming\n  moondial upcoming --hours 168 --tag billing")

  @Option(help: "How far to look, in hours, at most 768.") var hours = 24
  @Option(help: "Only this job.", completion: .custom(Completion.jobs)) var job: String?
  @Option(help: "Only jobs with this tag.") var tag: String?
  @Option(help: "How many fires.") var limit = 100
  @OptionGroup var host: HostChoice
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    guard (1...768).contains(hours) else {
      throw CommandFailure(.usage, "--hours \(hours): give a number from 1 to 768")
    }
    guard (1...PageLimit.most).contains(limit) else {
      throw CommandFailure(.usage, "--limit \(limit): give a number from 1 to \(PageLimit.most)")
    }
    let client = try host.client
    let query: [(name: String, value: String?)] = [
      ("hours", "\(hours)"), ("job", job), ("tag", tag), ("limit", "\(limit)"),
    ]
    if json { return try client.printJSON("GET", HostClient.path("upcoming"), query: query) }
    let answer = try client.get(UpcomingAnswer.self, HostClient.path("upcoming"), query: query)
    show(answer, try client.zone())
  }

  private func show(_ answer: UpcomingAnswer, _ zone: TimeZoneRules) {
    let strip = FireStrip(answer)
    for line in strip.lines(in: zone) { Terminal.line(line) }
    if !answer.frequent.isEmpty {
      var table = TextTable(["OFTEN", "WHEN", "FIRES", "NEXT"])
      for line in answer.frequent {
        table.add([
          line.schedule.map { "\(line.job) (\($0))" } ?? line.job, line.trigger,
          "\(line.isAtLeast ? "at least " : "")\(line.count)", line.isPaused ? "paused" : line.first.short,
        ])
      }
      for line in table.lines { Terminal.line(line) }
    }
    if !answer.fires.isEmpty {
      var table = TextTable(["AT", "JOB", ""])
      for fire in answer.fires {
        table.add([
          fire.at.short, fire.schedule.map { "\(fire.job) (\($0))" } ?? fire.job,
          fire.isPaused ? "paused: skipped" : fire.run.map { "run \($0) goes on" } ?? "",
        ])
      }
      for line in table.lines { Terminal.line(line) }
    }
    if answer.isCut { Terminal.error("moondial: there are more: --limit shows them, --job and --tag choose") }
    if answer.fires.isEmpty, answer.frequent.isEmpty { Terminal.error("nothing falls due in the next \(hours) h") }
  }
}

/// Fires of a span as a row of characters, the higher the more fires fall into a column.
struct FireStrip {
  private static let heights: [Character] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
  private let from: Instant
  private let width: Int64
  private let counts: [Int]

  init(_ answer: UpcomingAnswer) {
    from = answer.from.instant
    counts = answer.counts
    width = max(1, answer.to.instant.nanoseconds(since: from) / Int64(max(1, counts.count)))
  }

  /// The strip between two lines that say when it begins and ends; nothing without fires.
  func lines(in zone: TimeZoneRules) -> [String] {
    guard let most = counts.max(), most > 0 else { return [] }
    let top = FireStrip.heights.count - 1
    let strip = counts.map { count in
      FireStrip.heights[count == 0 ? 0 : min(top, max(1, (count * top + most - 1) / most))]
    }
    let end = from.advanced(byNanoseconds: width * Int64(counts.count))
    let (first, last) = (
      String(TimeFormat.time(from, in: zone).prefix(16)), String(TimeFormat.time(end, in: zone).prefix(16))
    )
    let room = max(1, counts.count + 2 - first.count - last.count)
    return [
      "|" + String(strip) + "|  at most \(most) in \(TimeFormat.span(width))",
      first + String(repeating: " ", count: room) + last,
    ]
  }
}
