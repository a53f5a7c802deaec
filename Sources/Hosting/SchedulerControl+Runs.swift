internal import Basics
internal import Chronology
package import JobModel
internal import SchedulerService
internal import Scheduling

/// Questions about runs and what they said.
extension SchedulerControl {
  package func runs(_ query: RunsQuery) async throws(ControlError) -> Page<RunAnswer> {
    try await away { () throws(ControlError) in try self.runPage(query) }
  }

  package func run(_ id: RunID) async throws(ControlError) -> RunAnswer {
    try await away { () throws(ControlError) in
      let found = try self.found(id)
      return self.answer(found.record, found.active, found.store, isWhole: true)
    }
  }

  /// A run as a store has it. Throws when none does.
  func record(of id: RunID) throws(ControlError) -> (record: RunRecord, store: String) {
    let found = try found(id)
    return (found.record, found.store)
  }

  private struct FoundRun {
    var record: RunRecord
    var store: String
    var active: ActiveRun?
  }

  /// What is decided about a run is told before it is on disk: who has heard that it ended finds it ended.
  private func found(_ id: RunID) throws(ControlError) -> FoundRun {
    for isLast in [false, true] {
      let stored = try stored(id)
      if let stored, stored.record.outcome != nil { return stored }
      let active = engine.ask { core, _, _ in core.activeRuns([id])[id] }
      if let active {
        return FoundRun(record: active.record, store: stored?.store ?? parts.stores[0].name, active: active)
      }
      if isLast, let stored { return stored }
      awaitWritten()
    }
    throw ControlError(.notFound, "there is no run \(id), or it is kept no more")
  }

  private func stored(_ id: RunID) throws(ControlError) -> FoundRun? {
    for (name, store) in parts.stores {
      let found = try reading { () throws(StoreError) in try store.runs(RunQuery(id: id, limit: 1)) }
      if let record = found.first { return FoundRun(record: record, store: name) }
    }
    return nil
  }

  /// Waits until what was decided so far is on disk; at most a second, since a store may not be writable.
  private func awaitWritten() {
    let deadline = monotonicNow() + 1_000_000_000
    let isHandedOver = Monitor(false)
    engine.post(whenDurable: { _ in isHandedOver.change { $0 = true } }) { _, _, _ in }
    guard isHandedOver.wait(until: deadline, for: { $0 ? true : nil }) == true else { return }
    // What a store was given before takes effect before this.
    let left = Monitor(parts.stores.count)
    for (_, store) in parts.stores { store.apply(StoreBatch()) { _ in left.change { $0 -= 1 } } }
    _ = left.wait(until: deadline) { $0 == 0 ? true : nil }
  }

  private func runPage(_ query: RunsQuery) throws(ControlError) -> Page<RunAnswer> {
    let limit = try PageLimit.checked(query.limit)
    if let from = query.from, let to = query.to, from >= to {
      throw ControlError(.invalid, "the end of the span must be later than its beginning")
    }
    let before = try query.after.map { (cursor) throws(ControlError) in RunID(try cursor.id()) }
    if let job = query.job { try checkKnown(job) }
    if query.isOpen { return openPage(query, before, limit) }
    var tagged: Set<String>?
    if let tag = query.tag { tagged = Set(try allJobs(tagged: tag)) }
    var stores = MergedRuns(self, query, before)
    var page: [(record: RunRecord, store: String)] = []
    var (bytes, looked) = (0, 0)
    var next: PageCursor?
    while let found = try stores.next() {
      looked += 1
      if fits(found.record, found.store, query, tagged) {
        if page.count == limit || bytes > RunPaging.bytes {
          next = PageCursor(id: page.last!.record.id.number)
          break
        }
        bytes += found.record.textBytes
        page.append(found)
      }
      // What is looked for by its text may be rare: the page ends, and says from where to go on.
      if looked == RunPaging.looks(query), page.count < limit {
        next = PageCursor(id: found.record.id.number)
        break
      }
    }
    return Page(answers(page), next: next)
  }

  private func answers(_ page: [(record: RunRecord, store: String)]) -> [RunAnswer] {
    let open = Set(page.lazy.filter { $0.record.outcome == nil }.map(\.record.id))
    let active = open.isEmpty ? [:] : engine.ask { core, _, _ in core.activeRuns(open) }
    var page = page
    if active.count < open.count {
      // Some have ended, and that is not on disk yet.
      awaitWritten()
      for index in page.indices where page[index].record.outcome == nil {
        let id = page[index].record.id
        guard active[id] == nil, let stored = try? stored(id) else { continue }
        page[index].record = stored.record
      }
    }
    return page.map { answer($0.record, active[$0.record.id], $0.store, isWhole: false) }
  }

  /// Those that have not ended, from the scheduler itself.
  private func openPage(_ query: RunsQuery, _ before: RunID?, _ limit: Int) -> Page<RunAnswer> {
    let job = query.job
    let found = engine.ask { core, _, _ in core.activeRuns(of: job, before: before, limit: limit + 1) }
    let page = found.prefix(limit).map { answer($0.record, $0, nil, isWhole: false) }
    return Page(page, next: found.count > limit ? PageCursor(id: page.last!.id) : nil)
  }

  private func fits(_ run: RunRecord, _ store: String, _ query: RunsQuery, _ tagged: Set<String>?) -> Bool {
    if let tagged, !tagged.contains(run.job) { return false }
    guard let text = query.text else { return true }
    if let error = run.error, containsText(text, in: error.message) { return true }
    let lines = (try? named(store)?.log(of: run.id, limit: RunPaging.logLines)) ?? []
    return lines.contains {
      containsText(text, in: $0.message) || $0.fields.map { containsText(text, in: $0.text) } ?? false
    }
  }

