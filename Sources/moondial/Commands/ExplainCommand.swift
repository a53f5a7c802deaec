import ArgumentParser
import Chronology
import Glibc
import Hosting
import JobModel
import ScriptLoading

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
    let stores = try options.open()
    let instant = try at.map { try moondial.instant($0, "--at", in: stores.zone) }
    let members = try JobLookup.stored(job, in: stores)
    if members.isEmpty, !json {
      Terminal.line("\(job) is declared, and nothing of it is kept: no host has seen it yet")
    }
    let now = SystemWallClock().now
    let open = try OpenRuns(stores, now: now)
    for member in members {
      let answer = try ReadStores.orFail { try Answer(member.store, job: job, at: instant, limit: limit) }
      let waits = try self.waits(for: answer, member.store, open, stores)
      if json {
        Terminal.json(try ReadStores.orFail { try answer.json(stores.zone, open, waits) })
      } else {
        if members.count > 1 { Terminal.line("store \(member.name):") }
        for message in try ReadStores.orFail({ try answer.messages(stores.zone, waits) }) { Terminal.line(message) }
      }
    }
    if members.isEmpty, json { Terminal.json("{\"job\":\(JSONObject.quote(job)),\"runs\":[],\"decisions\":[]}") }
  }

  /// What is asked about runs that have not ended; scripts are loaded only when there are some.
  private func waits(
    for answer: Answer, _ store: any InspectableStore, _ open: OpenRuns, _ stores: ReadStores
  ) throws -> WaitCauses {
    let jobs = answer.hasOpenRuns ? stores.generation?.jobs ?? [] : []
    return WaitCauses(
      open: open, jobs: Dictionary(jobs.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }),
      configuration: stores.configuration, zone: stores.zone,
      starts: { job, since in try store.starts(of: job, since: since) })
  }

  /// What a store says of a job: its schedule, its runs and its decision ranges.
  struct Answer {
    let job: String
    let at: Instant?
    let schedule: ScheduleRecord?
    /// Dynamic ones, by id.
    let dynamic: [ScheduleRecord]
    let runs: [RunRecord]
    let ranges: [DecisionRange]
    /// How many more runs and decisions there are before those.
    let more: More
    let causes: LateCauses
    /// Of the files that the job watches: how many have a mark, and the latest that no run succeeded with.
    let markedFiles: Int
    let unsuccessfulFiles: [FileMark]

    init(_ store: any InspectableStore, job: String, at: Instant?, limit: Int) throws(StoreError) {
      self.job = job
      self.at = at
      let schedules = try store.schedules().filter { $0.job == job }
      schedule = schedules.first { $0.dynamic == nil }
      dynamic = schedules.filter { $0.dynamic != nil }
      // Fire times are as exact as a nanosecond, and shown and typed as somebody can read them: all of a second, or of
      // a millisecond.
      let end = at.map { at in
        at.advanced(
          byNanoseconds: at.subsecondNanoseconds == 0
            ? 1_000_000_000 : at.subsecondNanoseconds % 1_000_000 == 0 ? 1_000_000 : 1)
      }
      (runs, ranges, more) = try Self.newest(store, job: job, from: at, to: end, limit: limit)
      causes = try LateCauses(store, job: job, runs: runs, ranges: ranges)
      let marks = try store.files(of: job).filter { !$0.isBeginning }
      markedFiles = marks.count
      let unsuccessful = marks.filter { $0.outcome != nil && $0.outcome != .succeeded }
      unsuccessfulFiles = Array(unsuccessful.sorted { ($1.at, $0.path) < ($0.at, $1.path) }.prefix(limit))
    }

    var hasOpenRuns: Bool { runs.contains { $0.outcome == nil } }

    /// What the limit leaves out.
    struct More {
      var runs = 0
      var ranges = 0
      /// Counting ends here.
      static let most = 1_000
      var isNothing: Bool { runs == 0 && ranges == 0 }
      var message: String {
        func count(_ number: Int, _ noun: String) -> String? {
          number == 0 ? nil : number > Self.most ? "more than \(Self.most) \(noun)s" : counted(number, "more \(noun)")
        }
        let parts = [count(runs, "run"), count(ranges, "decision")].compactMap { $0 }
        return "and \(parts.joined(separator: " and ")) before that: --limit shows more, --at asks about one instant"
      }
    }

    /// The newest runs and ranges in the order in which they were decided, `limit` of both together, so that nothing
    /// lies between those that are shown.
    private static func newest(
      _ store: any InspectableStore, job: String, from: Instant?, to: Instant?, limit: Int
    ) throws(StoreError) -> ([RunRecord], [DecisionRange], More) {
      let found = try store.runs(RunQuery(job: job, from: from, to: to, limit: limit + More.most + 1))
      let decided = try store.decisions(DecisionQuery(job: job, at: from, before: to, limit: limit + More.most + 1))
      var runs = found[...], ranges = decided[...]
      for _ in 0..<limit {
        // Each of the two lists has its newest first.
        let run = runs.first.map { $0.claimedAt ?? $0.scheduledAt }, range = ranges.first?.decidedAt
        if let run, range.map({ run >= $0 }) ?? true {
          runs.removeFirst()
        } else if range != nil {
          ranges.removeFirst()
        }
      }
      return (
        Array(found.dropLast(runs.count)), Array(decided.dropLast(ranges.count)),
        More(runs: runs.count, ranges: ranges.count)
      )
    }

    func messages(_ zone: TimeZoneRules, _ waits: WaitCauses) throws -> [String] {
      var entries = try runs.map { ($0.scheduledAt, try message($0, zone, waits)) }
      entries += ranges.map { ($0.last, message($0, zone)) }
      entries.sort { $0.0 > $1.0 }
      var lines = entries.map(\.1)
      if !more.isNothing { lines.append(more.message) }
      if lines.isEmpty, let at {
        lines.append("\(TimeFormat.time(at, in: zone)) was not a fire time of this job, or its record is pruned")
      }
      if at == nil {
        let own = schedule.map { [message($0, zone)] } ?? []
        lines =
          own + dynamic.prefix(20).map { "schedule \($0.id ?? ""): \(message($0, zone))" } + fileMessages(zone) + lines
        if dynamic.count > 20 {
          lines.insert("and \(dynamic.count - 20) more dynamic schedules", at: own.count + 20)
        }
      }
      return lines
    }

    private func fileMessages(_ zone: TimeZoneRules) -> [String] {
      guard markedFiles > 0 else { return [] }
      return ["\(counted(markedFiles, "file")) known: given to runs that have ended, or passed over"]
        + unsuccessfulFiles.map { mark in
          let outcome = mark.outcome?.rawValue ?? ""
          let run = mark.run.map { " in run \($0)" } ?? ""
          return
            "\(mark.path) \(outcome)\(run) at \(TimeFormat.time(mark.at, in: zone)): it is given again when it is changed"
        }
    }

    private func message(_ schedule: ScheduleRecord, _ zone: TimeZoneRules) -> String {
      if let gone = schedule.orphanedAt {
        return "orphaned since \(TimeFormat.time(gone, in: zone)): its script, or the job in it, is gone"
      }
      if schedule.trigger == nil, !schedule.isPaused {
        return "no trigger: runs on events, with files, after jobs, or when asked"
      }
      let next = schedule.nextFire.map { "next fire time \(TimeFormat.time($0, in: zone))" } ?? "no further fire time"
      return schedule.isPaused ? "paused; \(next) will be skipped" : next
    }

    private func message(_ run: RunRecord, _ zone: TimeZoneRules, _ waits: WaitCauses) throws -> String {
      var text =
        "\(TimeFormat.time(run.scheduledAt, in: zone)) run \(run.id) (\(run.schedule.map { "schedule \($0)" } ?? run.cause.rawValue))"
      guard let outcome = run.outcome else { return try text + ": " + waits.message(of: run) }
      text += ": \(outcome.rawValue)"
      if let started = run.startedAt {
        let late = started.nanoseconds(since: run.scheduledAt)
        if late > 0 { text += ", started \(TimeFormat.span(late)) late" }
        if let why = causes.message(of: run, zone) { text += " (\(why))" }
      }
      if run.missed > 0 { text += ", and stands for \(run.missed) more fire time\(run.missed == 1 ? "" : "s")" }
      if run.attempts > 1 {
        let last = run.retriedAt.map { ", the last one at \(TimeFormat.time($0, in: zone))" } ?? ""
        text += ", after \(run.attempts) attempts\(last)"
      }
      if let error = run.error { text += " (\(error.message))" }
      return text
    }

    private func message(_ range: DecisionRange, _ zone: TimeZoneRules) -> String {
      range.words(in: zone, why: range.kind == .coalesced ? causes.message(ofCoalesced: range) : nil)
    }

    func json(_ zone: TimeZoneRules, _ open: OpenRuns, _ waits: WaitCauses) throws -> String {
      var document = JSONObject()
      document.set("job", job)
      document.set("next_run_time", schedule?.nextFire.map { ISO8601.format($0, in: zone) })
      document.set("paused", schedule?.isPaused)
      document.set("runs", json: JSONObject.array(runs.map { RunRendering.json($0, zone: zone, open) }))
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
      document.set("more_runs", more.runs)
      document.set("more_decisions", more.ranges)
      document.set("sentences", json: JSONObject.array(try messages(zone, waits).map(JSONObject.quote)))
      return document.json
    }
  }
}
