internal import Triggers
internal import Basics
package import Chronology
package import Executors
package import HTTPTransfer
package import JobModel
package import Lua

internal import FileWatching
internal import Glibc
package import ProcessExecutor
internal import HostModules
internal import ScriptLoading
package import ScriptRuntime

/// Keeps what scripts log, and lets a test wait for a line.
package final class LogCollector: RunOutput {
  private let notes = Monitor<[ProgressNote]>([])
  private let lines = Monitor<[LogLine]>([])

  package init() {}

  package func write(_ line: LogLine) {
    lines.withLock { $0.append(line) }
    lines.broadcast()
  }
  package func note(_ progress: ProgressNote) { notes.withLock { $0.append(progress) } }
  package func runEnded(_ run: RunID, store: String) {}
  /// What runs have said of how far they are.
  package var progress: [ProgressNote] { notes.withLock { $0 } }
  package var all: [LogLine] { lines.withLock { $0 } }
  package var messages: [String] { all.map(\.message) }
  /// The message of the first line that satisfies `test`, when it has come.
  @discardableResult
  package func wait(for test: @escaping (LogLine) -> Bool) -> LogLine {
    lines.wait { lines in lines.first(where: test) }!
  }
  @discardableResult
  package func wait(for message: String) -> LogLine { wait { $0.message == message } }
}

/// Collects reports and lets a test wait for the end of a run.
package final class ReportCollector: RunReportSink {
  private let reports = Monitor<[RunReport]>([])

  package init() {}

  package func report(_ new: [RunReport]) {
    reports.withLock { $0 += new }
    reports.broadcast()
  }
  package var all: [RunReport] { reports.withLock { $0 } }
  package func ending(of token: RunToken) -> RunReport {
    reports.wait { reports in reports.first { $0.token == token && $0.kind == .ended } }!
  }
  package func started(_ token: RunToken) { _ = reports.wait { reports in reports.first { $0.token == token } } }
}

/// A store of values in memory that completes inside the call, or when a test says so.
package final class TestValues: KeyValueStore {
  private struct State: Sendable {
    var values: [String: KeyValue] = [:]
    var version: Int64 = 0
    var isHeld = false
    var held: [@Sendable () -> Void] = []
    var failure: StoreError?
  }
  private let state = Monitor(State())

  /// From now on completions wait for `release`.
  package func hold() { state.withLock { $0.isHeld = true } }
  /// Lets the completions go that wait, on the caller's thread.
  package func release() {
    let held = state.withLock { state in
      state.isHeld = false
      defer { state.held = [] }
      return state.held
    }
    for completion in held { completion() }
  }
  package func waitUntilHeld() { state.wait { $0.held.isEmpty ? nil : () } }
  package func fail(_ error: StoreError?) { state.withLock { $0.failure = error } }
  package var raw: [String: KeyValue] { state.withLock { $0.values } }
  package func put(_ key: String, _ json: String, in space: String) {
    state.withLock { state in
      state.version += 1
      state.values["\(space)/\(key)"] = KeyValue(value: JSONText(json), version: state.version, expiresAt: nil)
    }
  }

  private func answer<T: Sendable>(
    _ completion: @escaping @Sendable (Result<T, StoreError>) -> Void, _ make: (inout State) -> T
  ) {
    let now: Result<T, StoreError>? = state.withLock { state in
      let result: Result<T, StoreError> = state.failure.map { .failure($0) } ?? .success(make(&state))
      guard state.isHeld else { return result }
      state.held.append { completion(result) }
      return nil
    }
    state.broadcast()
    if let now { completion(now) }
  }

  package func value(
    of key: String, in space: String, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<KeyValue?>, StoreError>) -> Void
  ) {
    answer(completion) { state in
      let found = state.values["\(space)/\(key)"].flatMap { $0.expiresAt.map { $0 <= now } ?? false ? nil : $0 }
      let size = found?.value.text.utf8.count ?? 0
      return size <= bytes ? .value(found) : .larger(size)
    }
  }

  package func keys(
    prefix: String, in space: String, limit: Int, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<[String]>, StoreError>) -> Void
  ) {
    answer(completion) { state -> Sized<[String]> in
      let head = "\(space)/"
      let keys = state.values.keys.filter { $0.hasPrefix(head + prefix) }.map { String($0.dropFirst(head.count)) }
      let answer = Array(keys.sorted().prefix(limit))
      let size = answer.reduce(0) { $0 + $1.utf8.count + Self.keyOverhead }
      return size <= bytes ? .value(answer) : .larger(size)
    }
  }

  package func change(
    _ change: KeyValueChange, at now: Instant, completion: @escaping @Sendable (Result<Bool, StoreError>) -> Void
  ) {
    answer(completion) { state in
      let key = "\(change.space)/\(change.key)"
      if let expected = change.expecting, expected != state.values[key]?.version ?? 0 { return false }
      state.version += 1
      state.values[key] = change.value.map {
        KeyValue(value: $0, version: state.version, expiresAt: change.expiresAt)
      }
      return true
    }
  }
}

