import Chronology
import Hosting
import JobModel
import Synchronization

@testable import HostAPI

/// A host that answers at once and remembers what it was told. The tests of the real one are elsewhere.
final class StubControl: HostControl {
  let identity = HostIdentity("feed")
  let events: EventJournal
  let lines: LineJournal
  /// Orders that came, in words.
  let orders = Mutex<[String]>([])
  /// What the next questions meet: nil: an answer.
  let refusal = Mutex<ControlError?>(nil)
  let numbers = Mutex(HostMetrics())
  let isReady = Mutex(true)
  static let now = HostTime(Instant(seconds: 1_767_225_600), in: .utc)

  init() {
    events = EventJournal(identity, weigh: { _ in 100 })
    lines = LineJournal(identity, weigh: { _ in 100 })
  }

  private func note(_ order: String, _ caller: Caller) throws(ControlError) {
    if let refusal = refusal.withLock({ $0 }) { throw refusal }
    orders.withLock { $0.append("\(order) by \(caller.name) over \(caller.door.rawValue)") }
  }

  private func check() throws(ControlError) { if let refusal = refusal.withLock({ $0 }) { throw refusal } }

  func status() async throws(ControlError) -> HostStatus {
    try check()
    return HostStatus(
      host: identity, version: "1", pid: 1, state: .running, startedAt: Self.now, now: Self.now, timeZone: "UTC",
      generation: 1, isReady: true, problems: [], jobs: JobCounts(), runs: RunCounts(),
      loop: LoopStatus(nextDue: nil, answeredIn: 0.1),
      stores: [StoreStatus(name: "default", kind: "memory", isWritable: true)],
      executors: [ExecutorStatus(name: "default", workers: 2, runs: 0)], memory: MemoryStatus(resident: 1, luaStates: 0)
    )
  }
  func readiness() async -> Readiness { Readiness(problems: isReady.withLock { $0 } ? [] : ["the loop stands"]) }
  func metrics() async throws(ControlError) -> HostMetrics { numbers.withLock { $0 } }
  func jobs(_ query: JobQuery) async throws(ControlError) -> Page<JobAnswer> {
    try check()
    var job = JobAnswer(name: "nightly")
    job.tags = query.tag.map { [$0] } ?? []
    job.params = JSONDocument("{\"deep\":{\"n\":1}}")
    job.description = "a\u{202E}b\u{1B}[2J"
    return Page([job], next: PageCursor("6e"))
  }
  func job(_ name: String) async throws(ControlError) -> JobAnswer {
    guard name == "nightly" || name == "a/b" else { throw ControlError(.notFound, "no job is named \(name)") }
    return JobAnswer(name: name)
  }
  func runs(_ query: RunsQuery) async throws(ControlError) -> Page<RunAnswer> {
    Page([try await run(RunID(7))])
  }
  func run(_ id: RunID) async throws(ControlError) -> RunAnswer {
    var run = RunAnswer(id: id.number, job: "nightly", cause: .manual, scheduledAt: Self.now)
    run.outcome = .succeeded
    run.durationMilliseconds = 1.5
    return run
  }
  func log(_ query: LogQuery) async throws(ControlError) -> LogAnswer { LogAnswer(lines: [], isCut: false) }
  func decisions(_ query: DecisionsQuery) async throws(ControlError) -> Page<DecisionAnswer> { Page([]) }
  func explain(_ query: ExplainQuery) async throws(ControlError) -> ExplainAnswer {
    guard query.job == "nightly" else { throw ControlError(.notFound, "no job is named \"\(query.job)\"") }
    return ExplainAnswer(job: query.job)
  }
  func upcoming(_ query: UpcomingQuery) async throws(ControlError) -> UpcomingAnswer {
    UpcomingAnswer(from: Self.now, to: Self.now, fires: [], frequent: [], counts: [], isCut: false)
  }
  func schedules(_ query: SchedulesQuery) async throws(ControlError) -> Page<ScheduleAnswer> { Page([]) }
  func scripts() async throws(ControlError) -> ScriptsAnswer {
    ScriptsAnswer(directory: "scripts", generation: 1, scripts: [], problems: [])
  }
  func generations() async throws(ControlError) -> [GenerationAnswer] { [] }
  func audit(_ query: AuditQuery) async throws(ControlError) -> Page<AuditAnswer> { Page([]) }
  func nodes() async throws(ControlError) -> NodesAnswer {
    NodesAnswer(nodes: [
      NodeAnswer(alone: try await status(), name: "web1", labels: ["eu"], machine: "web1", scripts: "")
    ])
  }
  func drain(_ node: String, _ request: DrainRequest, by caller: Caller) async throws(ControlError) -> DrainAnswer {
    try note("drain \(node)", caller)
    return DrainAnswer(node: node, draining: true, stores: ["default"])
  }
  func undrain(_ node: String, by caller: Caller) async throws(ControlError) -> DrainAnswer {
    try note("undrain \(node)", caller)
    return DrainAnswer(node: node, draining: false, stores: ["default"])
  }

  func runNow(_ request: RunRequest, by caller: Caller) async throws(ControlError) -> AcceptedRun {
    try note("run \(request.job) \(request.params?.text ?? "")", caller)
    return AcceptedRun(id: 1, job: request.job)
  }
  func cancel(_ run: RunID, by caller: Caller) async throws(ControlError) -> CancelAnswer {
    try note("cancel \(run)", caller)
    return CancelAnswer(id: run.number, job: "nightly", state: .cancelled, before: .running)
  }
  func retry(_ run: RunID, by caller: Caller) async throws(ControlError) -> AcceptedRun {
    try note("retry \(run)", caller)
    return AcceptedRun(id: 2, job: "nightly", retryOf: run.number)
  }
  func pause(_ request: PauseRequest, by caller: Caller) async throws(ControlError) -> PauseAnswer {
    try note("pause \(request.jobs ?? ["everything"]) \(request.reason ?? "")", caller)
    return PauseAnswer(
      isPaused: true, changed: request.jobs ?? [], unchanged: [], everything: request.jobs == nil)
  }
  func resume(_ request: PauseRequest, by caller: Caller) async throws(ControlError) -> PauseAnswer {
    try note("resume \(request.jobs ?? ["everything"])", caller)
    return PauseAnswer(
      isPaused: false, changed: request.jobs ?? [], unchanged: [], everything: request.jobs == nil)
  }
  func reload(by caller: Caller) async throws(ControlError) -> ReloadAnswer {
    try note("reload", caller)
    return ReloadAnswer(generation: 2, added: 0, changed: 0, removed: 0, errors: [])
  }
  func schedule(_ request: ScheduleOrder, by caller: Caller) async throws(ControlError) -> ScheduleAnswer {
    try note("schedule \(request.job)", caller)
    return ScheduleAnswer(id: request.id ?? "made", job: request.job, trigger: "once", lua: "at '2027-01-01'")
  }
  func unschedule(_ id: String, by caller: Caller) async throws(ControlError) { try note("unschedule \(id)", caller) }
  func backfill(_ request: BackfillRequest, by caller: Caller) async throws(ControlError) -> BackfillAnswer {
    try note("backfill \(request.job)", caller)
    return BackfillAnswer(job: request.job, fires: [], runs: [], skipped: 0, isDryRun: request.dryRun ?? false)
  }
}
