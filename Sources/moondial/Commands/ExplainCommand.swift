import ArgumentParser
import Chronology
import HostAPI
import Hosting
import JobModel

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "What became of a job's fire times, and why, in sentences.",
    discussion: """
      Example:
        moondial explain backup --at 2026-03-29T03:00
      The host tells if one is up; else the stores do.
      """)

  @Argument(help: "The job.", completion: .custom(Completion.jobs)) var job: String
  @OptionGroup var options: StoreOptions
  @OptionGroup var source: SourceOptions
  @Option(help: "Only what was decided about this instant.") var at: String?
  @Option(help: "How many decisions.") var limit = 10
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    guard (1...PageLimit.most).contains(limit) else {
      throw CommandFailure(
        .usage, "--limit \(limit): give a number from 1 to \(PageLimit.most); --at asks about one instant")
    }
    let source = try answers()
    let instant = try at.map { try moondial.instant($0, "--at", in: source.zone) }
    let answer = try source.explain(ExplainQuery(job: job, at: instant, limit: limit))
    if json { return Terminal.json(try AnswerEncoder.json(answer)) }
    for sentence in answer.sentences { Terminal.line(sentence) }
  }

  private func answers() throws -> any AnswerSource {
    if let host = try source.host(options.directory, options.settings, store: options.store) { return host }
    let stores = try options.open()
    _ = try JobLookup.stored(job, in: stores)
    return try StoreSource(stores)
  }
}
