internal import Basics
internal import Chronology
internal import Executors
internal import FileWatching
internal import Hosting
internal import HostModules
internal import JobModel
internal import Lua
internal import MemoryStore
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading
internal import ScriptRuntime
internal import Synchronization

/// A host in miniature for one test: the real scheduler, Lua states and modules over a store in memory, under a clock
/// that moves only when the test says so.
///
/// Jobs run one step after the other on one thread, `moondial-test`, and nowhere else; so a test gives the same result
/// each time. A test has one wish at a time (``Wish``), and is answered when it has come true or can not.
///
/// Threading: `ask`, `answer` and the questions from any thread; all else on the host's own.
final class TestHost: Sendable {
  /// What a test is made of that its file does not say.
  struct Setting: Sendable {
    var jobs: [JobDefinition]
    var groups: [String: GroupLimit]
    var begin: Instant
    var zones: TimeZoneDatabase
    /// In which times are read that name none.
    var zone: TimeZoneRules
    var quotas: Quotas
    var grants: @Sendable (ScriptPath) -> Grants
    /// `on_failure` of `moondial.lua`.
    var onFailure: FailureHook?
    /// The test's own directory, absolute.
    var directory: String
  }

  /// Real time that one step of a job may take: nanoseconds.
  static let stepLimit: Int64 = 5_000_000_000

  let setting: Setting
  let clock: SimulatedClock
  let doubles: TestDoubles
  /// What the test itself reaches of the world: its directory.
  let doublesOfTest: TestDoubles
  let log = TestLog()
  let engine: VirtualEngine
  let bridge: ServiceBridge
  let store = MemoryStore(name: "default")
  private let executor: InlineExecutor
  private let luaHost: LuaHost
  private let ended: EndedRuns
  private let failures: FailureCalls
  private let inbox = Monitor(Inbox())
  private let thread = Mutex<NamedThread?>(nil)

  private struct Inbox: Sendable {
    var messages: [Message] = []
    var hasStarted = false
    var isOver = false
  }
  private enum Message: Sendable {
    case wish(Wish, HeldRequest)
    /// What the test answers to a call, and the request that waits for what comes next.
    case answer(Int64, TestDoubles.Answer, delay: Int64, HeldRequest)
  }

  /// Runs that have ended, in that order.
  final class EndedRuns: Sendable {
    private let runs = Mutex<[RunRecord]>([])
    var all: [RunRecord] { runs.withLock { $0 } }
    func hear(_ events: [Event]) {
      for case .runFinished(let record) in events { runs.withLock { $0.append(record) } }
    }
  }

  init(_ setting: Setting) throws(LuaError) {
    self.setting = setting
    let clock = SimulatedClock(at: setting.begin)
    self.clock = clock
    let doubles = TestDoubles(directory: setting.directory)
    self.doubles = doubles
    doublesOfTest = TestDoubles(directory: setting.directory)
    let bridge = ServiceBridge(telling: .inline())
    self.bridge = bridge
    let (store, pool, doubts) = (store, BlockingPool.inline(), CommitDoubts())
    let quotas = setting.quotas
    let services = HostServices(
      wall: clock, monotonic: clock.monotonic, zones: setting.zones, log: log, keyValues: { _ in store.keyValues },
      runKeeper: { [weak bridge] _ in
        StoreRunKeeper(
          store: store, name: "default", inbox: bridge?.engine, clock: clock, pool: pool, doubts: doubts)
      },
      jobs: bridge, events: bridge, metrics: MetricRegistry(), quotas: { quotas }, grants: setting.grants,
      environment: { _ in nil }, notifyTargets: { [:] },
      secrets: Secrets(variables: { [:] }, baseDirectory: setting.directory),
      baseDirectory: setting.directory, blockingPool: pool)
    var lua = LuaHostConfiguration()
    lua.stepLimit = Self.stepLimit
    luaHost = try LuaHost(services: services, configuration: lua) {
      doubles.wrap(HostModules.all(children: $0)) + DeclareModules.modules
    }
    executor = InlineExecutor(
      LuaRunner(luaHost), wallClock: clock, monotonicClock: clock.monotonic, waitsForWork: true)
    let ended = EndedRuns()
    self.ended = ended
    let failures = FailureCalls(executor: executor, hook: { setting.onFailure }) { [log] level, job, run, text in
      log.write(LogLine(run: run, job: job, level: level, message: text, at: clock.now))
    }
    self.failures = failures
    var service = ServiceConfiguration(
      stores: [(name: "default", store: store)], executors: [(name: "default", executor: executor)])
    service.wallClock = clock
    service.monotonicClock = clock.monotonic
    service.zones = setting.zones
    service.onEvents = { events in
      ended.hear(events)
      failures.hear(events)
    }
    service.alsoRunning = { failures.count }
    service.onEmitted = { [weak bridge] name, data in bridge?.tell(name, data) }
    engine = VirtualEngine(service, executor: executor, clock: clock)
    bridge.attach(engine)
    failures.attach(engine)
  }

