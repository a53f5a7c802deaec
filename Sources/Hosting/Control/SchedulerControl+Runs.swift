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
    let before = try query.checked()
    if let job = query.job { try checkKnown(job) }
    if query.isOpen { return try openPage(query, before) }
    let tagged = try query.tag.map { (tag) throws(ControlError) in try allJobs(tagged: tag) }
    let page = try reading { () throws(StoreError) in
      try RunPage(stores, query, tagged: tagged, before: before)
    }
    return Page(answers(page.runs), next: page.next)
  }

  /// All stores as one.
  var stores: StoreUnion { StoreUnion(parts.stores) }

  private func answers(_ page: [StoredRun]) -> [RunAnswer] {
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

  /// Those that have not ended and fit, from the scheduler itself.
  private func openPage(_ query: RunsQuery, _ before: RunID?) throws(ControlError) -> Page<RunAnswer> {
    // What has not ended has no outcome.
    if query.outcomes != nil { return Page([]) }
    let tagged = try query.tag.map { (tag) throws(ControlError) in try allJobs(tagged: tag) }
    var before = before
    var page: [RunAnswer] = []
    var looked = 0
    while true {
      let (job, start) = (query.job, before)
      let found = engine.ask { core, _, _ in core.activeRuns(of: job, before: start, limit: PageLimit.most) }
      for active in found {
        let record = active.record
        looked += 1
        if OpenRunFilter(query, tagged).takes(record, { self.lines(ofOpen: record) }) {
          guard page.count < query.limit else { return Page(page, next: PageCursor(id: page.last!.id)) }
          page.append(answer(record, active, nil, isWhole: false))
        }
        if looked >= RunPaging.looks(query) { return Page(page, next: PageCursor(id: record.id.number)) }
      }
      guard found.count == PageLimit.most else { return Page(page) }
      before = found.last?.record.id
    }
  }

  private func lines(ofOpen run: RunRecord) -> [RunLogLine] {
    let found = parts.stores.lazy.compactMap { try? $0.store.log(of: run.id, limit: RunPaging.logLines) }
    return found.first { !$0.isEmpty } ?? []
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

  private func allJobs(tagged tag: String) throws(ControlError) -> Set<String> {
    var names: Set<String> = []
    var rest = directory.all[...]
    while !rest.isEmpty {
      let part = Array(rest.prefix(Self.jobsPerTick))
      rest = rest.dropFirst(part.count)
      names.formUnion(states(at: part).lazy.filter { $0.definition.tags.contains(tag) }.map(\.definition.name))
    }
    return names
  }

  /// - Parameter isWhole: whether long texts are there as a whole; in a list they are cut.
  func answer(_ stored: RunRecord, _ active: ActiveRun?, _ store: String?, isWhole: Bool) -> RunAnswer {
    let record = active?.record ?? stored
    var answer = RunAnswer(record, state: word(record, active), store: store, isWhole: isWhole, in: parts.zone)
    if record.outcome == nil { answer.node = parts.whereabouts(record.id)?.node }
    answer.progress = progress[record.id].map(info)
    if isWhole, answer.progress == nil, let store, let line = try? named(store)?.progress(of: record.id) {
      answer.progress = ProgressInfo(line, in: parts.zone)
    }
    if isWhole, let store, let steps = try? named(store)?.steps(of: record.id), !steps.isEmpty {
      answer.steps = steps.map { StepAnswer($0, in: parts.zone) }
    }
    return answer
  }

  private func word(_ record: RunRecord, _ active: ActiveRun?) -> String {
    // Without one it ended between the two questions, or another process runs it.
    active.map { phase(of: $0).word }
      ?? (record.park != nil ? "parked" : record.claimedAt == nil ? "waiting" : "running")
  }

  func phase(of run: ActiveRun) -> RunPhase {
    switch run.state {
    case .running, .dispatched, .claiming, .finishing: .running
    case .parked: .parked(run.record.park ?? RunPark(position: 0, until: nil, event: nil))
    case .stuck: .stuck
    case .retrying: .retrying(at: run.record.resumesAt ?? now)
    case .ready where run.record.claimedAt != nil: .retrying(at: run.record.resumesAt ?? now)
    case .free, .debouncing, .waiting, .ready: .waiting
    }
  }
}

/// Which of the runs that have not ended a question is about.
package struct OpenRunFilter {
  private let query: RunsQuery
  private let tagged: Set<String>?

  /// - Parameter tagged: the jobs that carry the tag of the question; nil: it has none.
  package init(_ query: RunsQuery, _ tagged: Set<String>?) {
    self.query = query
    self.tagged = tagged
  }

  /// - Parameter lines: of its log.
  package func takes(_ run: RunRecord, _ lines: () -> [RunLogLine]) -> Bool {
    if let job = query.job, run.job != job { return false }
    if let tagged, !tagged.contains(run.job) { return false }
    if let from = query.from, run.scheduledAt < from { return false }
    if let to = query.to, run.scheduledAt >= to { return false }
    guard let text = query.text else { return true }
    if let error = run.error, containsText(text, in: error.message) { return true }
    return lines().contains {
      containsText(text, in: $0.message) || $0.fields.map { containsText(text, in: $0.text) } ?? false
    }
  }
}
