import ArgumentParser
import Basics
import Chronology
import HostAPI
import Hosting
import JobModel

struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Runs, newest first, whether a host is up or not.",
    discussion: """
      Example:
        moondial history backup --outcome failed --limit 5
      The host tells if one is up; else the stores do.
      """)

  @Argument(help: "Only runs of this job.", completion: .custom(Completion.jobs)) var job: String?
  @OptionGroup var options: StoreOptions
  @OptionGroup var source: SourceOptions
  @Option(help: "How many.") var limit = 20
  @Option(help: "Only runs of jobs that carry this tag now.") var tag: String?
  @Option(help: "Only this outcome; may be repeated.") var outcome: [String] = []
  @Flag(help: "Only runs that have not ended.") var open = false
  @Option(help: "Only runs that were due at or after this time.") var since: String?
  @Option(help: "Only runs that were due before this time.") var until: String?
  @Option(help: "Only runs with this text in their error or in a line of their log, in any case.") var text: String?
  @Option(help: "Begin with the run before this one: the next page.") var after: String?
  @Option(
    name: .customLong("run"), help: "One run with everything known about it, its log included.",
    completion: .custom(Completion.runs))
  var runID: String?
  @Flag(help: "Each run's log lines under it, the last 1,000 of each.") var log = false
  @Flag(help: "JSON lines.") var json = false

  /// Lines of one run that `--log` shows at most.
  private static let linesMax = 1_000

  func run() throws {
    var query = try query()
    let id = try runID.map { try HistoryCommand.run($0, "--run") }
    let source = try answers()
    query.from = try since.map { try instant($0, "--since", in: source.zone) }
    query.to = try until.map { try instant($0, "--until", in: source.zone) }
    if let from = query.from, let to = query.to, from >= to {
      throw CommandFailure(.usage, "--until must be later than --since")
    }
    if let id { return try show(id, source) }
    // In pages, printed one after the other.
    var isFirst = true
    try source.eachPage(query) { runs in
      if json { try print(runs, source) } else { try show(runs, source, withHeader: isFirst) }
      isFirst = false
    }
    if isFirst, !json { Terminal.error(nothing()) }
  }

  private func query() throws -> RunsQuery {
    guard limit > 0 else { throw CommandFailure(.usage, "--limit \(limit): give a number above 0") }
    var query = RunsQuery(job: job, outcomes: try outcomes(), limit: limit)
    query.tag = tag
    query.isOpen = open
    query.text = text
    query.after = try after.map { PageCursor("\(try HistoryCommand.run($0, "--after"))") }
    if open, !outcome.isEmpty {
      throw CommandFailure(.usage, "a run that has not ended has no outcome: say --open or --outcome")
    }
    return query
  }

  private static func run(_ text: String, _ option: String) throws -> RunID {
    guard let id = RunID(text) else {
      throw CommandFailure(.usage, "\(option) \(text): a run id is a number, as the log shows it")
    }
    return id
  }

  private func answers() throws -> any AnswerSource {
    if let host = try source.host(options.directory, options.settings, store: options.store) { return host }
    let stores = try options.open()
    if let job { _ = try JobLookup.stored(job, in: stores) }
    return try StoreSource(stores)
  }

  private func outcomes() throws -> Set<Outcome>? {
    if outcome.isEmpty { return nil }
    return Set(
      try outcome.map { name in
        guard let outcome = Outcome(rawValue: name) else {
          let all = Outcome.allCases.map(\.rawValue).joined(separator: ", ")
          throw CommandFailure(.usage, "--outcome \(name): the outcomes are \(all)")
        }
        return outcome
      })
  }

  private func nothing() -> String {
    let whose = job.map { " of \($0)" } ?? ""
    let isAll = outcome.isEmpty && since == nil && until == nil && tag == nil && text == nil && after == nil && !open
    return isAll ? "no run\(whose) is kept so far" : "no run\(whose) is kept that fits"
  }

  // MARK: Lists

  private func print(_ runs: [RunAnswer], _ source: any AnswerSource) throws {
    for run in runs {
      // A list leaves long texts out.
      let whole = run.isCut ? try source.run(run.runID) : run
      let lines = log ? try source.log(of: run.runID, limit: Self.linesMax).lines : nil
      Terminal.json(try AnswerEncoder.json(RunWithLog(run: whole, log: lines)))
    }
  }

  private func show(_ runs: [RunAnswer], _ source: any AnswerSource, withHeader: Bool) throws {
    var table = TextTable(["RUN", "JOB", "SCHEDULED", "OUTCOME", "TOOK", "ATTEMPTS", "ERROR"])
    for run in runs {
      table.add([
        "\(run.id)", run.schedule.map { "\(run.job) (\($0))" } ?? run.job, source.time(run.scheduledAt), run.word,
        run.took ?? "-", "\(run.attempts)", run.error?.message ?? "",
      ])
    }
    var rows = table.lines[...]
    if let header = rows.popFirst(), withHeader { Terminal.line(header) }
    for (row, run) in zip(rows, runs) {
      Terminal.line(row)
      guard log else { continue }
      for line in try source.log(of: run.runID, limit: Self.linesMax).lines {
        Terminal.line("  " + Self.words(line, source))
      }
    }
  }

  private static func words(_ line: LogLineAnswer, _ source: any AnswerSource) -> String {
    let fields = line.fields.map { " " + $0.text } ?? ""
    return "\(source.time(line.at)) \(VisibleText.padded(line.level, to: 5)) \(line.message)\(fields)"
  }

  /// `step 2           pay → {"id":7}, attempt 1, 2027-01-31 09:00:00`
  private static func words(_ step: StepAnswer, of run: RunAnswer, _ source: any AnswerSource) -> String {
    let result = step.result.map { " → \($0.text.cut(toBytes: 1_024))" } ?? ""
    let attempt = step.attempt > 1 ? ", attempt \(step.attempt)" : ""
    let time =
      if let end = step.finishedAt {
        source.time(end)
      } else if run.outcome != nil {
        "not over when the run ended"
      } else {
        "parked" + (step.until.map { " until \(source.time($0))" } ?? "")
      }
    return "\(VisibleText.padded("step \(step.position)", to: 16)) \(step.title)\(result)\(attempt), \(time)"
  }

  // MARK: One run

  private func show(_ id: RunID, _ source: any AnswerSource) throws {
    let run = try source.run(id)
    if json {
      let lines = log ? try source.log(of: id, limit: Self.linesMax).lines : nil
      return Terminal.json(try AnswerEncoder.json(RunWithLog(run: run, log: lines)))
    }
    for (name, value) in run.fields(source) {
      Terminal.line("\(VisibleText.padded(name, to: 16)) \(value)")
    }
    if let progress = run.progress {
      Terminal.line("\(VisibleText.padded("progress", to: 16)) \(progress.text), \(source.time(progress.at))")
    }
    for step in run.steps ?? [] { Terminal.line(Self.words(step, of: run, source)) }
    if let traceback = run.error?.traceback { Terminal.block(traceback) }
    let log = try source.log(of: id, limit: Self.linesMax)
    if log.isCut { Terminal.line("… (the last \(log.lines.count) lines)") }
    for line in log.lines { Terminal.line(Self.words(line, source)) }
  }
}