/// A scheduler that records what it is asked.
package final class TestScheduler: JobControl, EventHub {
  private struct State: Sendable {
    var asked: [String] = []
    var receivers: [Int: (String, @Sendable (EventData?) -> Void)] = [:]
    var next = 0
  }
  private let state = Monitor(State())
  package var asked: [String] { state.withLock { $0.asked } }
  package var subscriptions: Int { state.withLock { $0.receivers.count } }
  package func waitForSubscriptions(_ count: Int) { state.wait { $0.receivers.count == count ? () : nil } }

  package func jobs() -> [JobSummary] {
    [
      a,
      JobSummary(name: "b", isPaused: true),
    ]
  }
  private var a: JobSummary {
    var job = JobSummary(
      name: "a", script: "a.lua", nextFire: Instant(seconds: 60), running: 1, lastOutcome: .succeeded, tags: ["x"])
    job.schedules = [
      ScheduleSummary(
        id: "a-7", trigger: "every \"1m\"", nextFire: Instant(seconds: 90), params: JSONText("{\"to\":\"ann\"}"))
    ]
    return job
  }

  package func schedule(
    _ request: ScheduleRequest, completion: @escaping @Sendable (Result<String, HostRefusal>) -> Void
  ) {
    let options = request.options
    var said = ["schedule \(request.job) \(request.trigger.text)"]
    if let id = request.id { said.append("id \(id)") }
    if request.replaceExisting { said.append("replacing") }
    if let params = options.params { said.append(params.text) }
    if let span = options.jitter { said.append("jitter \(span)") }
    if let zone = options.timeZone { said.append("in \(zone)") }
    if let span = options.misfireGraceTime { said.append("grace \(span == .max ? "none" : "\(span)")") }
    if let policy = options.coalesce { said.append("coalesce \(policy)") }
    if let count = options.maxInstances { said.append("instances \(count)") }
    if let priority = options.priority { said.append("priority \(priority)") }
    note(said.joined(separator: ", "))
    completion(
      request.job == "missing" ? .failure(HostRefusal("no job is named \"missing\"")) : .success(request.id ?? "a-8"))
  }
  package func unschedule(_ id: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    note("unschedule \(id)")
    completion(nil)
  }

  private func note(_ text: String) { state.withLock { $0.asked.append(text) } }
  package func run(
    _ job: String, params: JSONText?, completion: @escaping @Sendable (Result<RunID, HostRefusal>) -> Void
  ) {
    note("run \(job) \(params?.text ?? "-")")
    completion(job == "missing" ? .failure(HostRefusal("there is no job \"missing\"")) : .success(RunID(77)))
  }
  package func pause(
    _ job: String, reason: String?, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void
  ) {
    note("pause \(job)")
    completion(nil)
  }
  package func resume(_ job: String, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    note("resume \(job)")
    completion(nil)
  }
  package func emit(_ name: String, data: EventData?, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    note("emit \(name) \(data?.text.text ?? "-")")
    completion(nil)
    for receiver in state.withLock({ $0.receivers.values.filter { $0.0 == name } }) { receiver.1(data) }
  }
  package func subscribe(to name: String, _ receive: @escaping @Sendable (EventData?) -> Void) -> EventSubscription {
    let number = state.withLock { state in
      state.next += 1
      state.receivers[state.next] = (name, receive)
      return state.next
    }
    state.broadcast()
    return EventSubscription { [state] in
      state.withLock { $0.receivers[number] = nil }
      state.broadcast()
    }
  }
}

