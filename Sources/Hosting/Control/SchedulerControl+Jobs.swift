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
      let state = self.directory.slot(of: name).flatMap { self.states(at: [$0]).first }
      guard let state else { return try self.storedOrphan(name) }
      var answer = self.answers([state])[0]
      let last = try self.reading { () throws(StoreError) in
        try self.named(state.store)?.lastRuns(of: [name])[name]
      }
      answer.lastRunTime = last.map { self.time($0.startedAt ?? $0.scheduledAt) }
      return answer
    }
  }

  /// A job that the scheduler does not remember, and a store keeps.
  private func storedOrphan(_ name: String) throws(ControlError) -> JobAnswer {
    let found = try reading { () throws(StoreError) -> JobAnswer? in
      let orphans = try StoredOrphans(stores, job: name)
      guard !orphans.names.isEmpty else { return nil }
      var answer = try orphans.answer(name, parts.zones, in: parts.zone)
      let last = try stores.lastRun(of: name)?.record
      answer.lastRunTime = last.map { time($0.startedAt ?? $0.scheduledAt) }
      return answer
    }
    guard var found else { throw unknown(name) }
    found.orphanReason = reasonOfOrphan(name)
    return found
  }

  /// Where a job is. Throws for a name that nobody has declared, with the nearest ones. Blocks on stores for those.
  func slot(of name: String) throws(ControlError) -> JobSlot {
    guard let slot = directory.slot(of: name) else { throw orphaned(name) ?? unknown(name) }
    return slot
  }

  /// Why an order about a job that the scheduler does not know is refused; nil: no store knows it either.
  func orphaned(_ name: String) -> ControlError? {
    guard directory.slot(of: name) == nil, let found = try? stores.schedules(of: name), !found.isEmpty else {
      return nil
    }
    return ControlError(SchedulerCore.Refusal.orphaned(name))
  }

  func unknown(_ name: String) -> ControlError {
    let near = closestNames(to: name, among: directory.all.lazy.map(\.name))
    return ControlError(.notFound, "no job is named \"\(name)\"\(near)")
  }

  func states(at slots: [JobSlot]) -> [JobState] { engine.ask { core, _, _ in core.jobStates(at: slots) } }

  private func jobPage(_ query: JobQuery) throws(ControlError) -> Page<JobAnswer> {
    let limit = try PageLimit.checked(query.limit)
    let start = try query.after.map { (cursor) throws(ControlError) in try cursor.names(1)[0] }
    if query.state == .orphaned { return try orphanPage(query, start, limit) }
    let all = directory.all
    var rest = all[...]
    if let start { rest = rest[partition(all) { $0.name > start }...] }
    var found: [JobState] = []
    var around: Around?
    // Some at a time: where few jobs fit, many have to be looked at.
    while found.count <= limit, !rest.isEmpty {
      let part = rest.prefix(max(limit + 1, query.isPlain ? 0 : Self.jobsPerTick))
      rest = rest.dropFirst(part.count)
      guard !query.isPlain else {
        // Mostly the whole page, with all that is said about it, in one tick.
        let isFirst = found.isEmpty
        let (states, seen) = engine.ask { core, _, _ in
          let states = core.jobStates(at: Array(part))
          return (states, Around(core, states))
        }
        around = isFirst ? seen : nil
        found += states
        continue
      }
      let states = states(at: Array(part))
      let former = query.state == .failing ? formerOutcomes(of: states) : [:]
      found += states.filter { query.matches($0, lastOutcome: $0.lastOutcome ?? former[$0.definition.name]) }
    }
    // The one beyond the page costs nothing but its answer.
    if found.count > limit + 1 { found.removeLast(found.count - limit - 1) }
    return Page(answers(found, around), limit: limit, weigh: \.weight) { PageCursor(names: [$0.name]) }
  }

  /// What answers say of jobs that is no job's own.
  private struct Around: Sendable {
    /// Of a job with one run it is said since when.
    var runs: [RunID: ActiveRun] = [:]
    var hasDynamic: Bool
    var isAllPaused: Bool

    init(_ core: borrowing SchedulerCore, _ states: [JobState]) {
      hasDynamic = core.dynamicScheduleCount > 0 || !core.dynamicOrphans.isEmpty
      isAllPaused = core.pauseNote != nil
      let only = Set(states.lazy.filter { $0.claimed + $0.parked == 1 && $0.waiting == 0 }.compactMap(\.latestRun))
      if !only.isEmpty { runs = core.activeRuns(only) }
    }
  }

  /// The scheduler remembers some orphans, and the stores all.
  private func orphanPage(
    _ query: JobQuery, _ start: String?, _ limit: Int
  ) throws(ControlError) -> Page<JobAnswer> {
    let all = directory.all
    var remembered: [String: JobState] = [:]
    var declared: Set<String> = []
    for part in stride(from: 0, to: all.count, by: Self.jobsPerTick) {
      for state in states(at: Array(all[part..<min(all.count, part + Self.jobsPerTick)])) {
        let name = state.definition.name
        if state.isOrphaned { remembered[name] = state } else { declared.insert(name) }
      }
    }
    let orphans = try reading { () throws(StoreError) in try StoredOrphans(stores, declared: declared) }
    let names = Set(orphans.names).union(remembered.keys).sorted().drop { name in start.map { name <= $0 } ?? false }
    var found: [JobAnswer] = []
    for name in names where found.count <= limit {
      var answer =
        if let state = remembered[name] { answers([state])[0] } else {
          try reading { () throws(StoreError) in try orphans.answer(name, parts.zones, in: parts.zone) }
        }
      answer.orphanReason = reasonOfOrphan(name)
      answer.orphanedAt = answer.orphanedAt ?? orphans.since(name).map(time)
      if query.matches(answer) { found.append(answer) }
    }
    return Page(found, limit: limit, weigh: \.weight) { PageCursor(names: [$0.name]) }
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

  private func answers(_ states: [JobState], _ seen: Around? = nil) -> [JobAnswer] {
    let around = seen ?? engine.ask { core, _, _ in Around(core, states) }
    let schedules = around.hasDynamic ? dynamicSchedules(of: Set(states.lazy.map(\.definition.name))) : [:]
    let former = formerOutcomes(of: states)
    return states.map { state in
      var answer = answer(state)
      answer.lastOutcome = state.lastOutcome ?? former[answer.name]
      if !schedules.isEmpty { answer.list(schedules[answer.name] ?? []) }
      answer.now = words(state, around.runs)
      if around.isAllPaused { answer.isPausedWithAll = true }
      return answer
    }
  }

  private func words(_ state: JobState, _ runs: [RunID: ActiveRun]) -> String? {
    if state.claimed + state.parked == 1, state.waiting == 0, let run = state.latestRun.flatMap({ runs[$0] }) {
      return OpenRuns.words(run.record, phase(of: run), now: now, in: parts.zone)
    }
    if state.claimed == 0, state.parked == 0, state.waiting == 1 { return RunPhase.waiting.word }
    let claimed = state.claimed - state.retrying - state.stuck
    return OpenRuns.words(
      [
        "running": claimed, "retrying": state.retrying, "parked": state.parked, "stuck": state.stuck,
        "waiting": state.waiting,
      ])
  }

  private func answer(_ state: JobState) -> JobAnswer {
    let definition = state.definition
    var answer = declared.answer(definition)
    answer.nextRunTime = state.isOrphaned ? nil : state.nextFire.map(time)
    answer.running = state.claimed
    answer.waiting = state.waiting
    if state.claimed == 1, let run = state.latestRun, let note = progress[run] { answer.progress = info(note) }
    answer.isPaused = state.isPaused
    answer.pause = state.pause.map(info)
    answer.isOrphaned = state.isOrphaned
    if state.isOrphaned { answer.orphanReason = reasonOfOrphan(definition.name) }
    answer.store = state.store
    answer.executor = state.executor
    return answer
  }

  private func reasonOfOrphan(_ job: String) -> String {
    scripts?.reasonOfOrphan(job) ?? "nobody declares it any more: kept, not run until somebody does"
  }

  func info(_ note: PauseNote) -> PauseInfo { PauseInfo(reason: note.reason, by: note.by, at: time(note.at)) }

  func info(_ note: ProgressNote) -> ProgressInfo {
    ProgressInfo(text: note.progress.words, fraction: note.progress.fraction, at: time(note.at))
  }

  /// How the latest runs of those jobs that had none since the start ended: looked up once, since it does not change.
  private func formerOutcomes(of states: [JobState]) -> [String: Outcome] {
    var known: [String: Outcome] = [:]
    var unknown: [String: [String]] = [:]
    observed.withLock { observed in
      for state in states where state.lastOutcome == nil {
        let name = state.definition.name
        if let former = observed.formerOutcomes[name] {
          if let former { known[name] = former }
        } else {
          unknown[state.store, default: []].append(name)
        }
      }
    }
    for (name, jobs) in unknown {
      // A store that cannot be read is asked again the next time.
      guard let store = named(name), let runs = try? store.lastRuns(of: jobs) else { continue }
      for job in jobs { known[job] = runs[job]?.outcome }
      // One of this life is not the answer for long.
      remember(
        jobs.lazy.filter { job in runs[job]?.finishedAt.map { $0 < self.startedAt } ?? true }
          .map { ($0, runs[$0]?.outcome) })
    }
    return known
  }

  private func remember(_ outcomes: some Sequence<(String, Outcome?)>) {
    observed.withLock { observed in
      if observed.formerOutcomes.count > 200_000 { observed.formerOutcomes = [:] }
      for (job, outcome) in outcomes { observed.formerOutcomes[job] = .some(outcome) }
    }
  }

  func named(_ store: String) -> (any JobStore)? { parts.stores.first { $0.name == store }?.store }
}

extension JobQuery {
  /// Whether a job fits, before there is an answer about it.
  func matches(_ job: JobState, lastOutcome: Outcome?) -> Bool {
    if isPlain { return true }
    var answer = JobAnswer(name: job.definition.name)
    answer.tags = job.definition.tags
    answer.description = job.definition.description
    answer.file = job.definition.source.file
    answer.isEnabled = job.definition.enabled
    answer.isPaused = job.isPaused
    answer.isOrphaned = job.isOrphaned
    answer.running = job.claimed
    answer.lastOutcome = lastOutcome
    return matches(answer)
  }
}