  /// Begins the host's thread, and returns when the jobs are there: a test's first question may be about them. Once.
  func start() throws(ThreadError) {
    let made = try NamedThread("moondial-test", stackSize: 8 << 20) { [self] in live() }
    thread.withLock { $0 = made }
    _ = inbox.wait { $0.hasStarted ? () : nil }
  }

  /// Ends everything, also a job in the middle of a loop, and returns when the thread has ended.
  func stop() {
    inbox.withLock { $0.isOver = true }
    inbox.broadcast()
    engine.drain(grace: 0)
    thread.withLock { $0 }?.join()
    bridge.stop()
    bridge.detach()
    failures.detach()
    luaHost.stop()
  }

  /// The test wants something, and waits.
  func ask(_ wish: Wish, _ request: HeldRequest) { send(.wish(wish, request)) }

  /// The test has answered a call, and waits for what comes next.
  func answer(_ id: Int64, _ answer: TestDoubles.Answer, delay: Int64, _ request: HeldRequest) {
    send(.answer(id, answer, delay: delay, request))
  }

  private func send(_ message: Message) {
    inbox.withLock { $0.messages.append(message) }
    inbox.signal()
  }

  // MARK: Questions

  /// Runs that have ended, in that order.
  var runs: [RunRecord] { ended.all }

  func definition(of job: String) -> JobDefinition? { setting.jobs.first { $0.name == job } }

  // MARK: The host's thread

  private func live() {
    let started: String?
    do {
      try engine.start(setting.jobs, groups: setting.groups)
      started = nil
    } catch { started = "the test's host cannot start: \(error)" }
    inbox.withLock { $0.hasStarted = true }
    inbox.broadcast()
    var progress: WishProgress?
    while let message = nextMessage() {
      switch message {
      case .wish(let wish, let request):
        if let started {
          request.complete(["error", .string(LuaString(started))])
          continue
        }
        switch wish.begin(in: self) {
        case .failure(let refusal): request.complete(["error", .string(LuaString(refusal.text))])
        case .success(let begun):
          progress = begun
          go(on: begun, request)
        }
      case .answer(let id, let answer, let delay, let request):
        let time = delay > 0 ? clock.monotonic.now.advanced(byNanoseconds: delay).nanoseconds : nil
        doubles.answer(id, answer, at: time)
        if let progress { go(on: progress, request) }
      }
    }
    engine.drain(grace: 0)
    _ = executor.work()
    executor.close()
  }

  /// Blocks until there is one; nil: the host ends.
  private func nextMessage() -> Message? {
    let next = inbox.wait { inbox -> Message?? in
      if inbox.isOver { return .some(nil) }
      return inbox.messages.isEmpty ? nil : .some(inbox.messages.removeFirst())
    }
    return next ?? nil
  }

  /// Lets time pass until the wish has come true, or a job asks the test something.
  private func go(on progress: WishProgress, _ request: HeldRequest) {
    while !inbox.withLock({ $0.isOver }) {
      engine.pump()
      let now = clock.monotonic.now.nanoseconds
      if doubles.deliver(at: now) { continue }
      if let call = doubles.take() {
        request.complete(["call", .table(call.table)])
        return
      }
      // Who waits for a run waits for what `on_failure` does about it as well.
      if failures.count == 0, let result = progress.result(self) {
        request.complete(["done", result])
        return
      }
      let wake = [engine.nextWake, doubles.nextAnswer].compactMap { $0 }.min()
      guard let wake, wake <= progress.end else {
        clock.advance(by: max(0, progress.end - now))
        request.complete(progress.atEnd(self))
        return
      }
      clock.advance(by: max(0, wake - now))
      engine.expireTimers()
    }
  }
}

extension TestDoubles.Call {
  /// As the test's Lua reads it.
  fileprivate var table: LuaTable {
    LuaTable(fields: [
      ("id", .integer(id)), ("fake", .string(LuaString(fake))), ("shape", .string(LuaString(shape))),
      ("job", .string(LuaString(job))), ("count", .integer(Int64(arguments.count))),
      // Behind places of their own, so that a nil between two arguments is one.
      (
        "given",
        .table(LuaTable(array: arguments.map { .table(LuaTable(array: $0 == .nil ? [] : [$0])) }))
      ),
    ])
  }
}