/// A host with a real pool of two workers, jobs from real scripts, and fakes behind the services.
package final class PoolFixture {
  package let log = LogCollector()
  package let reports = ReportCollector()
  package let values = TestValues()
  package let scheduler = TestScheduler()
  package let keeper = TestKeeper()
  package let host: LuaHost
  package let pool: StepPool
  /// What runs are given to: the pool, or worker processes.
  package let executor: any JobExecutor
  private let loader: ScriptLoader
  private var generation: LoadedGeneration?
  private var slots = 0

  package init(
    workers: Int = 2, configuration: LuaHostConfiguration = .init(), grants: Grants = .none, base: String = "/",
    lua: LuaConfiguration = .init(), http: HTTPClient = HTTPClient(),
    processes: ProcessConfiguration? = nil, edit: (inout HostServices) -> Void = { _ in }
  ) throws {
    var services = HostServices.unwired
    services.log = log
    services.grants = { _ in grants }
    services.baseDirectory = base
    services.environment = { ["PATH": "/usr/bin:/bin", "GREETING": "hello"][$0] }
    let values = values
    services.keyValues = { _ in values }
    let keeper = keeper
    services.runKeeper = { _ in keeper }
    services.jobs = scheduler
    services.events = scheduler
    edit(&services)
    host = try LuaHost(
      services: services, declareModules: DeclareModules.modules, lua: lua, configuration: configuration, http: http)
    let runner = LuaRunner(host)
    var pools = StepPool.Configuration()
    pools.workers = workers
    pool = StepPool(runner, configuration: pools)
    runner.reportStuckRuns { [weak pool] index, token in _ = pool?.workerIsStuck(index, running: token) }
    loader = try ScriptLoader(runtime: host.runtime, zones: services.zones)
    if var processes = processes ?? RunExecutor.settings(workers: workers) {
      processes.program = Self.binary
      executor = ProcessExecutor(processes, luaHost: host)
    } else {
      executor = pool
    }
    executor.start(reportingTo: reports)
  }

  /// The built program, beside the test bundle.
  package static let binary: String = {
    var buffer = [CChar](repeating: 0, count: 4_096)
    // Safe: the call writes inside the array.
    let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
    let path = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return path.prefix(through: path.lastIndex(of: "/") ?? path.startIndex) + "moondial"
  }()

  /// Waits until no program of a run is left.
  package func awaitNoPrograms() {
    guard executor is ProcessExecutor else { return host.children.waitForCount(0) }
    while true {
      let list = ProcessList()
      // A worker is the leader of the group that its programs are in.
      let workers = Set(list.children(of: getpid()).map(\.process))
      let programs = list.all.filter { entry in
        entry.state != "Z" && !workers.contains(entry.process) && workers.contains(getpgid(entry.process))
      }
      if programs.isEmpty { return }
      for program in programs { ProcessList.awaitEnd(of: program.process, within: 60) }
    }
  }

  /// Waits for what runs have left to be done after their end, such as files that go. No run is begun any more.
  package func finish() {
    if executor is ProcessExecutor { executor.stop() }
    host.services.blockingPool.stop()
  }

  /// States that the host keeps for jobs; nil: processes have them.
  package var keptStates: Int? { executor is StepPool ? host.keptStates.states : nil }

  package func cancel(_ token: RunToken) { executor.cancel(token) }

  deinit {
    executor.stop()
    pool.stop()
    host.stop()
    host.services.blockingPool.stop()
  }

  package struct LoadProblem: Error, CustomStringConvertible { package var description: String }

  /// Loads a script and answers its jobs.
  package func load(_ text: String, path: String = "test.lua", modules: [String: String] = [:]) throws -> [JobEntry] {
    var files = [ScriptFile(ScriptPath(path), .script, .success(FileContent(Array(text.utf8))))]
    for (name, text) in modules {
      let path = name.split(separator: ".").joined(separator: "/")
      files.append(
        ScriptFile(ScriptPath("lib/\(path).lua"), .module(name: name), .success(FileContent(Array(text.utf8)))))
    }
    let loaded = loader.load(DirectorySnapshot(files), after: generation)
    generation = loaded
    guard loaded.errors.isEmpty else {
      throw LoadProblem(description: loaded.errors.map(\.description).joined(separator: "\n"))
    }
    return loaded.jobs.map { JobEntry($0) }
  }

  /// A script with one job, whose `run` has this body.
  package func job(_ body: String, fields: String = "") throws -> JobEntry {
    try load("job \"test\" { \(fields) run = function(ctx)\n\(body)\nend }")[0]
  }

  /// Gives a run of the job to the pool.
  package func submit(_ job: JobEntry, attempt: Int32 = 1, missed: Int = 0, context: OrderContext? = nil) -> RunToken {
    slots += 1
    let token = RunToken(slot: slots, use: 1)
    executor.submit([
      RunOrder(
        token: token, id: RunID(Int64(slots)), job: job, attempt: attempt, scheduledAt: Instant(seconds: 1_000),
        missed: missed,
        context: context)
    ])
    return token
  }

  /// Runs the job and waits for its end.
  package func run(_ job: JobEntry, attempt: Int32 = 1, missed: Int = 0, context: OrderContext? = nil) -> RunReport {
    reports.ending(of: submit(job, attempt: attempt, missed: missed, context: context))
  }

  /// Runs a job with this body; what it returns is the report's result.
  package func run(_ body: String, fields: String = "") throws -> RunReport { run(try job(body, fields: fields)) }
}

extension RunReport {
  package var result: String? { details?.result?.text }
  package var error: RunError? { details?.error }
}
