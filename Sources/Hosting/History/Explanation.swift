package import Chronology
package import JobModel
package import ScriptLoading

/// What a host, or a command without one, knows in addition to the stores when it explains a job.
package struct ExplainContext {
  package var zone: TimeZoneRules
  /// Since when the last host is, or was, up.
  package var hostSince: Instant?
  /// Why everything is paused, if it is.
  package var pause: PauseNote?
  package var open: OpenRuns
  /// All jobs as they are declared; asked for only if one of the runs has not ended.
  package var jobs: () -> [JobDefinition]
  /// The job as it is declared; nil: no script does.
  package var job: (String) -> JobDefinition?
  package var configuration: HostConfiguration
  /// The host that a claimed run was given to, if it is not the one that schedules it.
  package var nodes: (RunID) -> String?
  /// Where a claimed run is, or why it is nowhere: a clause. nil: on the host, or nobody can tell.
  package var whereabouts: (RunID) -> String?

  package init(
    zone: TimeZoneRules, hostSince: Instant?, pause: PauseNote?, open: OpenRuns, configuration: HostConfiguration,
    job: @escaping (String) -> JobDefinition?, jobs: @escaping () -> [JobDefinition],
    nodes: @escaping (RunID) -> String? = { _ in nil }, whereabouts: @escaping (RunID) -> String? = { _ in nil }
  ) {
    self.nodes = nodes
    self.whereabouts = whereabouts
    self.job = job
    self.zone = zone
    self.hostSince = hostSince
    self.pause = pause
    self.open = open
    self.configuration = configuration
    self.jobs = jobs
  }
}

