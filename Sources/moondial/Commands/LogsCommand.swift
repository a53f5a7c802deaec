import ArgumentParser
import Basics
import Chronology
import HostClient
import Hosting
import JobModel

struct LogsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs", abstract: "What a run wrote, or a job's latest runs.",
    discussion: """
      Examples:
        moondial logs backup --since 1h --level warn
        moondial logs 1042
        moondial logs backup -f
      With -f it goes on until Ctrl-C.
      """)

  @Argument(help: "A job's name, or a run's number.", completion: .custom(Completion.jobsAndRuns)) var subject: String
  @OptionGroup var host: HostChoice
  @Flag(name: [.customShort("f"), .long], help: "Go on with what is written from now on.") var follow = false
  @Option(help: "Only lines written since then: a time, or a duration before now such as 10m.") var since: String?
  @Option(help: "This level and those above: debug, info, warn, error.") var level: String?
  @Option(help: "How many lines, the last ones.") var limit = 200
  @Flag(help: "JSON lines.") var json = false

  func run() throws {
    guard (1...PageLimit.most).contains(limit) else {
      throw CommandFailure(.usage, "--limit \(limit): give a number from 1 to \(PageLimit.most)")
    }
    if let level, LogLevel(rawValue: level) == nil {
      let all = LogLevel.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandFailure(.usage, "--level \(level): the levels are \(all)")
    }
    let client = try host.client
    // A job may be called 7: a number is a run first, as the log shows it.
    let run = subject.hasPrefix("#") || Int64(subject) != nil ? RunID(subject) : nil
    let path = run.map { HostClient.path("runs", "\($0)", "log") } ?? HostClient.path("jobs", subject, "log")
    let since = try since.map { try moment($0, "--since", client) }
    let printer = LogPrinter(client, showsRun: run == nil, json: json)
    let answer = try client.get(
      LogAnswer.self, path, query: [("since", since), ("level", level), ("limit", "\(limit)")])
    if answer.isCut, !json { Terminal.error("moondial: there are lines before these: --limit shows more") }
    printer.show(kept: answer.lines)
    if let progress = answer.progress, !json { Terminal.error("progress: \(progress.text)") }
    guard follow else {
      if answer.lines.isEmpty, !json { Terminal.error("nothing is kept that fits") }
      return
    }
    try CommandFailure.orFail { () throws(ClientFailure) in
      try printer.stream([("run", run.map { "\($0)" }), ("job", run == nil ? subject : nil), ("level", level)]) {
        // What was written since the first answer, and before lines come by themselves.
        let query = [("since", answer.lines.last?.at.text ?? since), ("level", level), ("limit", "\(PageLimit.most)")]
        if let since = try? client.get(LogAnswer.self, path, query: query) { printer.show(kept: since.lines) }
      }
    }
    Terminal.error("moondial: the host has ended")
  }
}

/// A time given as an option, as the host takes it: ISO 8601, or a duration before now.
func moment(_ text: String, _ option: String, _ client: HostClient) throws -> String {
  if let span = try? DurationText.parseNanoseconds(text), span >= 0 {
    return ISO8601.format(SystemWallClock().now.advanced(byNanoseconds: -span), in: .utc)
  }
  return ISO8601.format(try instant(text, option, in: try client.zone()), in: .utc)
}
