import Chronology
import Hosting
import JobModel
import ScriptLoading
import Triggers

/// The stores of a state directory, while no host is up, or when they are what somebody wants to see.
final class StoreSource: AnswerSource {
  private let stores: ReadStores
  private let union: StoreUnion
  private let now: Instant
  private let open: OpenRuns
  private var schedules: KnownSchedules?
  var zone: TimeZoneRules { stores.zone }
  let pause: PauseInfo?
  private let pauseNote: PauseNote?

  init(_ stores: ReadStores) throws {
    self.stores = stores
    now = SystemWallClock().now
    union = StoreUnion(stores.members.map { ($0.name, $0.store) })
    open = try OpenRuns(stores, now: now)
    pauseNote = try ReadStores.orFail { try stores.members.lazy.compactMap { try $0.store.hostPause() }.first }
    pause = pauseNote.map { PauseInfo($0, in: stores.zone) }
  }

  func scriptProblems() throws -> (lines: [String], isError: Bool) {
    guard let generation = stores.generation else { return ([], false) }
    return ((generation.errors + generation.restored).map { "\($0)" }, !generation.errors.isEmpty)
  }

  private var declared: [JobDefinition] { stores.generation?.jobs ?? [] }

  // MARK: Jobs

  /// Read once, for all pages.
  private func known() throws -> KnownSchedules {
    if let schedules { return schedules }
    let read = try KnownSchedules(stores, jobs: declared)
    schedules = read
    return read
  }

  func jobs(_ query: JobQuery) throws -> Page<JobAnswer> {
    if query.state == .orphaned { return try orphans(query) }
    let known = try known()
    let start = try query.after.map { try $0.name() }
    var found: [JobAnswer] = []
    for job in declared.sorted(by: { $0.name < $1.name }) where start.map({ job.name > $0 }) ?? true {
      guard found.count <= query.limit else { break }
      let answer = try answer(job, known)
      if query.matches(answer) { found.append(answer) }
    }
    return StoreSource.page(found, query.limit) { $0.name }
  }

  private func answer(_ job: JobDefinition, _ known: KnownSchedules) throws -> JobAnswer {
    var answer = JobAnswer(job)
    let record = known.schedule(of: job)
    answer.store = stores.storeName(of: job)
    answer.nextRunTime = KnownSchedules.nextFire(job, record, after: now).map { HostTime($0, in: zone) }
    answer.lastOutcome = known.lastRun(of: job)?.outcome
    let runs = open.ofJob[job.name] ?? []
    answer.running = runs.count { $0.phase.isClaimed }
    answer.waiting = runs.count { $0.phase == .waiting }
    answer.now = open.words(for: job.name, in: zone)
    if answer.running == 1, let run = runs.first(where: { $0.phase.isClaimed })?.record {
      let line = try ReadStores.orFail { try stores.store(of: job)?.progress(of: run.id) }
      answer.progress = line.map { ProgressInfo($0, in: zone) }
    }
    answer.isPaused = record?.isPaused ?? false
    answer.pause = record?.pause.map { PauseInfo($0, in: zone) }
    if pause != nil { answer.isPausedWithAll = true }
    answer.list((known.dynamic[job.name] ?? []).map { ScheduleAnswer($0, stores.zones, in: zone) })
    return answer
  }

  private func orphans(_ query: JobQuery) throws -> Page<JobAnswer> {
    let start = try query.after.map { try $0.name() }
    return try ReadStores.orFail {
      let orphans = try StoredOrphans(union, declared: Set(declared.map(\.name)))
      let all = try orphans.names.filter { name in start.map { name > $0 } ?? true }.map { name in
        try orphans.answer(name, stores.zones, in: zone)
      }
      return StoreSource.page(all.filter(query.matches), query.limit) { $0.name }
    }
  }

  private static func page<Item>(_ found: [Item], _ limit: Int, _ name: (Item) -> String) -> Page<Item> {
    let items = Array(found.prefix(limit))
    return Page(items, next: found.count > limit ? items.last.map { PageCursor(names: [name($0)]) } : nil)
  }

  func schedules(_ query: SchedulesQuery) throws -> Page<ScheduleAnswer> {
    let declared = Set(declared.map(\.name))
    let all = try known().dynamic.values.joined().map { record in
      var answer = ScheduleAnswer(record, stores.zones, in: zone)
      answer.isOrphaned = answer.isOrphaned || !declared.contains(answer.job)
      return answer
    }
    // At once: they are all in memory.
    return Page(all.filter { query.job == nil || $0.job == query.job }.sorted { $0.id < $1.id })
  }

