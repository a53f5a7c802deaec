internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import Synchronization
internal import Triggers

/// Questions about jobs.
extension SchedulerControl {
  package func jobs(_ query: JobQuery) async throws(ControlError) -> Page<JobAnswer> {
    try await away { () throws(ControlError) in try self.jobPage(query) }
  }

  package func job(_ name: String) async throws(ControlError) -> JobAnswer {
    try await away { () throws(ControlError) in
      let slot = try self.slot(of: name)
      guard let state = self.states(at: [slot]).first else { throw self.unknown(name) }
      return self.answers([state]).first!
    }
  }

  /// Where a job is. Throws for a name that nobody has declared, with the nearest ones.
  func slot(of name: String) throws(ControlError) -> JobSlot {
    guard let slot = directory.slot(of: name) else { throw unknown(name) }
    return slot
  }

  func unknown(_ name: String) -> ControlError {
    let near = closestNames(to: name, among: directory.all.lazy.map(\.name))
    return ControlError(.notFound, "no job is named \"\(name)\"\(near)")
  }

  func states(at slots: [JobSlot]) -> [JobState] { engine.ask { core, _, _ in core.jobStates(at: slots) } }

  private func jobPage(_ query: JobQuery) throws(ControlError) -> Page<JobAnswer> {
    let limit = try PageLimit.checked(query.limit)
    let start = try query.after.map { (cursor) throws(ControlError) in try cursor.names(1)[0] }
    let all = directory.all
    var rest = all[...]
    if let start { rest = rest[partition(all) { $0.name > start }...] }
    var found: [JobState] = []
    // Some at a time: where few jobs fit, many have to be looked at.
    while found.count <= limit, !rest.isEmpty {
      let part = rest.prefix(max(limit + 1, query.isPlain ? 0 : Self.jobsPerTick))
      rest = rest.dropFirst(part.count)
      found += states(at: Array(part)).filter { query.matches($0) }
    }
    let page = found.prefix(limit)
    let next = found.count > limit ? PageCursor(names: [page.last!.definition.name]) : nil
    return Page(answers(Array(page)), next: next)
  }

  /// The first index from which on `isAfter` holds.
  private func partition(_ slots: [JobSlot], _ isAfter: (JobSlot) -> Bool) -> Int {
    var (low, high) = (0, slots.count)
    while low < high {
      let middle = (low + high) / 2
      if isAfter(slots[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  func answers(_ states: [JobState]) -> [JobAnswer] {
    let schedules = dynamicSchedules(of: Set(states.map(\.definition.name)))
    return states.map { state in
      var answer = answer(state)
      answer.schedules = Array((schedules[answer.name] ?? []).prefix(Self.schedulesOfJob))
      return answer
    }
  }

  /// Dynamic schedules that an answer about a job lists.
  static let schedulesOfJob = 100

  private func answer(_ state: JobState) -> JobAnswer {
    let definition = state.definition
    var answer = JobAnswer(name: definition.name)
    answer.trigger = definition.whenInWords
    answer.lua = definition.trigger?.lua
    answer.timeZone = definition.timeZone
    answer.nextRunTime = state.isOrphaned ? nil : state.nextFire.map(time)
    answer.lastOutcome = state.lastOutcome ?? formerOutcome(of: definition.name, in: state.store)
    answer.running = state.claimed
    answer.waiting = state.waiting
    if state.claimed == 1, let run = state.latestRun, let note = progress[run] { answer.progress = info(note) }
    answer.isEnabled = definition.enabled
    answer.isPaused = state.isPaused
    answer.pause = state.pause.map(info)
    answer.isOrphaned = state.isOrphaned
    if state.isOrphaned { answer.orphanReason = reasonOfOrphan(definition.name) }
    answer.file = definition.source.file
    answer.line = definition.source.line
    answer.tags = definition.tags
    answer.description = definition.description
    answer.priority = definition.priority
    answer.group = definition.group
    answer.store = state.store
    answer.executor = state.executor
    answer.overlap = definition.overlap.rawValue
    answer.maxInstances = definition.maxInstances
    answer.params = definition.params.map { JSONDocument($0) }
    return answer
  }

  private func reasonOfOrphan(_ job: String) -> String {
    scripts?.reasonOfOrphan(job) ?? "nobody declares it any more: kept, not run until somebody does"
  }

  func info(_ note: PauseNote) -> PauseInfo { PauseInfo(reason: note.reason, by: note.by, at: time(note.at)) }

  func info(_ note: ProgressNote) -> ProgressInfo {
    ProgressInfo(text: note.progress.words, fraction: note.progress.fraction, at: time(note.at))
  }

  /// How the latest run of a job ended before this start: looked up once, since it does not change.
  private func formerOutcome(of job: String, in store: String) -> Outcome? {
    if let known = observed.withLock({ $0.formerOutcomes[job] }) { return known }
    let query = RunQuery(job: job, outcomes: Set(Outcome.allCases), to: nil, limit: 1)
    let found = (try? named(store)?.runs(query))?.first
    // One of this life is not the answer for long.
    guard found?.finishedAt.map({ $0 < startedAt }) ?? true else { return found?.outcome }
    observed.withLock { observed in
      if observed.formerOutcomes.count > 200_000 { observed.formerOutcomes = [:] }
      observed.formerOutcomes[job] = .some(found?.outcome)
    }
    return found?.outcome
  }

  func named(_ store: String) -> (any JobStore)? { parts.stores.first { $0.name == store }?.store }
}

extension JobQuery {
  /// Whether every job fits.
  var isPlain: Bool { tag == nil && file == nil && state == nil && text == nil }

  func matches(_ job: JobState) -> Bool {
    if let tag, !job.definition.tags.contains(tag) { return false }
    if let file, job.definition.source.file != file { return false }
    if let text {
      let texts = [job.definition.name, job.definition.description ?? ""] + job.definition.tags
      guard texts.contains(where: { containsText(text, in: $0) }) else { return false }
    }
    switch state {
    case nil: return true
    case .enabled: return !job.isOrphaned && job.definition.enabled && !job.isPaused
    case .disabled: return !job.isOrphaned && !job.definition.enabled
    case .paused: return !job.isOrphaned && job.isPaused
    case .orphaned: return job.isOrphaned
    case .running: return job.claimed > 0
    case .failing: return job.lastOutcome.map { $0.isFailure } ?? false
    }
  }
}
