import ArgumentParser
import Basics
import Chronology
import Glibc
import Hosting
import JobModel

struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Runs, newest first, from the store, whether a host is up or not.",
    discussion: "Example:\n  moondial history backup --outcome failed --limit 5")

  @Argument(help: "Only runs of this job.") var job: String?
  @OptionGroup var options: StoreOptions
  @Option(help: "How many.") var limit = 20
  @Option(help: "Only this outcome; may be repeated.") var outcome: [String] = []
  @Option(help: "Only runs that were due at or after this time.") var since: String?
  @Option(help: "Only runs that were due before this time.") var until: String?
  @Option(name: .customLong("run"), help: "One run with everything known about it, its log included.") var runID:
    String?
  @Flag(help: "Each run's log lines under it, the last 1,000 of each.") var log = false
  @Flag(help: "JSON lines.") var json = false

  /// Lines of one run that `--log` shows at most.
  private static let linesMax = 1_000

  func run() throws {
    guard limit > 0 else { throw CommandFailure(.usage, "--limit \(limit): give a number above 0") }
    let outcomes = try outcomes()
    let id = try runID.map { text in
      guard let id = RunID(text) else {
        throw CommandFailure(.usage, "--run \(text): a run id is a number, as the log shows it")
      }
      return id
    }
    let stores = try options.open()
    var query = RunQuery(job: job, id: id, outcomes: outcomes, limit: limit)
    query.from = try since.map { try instant($0, "--since", in: stores.zone) }
    query.to = try until.map { try instant($0, "--until", in: stores.zone) }
    if let from = query.from, let to = query.to, from >= to {
      throw CommandFailure(.usage, "--until must be later than --since")
    }
    let members = try job.map { try JobLookup.stored($0, in: stores) } ?? stores.members
    let open = try OpenRuns(stores, now: SystemWallClock().now)
    if let id, !json { return try show(id, query, members, open, stores.zone) }
    var pages = RunPages(members.map(\.store), query)
    // In pages, printed one after the other: a long history needs no memory.
    var shown = 0
    while case let runs = try ReadStores.orFail({ try pages.next() }), !runs.isEmpty {
      if json {
        for record in runs {
          let progress = id == nil ? nil : try progress(of: record, in: members)
          let lines = log ? try lines(of: record, in: members) : nil
          let steps = id == nil ? [] : try steps(of: record, in: members)
          Terminal.json(RunRendering.json(record, progress, lines, steps: steps, zone: stores.zone, open))
        }
      } else {
        try show(runs, members, stores.zone, open, withHeader: shown == 0)
      }
      shown += runs.count
    }
    guard shown == 0 else { return }
    if let id { throw missing(id, members) }
    if !json { Terminal.error(nothing()) }
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
    return outcome.isEmpty && since == nil && until == nil
      ? "no run\(whose) is kept so far" : "no run\(whose) is kept that fits"
  }

  private func progress(of record: RunRecord, in members: [ReadStores.Member]) throws -> RunLogLine? {
    for member in members {
      if let line = try ReadStores.orFail({ try member.store.progress(of: record.id) }) { return line }
    }
    return nil
  }

  private func lines(of record: RunRecord, in members: [ReadStores.Member]) throws -> [RunLogLine] {
    for member in members {
      let lines = try ReadStores.orFail { try member.store.log(of: record.id, limit: Self.linesMax) }
      if !lines.isEmpty { return lines }
    }
    return []
  }

  private func steps(of record: RunRecord, in members: [ReadStores.Member]) throws -> [RunStep] {
    for member in members {
      let steps = try ReadStores.orFail { try member.store.steps(of: record.id) }
      if !steps.isEmpty { return steps }
    }
    return []
  }

  private func missing(_ run: RunID, _ members: [ReadStores.Member]) -> CommandFailure {
    CommandFailure("there is no run \(run) in \(members.map(\.store.location).joined(separator: ", "))")
  }

  private func show(
    _ runs: [RunRecord], _ members: [ReadStores.Member], _ zone: TimeZoneRules, _ open: OpenRuns, withHeader: Bool
  ) throws {
    var table = TextTable(["RUN", "JOB", "SCHEDULED", "OUTCOME", "TOOK", "ATTEMPTS", "ERROR"])
    for record in runs {
      table.add([
        record.id.description, record.schedule.map { "\(record.job) (\($0))" } ?? record.job,
        TimeFormat.time(record.scheduledAt, in: zone), open.word(for: record),
        record.knownDuration.map { TimeFormat.span($0) } ?? "-", String(record.attempts), record.error?.message ?? "",
      ])
    }
    var rows = table.lines[...]
    if let header = rows.popFirst(), withHeader { Terminal.line(header) }
    for (row, record) in zip(rows, runs) {
      Terminal.line(row)
      if log { for line in try lines(of: record, in: members) { Terminal.line("  " + Self.words(line, zone)) } }
    }
  }

  /// `step 2           pay → {"id":7}, attempt 1, 2027-01-31 09:00:00`
  private static func words(_ step: RunStep, _ zone: TimeZoneRules) -> String {
    let result = step.result.map { " → \($0.text.cut(toBytes: 1_024))" } ?? ""
    let attempt = step.attempt > 1 ? ", attempt \(step.attempt)" : ""
    let end = step.finishedAt.map { TimeFormat.time($0, in: zone) }
    let time = end ?? "parked" + (step.until.map { " until \(TimeFormat.time($0, in: zone))" } ?? "")
    return "\(VisibleText.padded("step \(step.position)", to: 16)) \(step.title)\(result)\(attempt), \(time)"
  }

  private static func words(_ line: RunLogLine, _ zone: TimeZoneRules) -> String {
    let fields = line.fields.map { " " + $0.text } ?? ""
    return "\(TimeFormat.time(line.at, in: zone)) \(VisibleText.padded(line.level, to: 5)) \(line.message)\(fields)"
  }

  private func show(
    _ id: RunID, _ query: RunQuery, _ members: [ReadStores.Member], _ open: OpenRuns, _ zone: TimeZoneRules
  ) throws {
    var isFound = false
    for member in members {
      guard let record = try ReadStores.orFail({ try member.store.runs(query) }).first else { continue }
      isFound = true
      for (name, value) in RunRendering.fields(record, zone: zone, open) {
        Terminal.line("\(VisibleText.padded(name, to: 16)) \(value)")
      }
      if let progress = try progress(of: record, in: [member]) {
        Terminal.line(
          "\(VisibleText.padded("progress", to: 16)) \(progress.message), \(TimeFormat.time(progress.at, in: zone))")
      }
      for step in try steps(of: record, in: [member]) { Terminal.line(Self.words(step, zone)) }
      if let traceback = record.error?.traceback { Terminal.block(traceback) }
      for line in try ReadStores.orFail({ try member.store.log(of: record.id, limit: 10_000) }) {
        Terminal.line(Self.words(line, zone))
      }
    }
    if !isFound { throw missing(id, members) }
  }
}