/// A run as JSON, with lines of its log where they are asked for.
private struct RunWithLog: Encodable {
  var run: RunAnswer
  var log: [LogLineAnswer]?

  private enum CodingKeys: String, CodingKey { case log }

  func encode(to encoder: any Encoder) throws {
    try run.encode(to: encoder)
    // The same object goes on.
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encodeIfPresent(log, forKey: .log)
  }
}

extension RunAnswer {
  fileprivate var runID: RunID { RunID(id) }

  /// How it ended, or where it stands.
  fileprivate var word: String { outcome?.rawValue ?? state ?? "-" }

  fileprivate var took: String? {
    guard outcome != nil, let durationMilliseconds else { return nil }
    // Beyond the range of a number there is only a store that somebody has written to.
    return TimeFormat.span(Int64(exactly: (durationMilliseconds * 1e6).rounded()) ?? .max)
  }

  /// Everything but the log, in words.
  fileprivate func fields(_ source: any AnswerSource) -> [(String, String)] {
    var fields = [("run", "\(id)"), ("job", job)]
    if let schedule { fields.append(("schedule", schedule)) }
    fields += [("cause", cause.rawValue), ("scheduled_at", source.time(scheduledAt))]
    let times = [
      ("claimed_at", claimedAt), ("started_at", startedAt), ("last_attempt_at", lastAttemptAt),
      ("next_attempt_at", nextAttemptAt), ("parked_until", parkedUntil), ("finished_at", finishedAt),
    ]
    for (name, time) in times { if let time { fields.append((name, source.time(time))) } }
    if let waitsFor { fields.append(("waits_for", waitsFor)) }
    if let node { fields.append(("node", node)) }
    fields += [("outcome", word), ("attempts", "\(attempts)")]
    if missed > 0 { fields.append(("missed", "\(missed)")) }
    if outcome != nil { fields.append(("took", took ?? "-")) }
    if memoryPeakBytes > 0 { fields.append(("memory_peak", "\(memoryPeakBytes) bytes")) }
    if let params { fields.append(("params", params.text)) }
    if let event { fields.append(("event", event.text)) }
    if let result { fields.append(("result", result.text)) }
    if let error { fields.append(("error", error.message)) }
    return fields
  }
}
