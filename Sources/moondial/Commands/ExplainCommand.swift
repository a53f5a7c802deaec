import ArgumentParser
import Chronology
import Glibc
import Hosting
import JobModel
import SQLiteStore

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "What became of a job's fire times, and why, in sentences.",
    discussion: "Example:\n  moondial explain backup --at 2026-03-29T03:00")

  @Argument(help: "The job.") var job: String
  @OptionGroup var options: StoreOptions
  @Option(help: "Only what was decided about this instant.") var at: String?
  @Option(help: "How many decisions.") var limit = 10
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    guard (1...10_000).contains(limit) else {
      throw CommandFailure(.usage, "--limit \(limit): give a number from 1 to 10000; --at asks about one instant")
    }
    let zone = options.zone
    let instant = try at.map { try moondial.instant($0, "--at", in: zone) }
    let store = try HistoryStore.open(options.path)
    defer { store.close() }
    let answer: Answer
    do { answer = try Answer(store, job: job, at: instant, limit: limit) } catch { throw CommandFailure("\(error)") }
    guard answer.isKnown else { throw CommandFailure("the store \(options.path) knows no job \"\(job)\"") }
    if json {
      Terminal.json(answer.json(zone))
    } else {
      for sentence in answer.sentences(zone) { Terminal.line(sentence) }
    }
  }

  /// What a store says of a job: its schedule, its runs and its decision ranges.
  struct Answer {
    let job: String
    let at: Instant?
    let schedule: ScheduleRecord?
    /// Those made for it at run time, by id.
    let made: [ScheduleRecord]
    let runs: [RunRecord]
    let ranges: [DecisionRange]
    let causes: LateCauses
    /// Of the files that the job watches: how many have a mark, and the latest that no run succeeded with.
    let markedFiles: Int
    let unsuccessfulFiles: [FileMark]

    init(_ store: SQLiteStore, job: String, at: Instant?, limit: Int) throws(StoreError) {
      self.job = job
      self.at = at
      let schedules = try store.schedules().filter { $0.job == job }
      schedule = schedules.first { $0.made == nil }
      made = schedules.filter { $0.made != nil }
      // Fire times are as exact as a nanosecond, and shown and typed as somebody can read them: all of a second, or of
      // a millisecond.
      let end = at.map { at in
        at.advanced(
          byNanoseconds: at.subsecondNanoseconds == 0
            ? 1_000_000_000 : at.subsecondNanoseconds % 1_000_000 == 0 ? 1_000_000 : 1)
      }
      runs = try store.runs(RunQuery(job: job, from: at, to: end, limit: limit))
      ranges = try store.decisions(DecisionQuery(job: job, at: at, before: end, limit: limit))
      causes = try LateCauses(store, job: job, runs: runs, ranges: ranges)
      let marks = try store.files(of: job).filter { !$0.isBeginning }
      markedFiles = marks.count
      let unsuccessful = marks.filter { $0.outcome != nil && $0.outcome != .succeeded }
      unsuccessfulFiles = Array(unsuccessful.sorted { ($1.at, $0.path) < ($0.at, $1.path) }.prefix(limit))
    }

    var isKnown: Bool { schedule != nil || !made.isEmpty || !runs.isEmpty || !ranges.isEmpty }

    func sentences(_ zone: TimeZoneRules) -> [String] {
      var entries = runs.map { ($0.scheduledAt, sentence($0, zone)) } + ranges.map { ($0.last, sentence($0, zone)) }
      entries.sort { $0.0 > $1.0 }
      var lines = entries.map(\.1)
      if lines.isEmpty, let at {
        lines.append("\(Shown.time(at, in: zone)) was not a fire time of this job, or its record is pruned")
      }
      if at == nil {
        let own = schedule.map { [sentence($0, zone)] } ?? []
        lines =
          own + made.prefix(20).map { "schedule \($0.id ?? ""): \(sentence($0, zone))" } + fileSentences(zone) + lines
        if made.count > 20 {
          lines.insert("and \(made.count - 20) more schedules made at run time", at: own.count + 20)
        }
      }
      return lines
    }

    private func fileSentences(_ zone: TimeZoneRules) -> [String] {
      guard markedFiles > 0 else { return [] }
      return ["\(counted(markedFiles, "file")) known: given to runs that have ended, or passed over"]
        + unsuccessfulFiles.map { mark in
          let outcome = mark.outcome?.rawValue ?? ""
          let run = mark.run.map { " in run \($0)" } ?? ""
          return
            "\(mark.path) \(outcome)\(run) at \(Shown.time(mark.at, in: zone)): it is given again when it is changed"
        }
    }

    private func sentence(_ schedule: ScheduleRecord, _ zone: TimeZoneRules) -> String {
      if let gone = schedule.orphanedAt {
        return "orphaned since \(Shown.time(gone, in: zone)): its script, or the job in it, is gone"
      }
      if schedule.trigger == nil, !schedule.isPaused {
        return "no trigger: runs on events, with files, after jobs, or when asked"
      }
      let next = schedule.nextFire.map { "next fire time \(Shown.time($0, in: zone))" } ?? "no further fire time"
      return schedule.isPaused ? "paused; \(next) will be skipped" : next
    }

    private func sentence(_ run: RunRecord, _ zone: TimeZoneRules) -> String {
      var text =
        "\(Shown.time(run.scheduledAt, in: zone)) run \(run.id) (\(run.schedule.map { "schedule \($0)" } ?? run.cause.rawValue))"
      guard let outcome = run.outcome else {
        return text
          + (run.claimedAt == nil
            ? ": due, and waits: for its turn, an instance to end, or its group or rate"
            : ": claimed, and has not ended")
      }
      text += ": \(outcome.rawValue)"
      if let started = run.startedAt {
        let late = started.nanoseconds(since: run.scheduledAt)
        if late > 0 { text += ", started \(Shown.span(late)) late" }
        if let why = causes.sentence(of: run, zone) { text += " (\(why))" }
      }
      if run.missed > 0 { text += ", and stands for \(run.missed) more fire time\(run.missed == 1 ? "" : "s")" }
      if run.attempts > 1 { text += ", after \(run.attempts) attempts" }
      if let error = run.error { text += " (\(error.message))" }
      return text
    }

    private func sentence(_ range: DecisionRange, _ zone: TimeZoneRules) -> String {
      let first = Shown.time(range.first, in: zone)
      let span = range.first == range.last ? first : "\(first) to \(Shown.time(range.last, in: zone))"
      let count = range.count == 1 ? "" : " (\(range.isAtLeast ? "at least " : "")\(range.count) fire times)"
      let why: String
      switch (range.kind, range.reason) {
      case (.coalesced, _): why = causes.sentence(ofCoalesced: range)
      case (.misfired, .group): why = "misfired: no place in its group came free within its misfire_grace_time"
      case (.misfired, .rate):
        why = "misfired: its rate, or its group's, did not let it start within its misfire_grace_time"
      case (.misfired, _): why = "misfired: later than its misfire_grace_time"
      case (.clock, _): why = "the clock was set far back: armed anew from there"
      case (.skipped, .overlap): why = "skipped: the maximum number of instances was running"
      case (.skipped, .paused): why = "skipped: the job was paused"
      case (.skipped, .disabled): why = "skipped: the job is disabled"
      case (.skipped, .limit): why = "skipped: its queue, catch_up_max or limit was reached"
      case (.skipped, .orphaned): why = "skipped: its script, or the job in it, was gone"
      case (.skipped, .node): why = "skipped: another node runs it"
      case (.skipped, .unscheduled): why = "skipped: its schedule was taken away or replaced before it was claimed"
      case (.skipped, .group), (.skipped, .rate), (.skipped, nil): why = "skipped"
      }
      let whose = range.schedule.map { " of schedule \($0)" } ?? ""
      return "\(span)\(count)\(whose) \(why)"
    }

    func json(_ zone: TimeZoneRules) -> String {
      var document = JSONObject()
      document.set("job", job)
      document.set("next_run_time", schedule?.nextFire.map { ISO8601.format($0, in: zone) })
      document.set("paused", schedule?.isPaused)
      document.set("runs", json: JSONObject.array(runs.map { RunRendering.json($0, zone: zone) }))
      document.set(
        "decisions",
        json: JSONObject.array(
          ranges.map { range in
            var entry = JSONObject()
            entry.set("schedule", range.schedule)
            entry.set("kind", range.kind.rawValue)
            entry.set("reason", range.reason?.rawValue)
            entry.set("first", ISO8601.format(range.first, in: zone))
            entry.set("last", ISO8601.format(range.last, in: zone))
            entry.set("count", range.count)
            entry.set("at_least", range.isAtLeast)
            entry.set("run", range.run?.number)
            return entry.json
          }))
      document.set("files_known", markedFiles)
      document.set(
        "files_unsuccessful",
        json: JSONObject.array(
          unsuccessfulFiles.map { mark in
            var entry = JSONObject()
            entry.set("path", mark.path)
            entry.set("outcome", mark.outcome?.rawValue)
            entry.set("run", mark.run?.number)
            entry.set("at", ISO8601.format(mark.at, in: zone))
            return entry.json
          }))
      document.set("sentences", json: JSONObject.array(sentences(zone).map(JSONObject.quote)))
      return document.json
    }
  }
}