/// Runs of several stores as one list, newest first, some at a time.
struct RunPages {
  private static let pageSize = 1_000

  private struct Source {
    let store: any InspectableStore
    var query: RunQuery
    /// Newest last.
    var buffer: [RunRecord] = []
    var isOver = false
  }
  private var sources: [Source]
  private var left: Int

  init(_ stores: [any InspectableStore], _ query: RunQuery) {
    sources = stores.map { Source(store: $0, query: query) }
    left = query.limit
  }

  /// Empty when there are no more.
  mutating func next() throws(StoreError) -> [RunRecord] {
    var page: [RunRecord] = []
    while page.count < min(left, Self.pageSize) {
      for index in sources.indices where sources[index].buffer.isEmpty && !sources[index].isOver {
        sources[index].query.limit = min(left, Self.pageSize)
        let found = try sources[index].store.runs(sources[index].query)
        sources[index].isOver = found.count < sources[index].query.limit
        sources[index].query.before = found.last?.id ?? sources[index].query.before
        sources[index].buffer = found.reversed()
      }
      // One number counts the runs of all stores of a host.
      let newest = sources.indices.filter { !sources[$0].buffer.isEmpty }
        .max { sources[$0].buffer.last!.id < sources[$1].buffer.last!.id }
      guard let newest else { break }
      page.append(sources[newest].buffer.removeLast())
    }
    left -= page.count
    return page
  }
}