/// What stores say of a job: its schedules, its runs and its decision ranges, put into sentences.
///
///     let answer = try Explanation(stores, ExplainQuery(job: "backup"), context).answer()
package struct Explanation {
  private let query: ExplainQuery
  private let context: ExplainContext
  private let schedule: ScheduleRecord?
  /// Dynamic ones, by id.
  private let dynamic: [ScheduleRecord]
  private let runs: [StoredRun]
  private let ranges: [DecisionRange]
  /// How many more runs and decisions there are before those.
  private let more: More
  private let causes: LateCauses
  private let waits: WaitCauses
  private let files: [FileMark]

  private var zone: TimeZoneRules { context.zone }

  package init(_ stores: StoreUnion, _ query: ExplainQuery, _ context: ExplainContext) throws(StoreError) {
    self.query = query
    self.context = context
    let schedules = try stores.schedules(of: query.job)
    let own = schedules.filter { $0.dynamic == nil }
    // Where it was before, it stands still.
    schedule = own.first { $0.orphanedAt == nil } ?? own.first
    dynamic = schedules.filter { $0.dynamic != nil }
    let newest = try Explanation.newest(stores, query, open: context.open.ofJob[query.job] ?? [])
    runs = newest.runs.map { StoredRun(record: context.open.latest($0.record), store: $0.store) }
    (ranges, more) = (newest.ranges, newest.more)
    causes = try LateCauses(
      stores, job: query.job, runs: runs.map(\.record), ranges: ranges, hostSince: context.hostSince)
    files = try stores.files(of: query.job).filter { !$0.isBeginning }
    let jobs = runs.contains { $0.record.outcome == nil } ? context.jobs() : []
    waits = WaitCauses(
      open: context.open, jobs: Dictionary(jobs.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }),
      configuration: context.configuration, zone: context.zone, whereabouts: context.whereabouts,
      starts: { (job, since) throws(StoreError) in try stores.starts(of: job, since: since) })
  }

  /// Of the files that the job watches, the latest that no run succeeded with.
  private var unsuccessfulFiles: [FileMark] {
    let unsuccessful = files.filter { $0.outcome != nil && $0.outcome != .succeeded }
    var bytes = 0
    return Array(
      unsuccessful.sorted { ($1.at, $0.path) < ($0.at, $1.path) }.prefix(query.limit).prefix { mark in
        defer { bytes += mark.path.utf8.count }
        return bytes < Self.fileBytes
      })
  }

  /// Bytes of the files' paths in one answer.
  private static let fileBytes = 64 << 10

  /// Whether nothing at all is kept of it.
  private var isEmpty: Bool { schedule == nil && dynamic.isEmpty && runs.isEmpty && ranges.isEmpty && files.isEmpty }

  // MARK: Choice

  /// What the limit, or the size of the answer, leaves out.
  private struct More {
    var runs = 0
    var ranges = 0
    /// The texts of those that are told fill the answer: a larger limit would show no more.
    var isFull = false
    /// Counting ends here.
    static let most = 1_000
    var isNothing: Bool { runs == 0 && ranges == 0 }
    var message: String {
      func count(_ number: Int, _ noun: String) -> String? {
        number == 0
          ? nil : number > Self.most ? "more than \(Self.most) \(noun)s" : counted(number, "more \(noun)")
      }
      let parts = [count(runs, "run"), count(ranges, "decision")].compactMap { $0 }
      let advice = isFull ? "--at asks about one instant" : "--limit shows more, --at asks about one instant"
      return "and \(parts.joined(separator: " and ")) before that: \(advice)"
    }
  }

  /// The newest runs and ranges in the order in which they were decided, `limit` of both together, and fewer where
  /// their texts fill the answer, so that nothing lies between those that are shown. Runs that have not ended are
  /// among them however much was decided since: what a job waits for is what is asked most.
  private static func newest(
    _ stores: StoreUnion, _ query: ExplainQuery, open: [OpenRuns.Entry]
  ) throws(StoreError) -> (runs: [StoredRun], ranges: [DecisionRange], more: More) {
    // Fire times are as exact as a nanosecond, and shown and typed as somebody can read them: all of a second, or of
    // a millisecond.
    let to = query.at.map { at in
      at.advanced(
        byNanoseconds: at.subsecondNanoseconds == 0
          ? 1_000_000_000 : at.subsecondNanoseconds % 1_000_000 == 0 ? 1_000_000 : 1)
    }
    let most = query.limit + More.most + 1
    var plain = RunQuery(job: query.job, from: query.at, to: to, limit: most)
    plain.isBrief = true
    // Counted and put into order without their texts; those that are told are read again with them, one after another.
    let found = try stores.runs(plain)
    let decided = try stores.decisions(DecisionQuery(job: query.job, at: query.at, before: to, limit: most))
    let asked = open.filter { entry in
      guard let at = query.at, let to else { return true }
      return at <= entry.record.scheduledAt && entry.record.scheduledAt < to
    }
    var told: [StoredRun] = []
    for entry in asked.suffix(query.limit) {
      if let run = try stores.run(entry.record.id) { told.append(run) }
    }
    let isTold = Set(told.map(\.record.id))
    var runs = found.filter { !isTold.contains($0.record.id) }[...], ranges = decided[...]
    var bytes = told.reduce(0) { $0 + textBytes(of: $1.record) }
    var more = More()
    while told.count + (decided.count - ranges.count) < query.limit {
      // Each of the two lists has its newest first.
      let run = runs.first.map { $0.record.claimedAt ?? $0.record.scheduledAt }, range = ranges.first?.decidedAt
      if let run, range.map({ run >= $0 }) ?? true {
        let brief = runs.removeFirst()
        // Gone meanwhile: it was the oldest that is kept.
        guard let whole = try stores.run(brief.record.id) else { continue }
        told.append(whole)
        bytes += textBytes(of: whole.record)
      } else if range != nil {
        ranges.removeFirst()
      } else {
        break
      }
      guard bytes < PageLimit.bytes else {
        more.isFull = true
        break
      }
    }
    (more.runs, more.ranges) = (runs.count, ranges.count)
    told.sort { $0.record.id > $1.record.id }
    return (told, Array(decided.dropLast(ranges.count)), more)
  }

  /// About how many bytes of text a run adds to the answer.
  private static func textBytes(of run: RunRecord) -> Int {
    let message = run.error?.message.utf8.count ?? 0
    // Of a run whose texts are long only the message is told; the sentence has its beginning once more.
    return (run.textBytes <= RunPaging.textBytes ? run.textBytes : message) + min(message, messageBytes)
  }

  /// Bytes of an error's message in a sentence.
  private static let messageBytes = 1_024

  // MARK: Answer

  package func answer() throws(StoreError) -> ExplainAnswer {
    var answer = ExplainAnswer(job: query.job)
    answer.nextRunTime = schedule?.nextFire.map { HostTime($0, in: zone) }
    answer.isPaused = schedule?.isPaused
    answer.runs = runs.map {
      var run = RunAnswer(
        $0.record, state: context.open.phase(of: $0.record).word, store: $0.store, isWhole: false, in: zone)
      if $0.record.outcome == nil { run.node = context.nodes($0.record.id) }
      return run
    }
    answer.decisions = ranges.map { DecisionAnswer($0, sentence: message($0), in: zone) }
    answer.filesKnown = files.count
    answer.filesUnsuccessful = unsuccessfulFiles.map { FileAnswer($0, in: zone) }
    answer.moreRuns = more.runs
    answer.moreDecisions = more.ranges
    answer.sentences = try sentences()
    return answer
  }

  private func sentences() throws(StoreError) -> [String] {
    if isEmpty { return ["\(query.job) is declared, and nothing of it is kept: no host has seen it yet"] }
    var entries: [(Instant, String)] = []
    for run in runs { entries.append((run.record.scheduledAt, try message(run.record))) }
    entries += ranges.map { ($0.last, message($0)) }
    entries.sort { $0.0 > $1.0 }
    var lines = entries.map(\.1)
    if !more.isNothing { lines.append(more.message) }
    if let at = query.at {
      return lines.isEmpty
        ? ["\(TimeFormat.time(at, in: zone)) was not a fire time of this job, or its record is pruned"] : lines
    }
    return pauseMessages + scheduleMessages + fileMessages + lines
  }

  private var pauseMessages: [String] {
    guard let pause = context.pause else { return [] }
    let why = pause.reason.map { ": \($0)" } ?? ""
    return ["everything is paused by \(pause.by) since \(TimeFormat.time(pause.at, in: zone))\(why)"]
  }

  private var scheduleMessages: [String] {
    let job = context.job(query.job)
    func words(_ record: ScheduleRecord) -> [String] {
      ScheduleWords(record: record, job: job, isEverythingPaused: context.pause != nil, zone: zone).sentences
    }
    var lines = schedule.map(words) ?? []
    lines += dynamic.prefix(20).map { "schedule \($0.id ?? ""): \(words($0)[0])" }
    if dynamic.count > 20 { lines.append("and \(dynamic.count - 20) more dynamic schedules") }
    if let labels = job?.onNodes, !labels.isEmpty {
      lines.append("runs on hosts with the label\(labels.count == 1 ? "" : "s") \(labels.joined(separator: ", "))")
    }
    return lines
  }

  private var fileMessages: [String] {
    guard !files.isEmpty else { return [] }
    return ["\(counted(files.count, "file")) known: given to runs that have ended, or passed over"]
      + unsuccessfulFiles.map { mark in
        let run = mark.run.map { " in run \($0)" } ?? ""
        return
          "\(mark.path) \(mark.outcome?.rawValue ?? "")\(run) at \(TimeFormat.time(mark.at, in: zone)): it is given "
          + "again when it is changed"
      }
  }

  private func message(_ run: RunRecord) throws(StoreError) -> String {
    let whose = run.schedule.map { "schedule \($0)" } ?? run.cause.rawValue
    var text = "\(TimeFormat.time(run.scheduledAt, in: zone)) run \(run.id) (\(whose))"
    guard let outcome = run.outcome else { return try text + ": " + waits.message(of: run) }
    text += ": \(outcome.rawValue)"
    if let started = run.startedAt {
      let late = started.nanoseconds(since: run.scheduledAt)
      if late > 0 { text += ", started \(TimeFormat.span(late)) late" }
      if let why = causes.message(of: run, zone) { text += " (\(why))" }
    }
    if run.missed > 0 { text += ", and stands for \(run.missed) more fire time\(run.missed == 1 ? "" : "s")" }
    if run.begunAttempts > 1 {
      let last = run.retriedAt.map { ", the last one at \(TimeFormat.time($0, in: zone))" } ?? ""
      text += ", after \(run.begunAttempts) attempts\(last)"
    }
    if let error = run.error { text += " (\(error.message.cut(toBytes: Self.messageBytes)))" }
    return text
  }

  private func message(_ range: DecisionRange) -> String {
    range.words(in: zone, why: range.kind == .coalesced ? causes.message(ofCoalesced: range) : nil)
  }
}