  /// Throws for a job that neither the scheduler nor a store has heard of.
  func checkKnown(_ job: String) throws(ControlError) {
    if directory.slot(of: job) != nil { return }
    for (_, store) in parts.stores {
      let isKnown = try reading { () throws(StoreError) in
        if try !store.schedules(of: [job]).isEmpty { return true }
        return try !store.runs(RunQuery(job: job, limit: 1)).isEmpty
      }
      if isKnown { return }
    }
    throw unknown(job)
  }

  private func allJobs(tagged tag: String) throws(ControlError) -> [String] {
    var names: [String] = []
    var rest = directory.all[...]
    while !rest.isEmpty {
      let part = Array(rest.prefix(Self.jobsPerTick))
      rest = rest.dropFirst(part.count)
      names += states(at: part).filter { $0.definition.tags.contains(tag) }.map(\.definition.name)
    }
    return names
  }

  /// - Parameter isWhole: whether long texts are there as a whole; in a list they are cut.
  func answer(_ stored: RunRecord, _ active: ActiveRun?, _ store: String?, isWhole: Bool) -> RunAnswer {
    let record = active?.record ?? stored
    var answer = RunAnswer(
      id: record.id.number, job: record.job, cause: record.cause, scheduledAt: time(record.scheduledAt))
    answer.schedule = record.schedule
    answer.claimedAt = record.claimedAt.map(time)
    answer.startedAt = record.startedAt.map(time)
    answer.lastAttemptAt = record.retriedAt.map(time)
    answer.nextAttemptAt = record.resumesAt.map(time)
    answer.parkedUntil = record.park?.until.map(time)
    answer.waitsFor = record.park?.event
    answer.finishedAt = record.finishedAt.map(time)
    if record.outcome == nil { answer.state = word(record, active) }
    answer.missed = record.missed
    answer.progress = progress[record.id].map(info)
    answer.outcome = record.outcome
    answer.error = record.error.map { ErrorInfo($0) }
    answer.durationMilliseconds = record.knownDuration.map { Double($0) / 1e6 }
    answer.memoryPeakBytes = record.memoryPeakBytes
    answer.attempts = Int(record.attempts)
    if isWhole || record.textBytes <= RunPaging.textBytes {
      answer.result = record.result.map { JSONDocument($0) }
      answer.params = record.params.map { JSONDocument($0) }
      answer.event = record.event.map { JSONDocument($0) }
    } else {
      answer.error?.traceback = nil
      answer.error?.data = nil
    }
    if record.cause == .retry {
      answer.retryOf = record.recovers?.number
    } else {
      answer.recovers = record.recovers?.number
    }
    answer.store = store
    if isWhole, answer.progress == nil, let store, let line = try? named(store)?.progress(of: record.id) {
      answer.progress = info(line)
    }
    if isWhole, let store, let steps = try? named(store)?.steps(of: record.id), !steps.isEmpty {
      answer.steps = steps.map { StepAnswer($0, in: parts.zone) }
    }
    return answer
  }

  private func word(_ record: RunRecord, _ active: ActiveRun?) -> String {
    switch active?.state {
    case .running?, .dispatched?, .claiming?, .finishing?: "running"
    case .stuck?: "stuck"
    case .retrying?: "retrying"
    case .parked?: "parked"
    case .ready? where active?.record.claimedAt != nil: "retrying"
    case .free?, .debouncing?, .waiting?, .ready?: "waiting"
    // It ended between the two questions, or another process runs it.
    case nil: record.park != nil ? "parked" : record.claimedAt == nil ? "waiting" : "running"
    }
  }
}

/// How much of the history one page looks at.
enum RunPaging {
  /// Bytes of texts on a page.
  static let bytes = 512 << 10
  /// Texts of one run in a list; longer ones are only in the answer about the run.
  static let textBytes = 16 << 10
  /// Lines of a run in which a text is looked for.
  static let logLines = 1_000

  /// Runs that are looked at for one page.
  static func looks(_ query: RunsQuery) -> Int {
    query.text != nil ? 1_000 : query.tag != nil ? 20_000 : .max
  }
}

/// Runs of all stores as one list, newest first, read some at a time.
struct MergedRuns {
  private struct Source {
    let name: String
    let store: any JobStore
    var query: RunQuery
    /// Newest last.
    var buffer: [RunRecord] = []
    var isOver = false
  }
  private var sources: [Source]
  private let control: SchedulerControl

  init(_ control: SchedulerControl, _ query: RunsQuery, _ before: RunID?) {
    self.control = control
    var plain = RunQuery(job: query.job, outcomes: query.outcomes, limit: min(query.limit + 1, 1_000))
    plain.from = query.from
    plain.to = query.to
    plain.before = before
    sources = control.parts.stores.map { Source(name: $0.name, store: $0.store, query: plain) }
  }

  /// nil: there are no more.
  mutating func next() throws(ControlError) -> (record: RunRecord, store: String)? {
    for index in sources.indices where sources[index].buffer.isEmpty && !sources[index].isOver {
      let source = sources[index]
      let found = try control.reading { () throws(StoreError) in try source.store.runs(source.query) }
      sources[index].isOver = found.count < source.query.limit
      sources[index].query.before = found.last?.id ?? source.query.before
      sources[index].buffer = found.reversed()
    }
    // One number counts the runs of all stores of a host.
    let newest = sources.indices.filter { !sources[$0].buffer.isEmpty }
      .max { sources[$0].buffer.last!.id < sources[$1].buffer.last!.id }
    guard let newest else { return nil }
    return (sources[newest].buffer.removeLast(), sources[newest].name)
  }
}