  // MARK: Runs

  /// The hosts that have claimed runs which another one schedules.
  private lazy var nodes: [RunID: String] = {
    let placed = stores.members.flatMap { member in
      (try? (member.store as? any PlacingStore)?.placements()) ?? []
    }
    let open = placed.filter { $0.isClaimed && !$0.state.isOver }
    return Dictionary(open.map { ($0.run, $0.node) }, uniquingKeysWith: { $1 })
  }()

  func runs(_ query: RunsQuery) throws -> Page<RunAnswer> {
    let before = try CommandFailure.orMistake { () throws(ControlError) in try query.checked() }
    let tagged = query.tag.map { tag in Set(declared.lazy.filter { $0.tags.contains(tag) }.map(\.name)) }
    if query.isOpen { return openPage(query, tagged, before) }
    let page = try ReadStores.orFail { try RunPage(union, query, tagged: tagged, before: before) }
    return Page(page.runs.map { answer($0, isWhole: false) }, next: page.next)
  }

  private func openPage(_ query: RunsQuery, _ tagged: Set<String>?, _ before: RunID?) -> Page<RunAnswer> {
    guard query.outcomes == nil else { return Page([]) }
    let filter = OpenRunFilter(query, tagged)
    let found = open.all.lazy.map(\.record).filter { run in
      before.map { run.id < $0 } ?? true && filter.takes(run) { self.lines(of: run.id, 1_000) }
    }.sorted { $0.id > $1.id }
    let items = found.prefix(query.limit).map { answer(StoredRun(record: $0, store: ""), isWhole: false) }
    return Page(items, next: found.count > query.limit ? items.last.map { PageCursor("\($0.id)") } : nil)
  }

  private func answer(_ run: StoredRun, isWhole: Bool) -> RunAnswer {
    let state = open.phase(of: run.record).word
    var answer = RunAnswer(run.record, state: state, store: run.store, isWhole: isWhole, in: zone)
    if run.record.outcome == nil { answer.node = nodes[run.record.id] }
    if isWhole || run.record.outcome == nil {
      let line = stores.members.lazy.compactMap { try? $0.store.progress(of: run.record.id) }.first
      answer.progress = line.map { ProgressInfo($0, in: zone) }
    }
    return answer
  }

  func run(_ id: RunID) throws -> RunAnswer {
    guard let run = try ReadStores.orFail({ try union.run(id) }) else {
      let locations = stores.members.map(\.store.location).joined(separator: ", ")
      throw CommandFailure("there is no run \(id) in \(locations)")
    }
    var whole = answer(run, isWhole: true)
    let steps = stores.members.lazy.compactMap { try? $0.store.steps(of: id) }.first { !$0.isEmpty }
    whole.steps = steps.map { steps in steps.map { StepAnswer($0, in: zone) } }
    return whole
  }

  func log(of run: RunID, limit: Int) throws -> LogAnswer {
    LogAnswer(lines(of: run, limit + 1), LogQuery(.run(run), limit: limit), in: zone)
  }

  private func lines(of run: RunID, _ limit: Int) -> [RunLogLine] {
    let found = stores.members.lazy.compactMap { try? $0.store.log(of: run, limit: limit) }
    return found.first { !$0.isEmpty } ?? []
  }

  func explain(_ query: ExplainQuery) throws -> ExplainAnswer {
    try ReadStores.orFail {
      let since = try stores.members.compactMap { try $0.store.hostSince() }.max()
      let context = ExplainContext(
        zone: zone, hostSince: since, pause: pauseNote, open: open, configuration: stores.configuration,
        job: { self.stores.generation?.job(named: $0) }, jobs: { self.declared }, nodes: { self.nodes[$0] },
        whereabouts: { self.nodes[$0].map { "on host \($0)" } })
      return try Explanation(union, query, context).answer()
    }
  }
}

extension OpenRuns {
  init(_ stores: ReadStores, now: Instant) throws {
    self = try ReadStores.orFail { try OpenRuns(stores.members.map(\.store), now: now) }
  }
}

extension CommandFailure {
  /// What is no question is a mistake of the command line.
  fileprivate static func orMistake<Answer>(_ body: () throws(ControlError) -> Answer) throws -> Answer {
    do throws(ControlError) { return try body() } catch { throw CommandFailure(.usage, error.message) }
  }
}

extension PageCursor {
  /// The job after which a page begins.
  fileprivate func name() throws -> String {
    try CommandFailure.orMistake { () throws(ControlError) in try names(1)[0] }
  }
}
