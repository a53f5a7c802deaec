import ArgumentParser
import Basics
import Chronology
import HostAPI
import Hosting
import JobModel
import ScriptRuntime

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "The jobs, and dynamic schedules, with their trigger in words, next fire time and last outcome.",
    discussion: """
      Example:
        moondial list --tag billing
      The host tells if one is up, with what runs and waits now; else the scripts and the stores do.
      """)

  @OptionGroup var scripts: ScriptOptions
  @OptionGroup var source: SourceOptions
  @Option(help: "Only jobs with this tag.") var tag: String?
  @Option(help: "Only jobs that this script declares (a path below the scripts directory).") var file: String?
  @Option(help: "Only jobs that are in this state: \(JobQuery.State.words).") var status: JobQuery.State?
  @Option(help: "Only jobs with this text in their name, description or tags, in any case.") var text: String?
  @Option(help: "How many. Default: all.") var limit: Int?
  @Option(help: "Begin with the job after this one: the next page.") var after: String?
  @Flag(help: "One JSON document.") var json = false
  @Flag(help: "Only jobs that no script declares any more; the stores keep them in case they return.")
  var orphans = false

  func run() throws {
    if let limit, limit <= 0 { throw CommandFailure(.usage, "--limit \(limit): give a number above 0") }
    if orphans, let status, status != .orphaned {
      throw CommandFailure(.usage, "--orphans is --status orphaned: say one of the two")
    }
    var query = JobQuery(
      tag: tag, file: file, state: orphans ? .orphaned : status, text: text,
      after: after.map { PageCursor(names: [$0]) }, limit: limit ?? .max)
    let source = try self.answers()
    let problems = try source.scriptProblems()
    for line in problems.lines { Terminal.error("moondial: \(line)") }
    if query.state == .orphaned {
      try showOrphans(source, query)
    } else {
      let isAll = query.isPlain && limit == nil && after == nil
      query.limit = limit ?? .max
      try showJobs(source, query, withOrphans: isAll)
    }
    if problems.isError { throw CommandFailure.silent }
  }

  private func answers() throws -> any AnswerSource {
    if let host = try source.host(scripts.directory, scripts.settings) { return host }
    let session = try ScriptSession(
      scripts.directory, scripts.settings, log: LogRenderer(zone: .utc, threshold: .error), sink: SilentLog())
    let generation = try session.loadOnce()
    return try StoreSource(
      ReadStores(
        session, generation: generation, directory: scripts.directory, state: scripts.settings.stateDirectory))
  }

  // MARK: Jobs

  private func showJobs(_ source: any AnswerSource, _ query: JobQuery, withOrphans: Bool) throws {
    var jobs: [JobAnswer] = []
    try source.eachJob(query) { job in
      guard !job.isOrphaned else { return }
      var job = job
      if job.hasMoreSchedules == true {
        job.schedules = try source.allSchedules(of: job.name)
        job.hasMoreSchedules = nil
      }
      jobs.append(job)
    }
    let orphans = withOrphans ? try source.allSchedules().filter(\.isOrphaned) : []
    if json {
      let gone = Dictionary(grouping: orphans, by: \.job).sorted { $0.key < $1.key }.map { name, schedules in
        var job = JobAnswer(name: name)
        job.isOrphaned = true
        job.schedules = schedules
        return job
      }
      return Terminal.json(JSONObject.array(try (jobs + gone).map(AnswerEncoder.json)))
    }
    if let pause = source.pause { Terminal.error("moondial: everything is paused \(pause.words)") }
    // Most hosts have no labels to choose among.
    let isPlaced = jobs.contains { $0.onNodes != nil }
    var table = TextTable(["JOB", "WHEN", "NEXT", "LAST", "NOW"] + (isPlaced ? ["HOSTS WITH"] : []) + ["SCRIPT"])
    func add(_ cells: [String], labels: [String]?, _ location: String) {
      table.add(cells + (isPlaced ? [labels?.joined(separator: ", ") ?? "-"] : []) + [location])
    }
    for job in jobs { show(job, source) { add($0, labels: job.onNodes, $1) } }
    for orphan in orphans {
      add(["\(orphan.job)  \(orphan.id)", orphan.trigger, "orphaned", "-", "-"], labels: nil, "its job is gone")
    }
    for line in table.lines { Terminal.line(line) }
  }

  private func show(
    _ job: JobAnswer, _ source: any AnswerSource, _ add: (_ cells: [String], _ location: String) -> Void
  ) {
    let next = job.nextRunTime.map(source.time) ?? "-"
    let now = job.now ?? "-"
    let location = job.file.map { SourceLocation(file: $0, line: job.line ?? 0).description } ?? "-"
    add(
      [
        job.name, job.trigger ?? "-", !job.isEnabled ? "disabled" : job.pauseWords ?? next,
        job.lastOutcome?.rawValue ?? "-", job.progress.map { "\(now): \($0.text)" } ?? now,
      ], location)
    for schedule in job.schedules {
      let next = job.pauseWords ?? schedule.nextRunTime.map(source.time) ?? "-"
      add(["  \(schedule.id)", schedule.trigger, next, "-", "-"], "dynamic schedule")
    }
  }

  // MARK: Orphans

  /// What the stores keep and no script declares: said once when it came to be, and found here ever after.
  private func showOrphans(_ source: any AnswerSource, _ query: JobQuery) throws {
    var jobs: [JobAnswer] = []
    try source.eachJob(query) { jobs.append($0) }
    if json { return Terminal.json(JSONObject.array(try jobs.map(AnswerEncoder.json))) }
    if jobs.isEmpty { return Terminal.line("every job that the store knows is declared by a script") }
    var table = TextTable(["JOB", "WHEN", "SINCE", "LAST"])
    for job in jobs {
      let dynamic = job.schedules.isEmpty ? "" : ", and \(counted(job.schedules.count, "dynamic schedule"))"
      table.add([
        job.name, (job.trigger ?? "when asked") + dynamic, job.orphanedAt.map(source.time) ?? "the next start",
        job.lastOutcome?.rawValue ?? "-",
      ])
    }
    for line in table.lines { Terminal.line(line) }
  }
}

extension JobAnswer {
  /// What stands where a paused job has no next fire time; nil: it is not paused.
  fileprivate var pauseWords: String? {
    if isPaused { return pause?.reason.map { "paused: " + VisibleText.line($0) } ?? "paused" }
    return isPausedWithAll == true ? "paused with everything" : nil
  }
}

extension JobQuery.State: ExpressibleByArgument {
  static var words: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
