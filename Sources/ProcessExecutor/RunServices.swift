internal import Basics
internal import Chronology
internal import FileWatching
internal import JobModel
internal import Lua
internal import ProcessFrames
internal import ScriptRuntime
internal import Synchronization

/// What a run in a worker asks its host for, done on its behalf: with the rights of the run's script, whatever the
/// worker says it is, and within its quotas.
///
/// What an honest worker can ask for is answered, be it with a refusal: its quotas may be older than the host's. What
/// none asks for is none of this: the worker is killed.
///
/// Threading: calls come on the executor's thread; answers go out from any.
final class RunServices: Sendable {
  /// Where answers go: the number of the call, and what it is.
  typealias Reply = @Sendable (UInt64, ServiceAnswer) -> Void

  let order: RunOrder
  let luaHost: LuaHost
  private let payload: LuaJobPayload
  private let reply: Reply
  private let tell: @Sendable (UInt64, JSONText?) -> Void
  private struct State: Sendable {
    /// Calls that have not been answered.
    var open: Set<UInt64> = []
    /// Events that are waited for; nil: the subscription is being made.
    var subscriptions: [UInt64: EventSubscription?] = [:]
    /// Programs that were asked for secrets, by their numbers among the host's children.
    var commands: [Int] = []
    var isListing = false
    /// It has asked for its steps, without which it can do none.
    var hasSteps = false
    /// What its steps are in the store, in bytes.
    var stepBytes = 0
    var isOver = false
  }
  private let state = Mutex(State())
  private let allowance: Mutex<LogAllowance>

  /// Events that a run may wait for at a time. A script waits for one.
  private static let subscriptionsMost = 64
  /// Bytes of the longest name that is looked at.
  private static let nameBytes = 4_096

  /// - Parameters:
  ///   - reply: answers a call, once.
  ///   - tell: hands an event to a subscription, once.
  init(
    _ order: RunOrder, _ payload: LuaJobPayload, _ luaHost: LuaHost, reply: @escaping Reply,
    tell: @escaping @Sendable (UInt64, JSONText?) -> Void
  ) {
    self.order = order
    self.payload = payload
    self.luaHost = luaHost
    self.reply = reply
    self.tell = tell
    // The worker keeps to the quota itself; this is for one that does not.
    allowance = Mutex(
      LogAllowance(lines: 2 * luaHost.configuration.logLines, bytes: 2 * luaHost.services.quotas().logBytesPerRun))
  }

  var services: HostServices { luaHost.services }
  var script: ScriptPath { payload.script }
  var mask: SecretMask { services.secrets.mask }

  /// The run is over: nothing is told any more.
  func end() {
    let (open, commands) = state.withLock { state in
      state.isOver = true
      defer { (state.subscriptions, state.commands) = ([:], []) }
      return (state.subscriptions, state.commands)
    }
    for subscription in open.values { subscription?.cancel() }
    // Those that have ended are nobody's any more.
    for command in commands { luaHost.children.abandon(command) }
  }

  // MARK: What it says

  func log(_ level: LogLevel, _ message: String, fields: JSONText? = nil) {
    guard level >= services.log.threshold else { return }
    let limit = services.quotas().logLineBytes
    let message = mask.masked(message).cut(toBytes: limit + 1_024)
    let fields = fields.flatMap { $0.isObject ? checked($0, limit: limit + 1_024) : nil }
    let answer = allowance.withLock { $0.take(message.utf8.count + (fields?.text.utf8.count ?? 0)) }
    switch answer {
    case .write: write(level, message, fields)
    case .dropFromHere: write(.warn, "further lines of the run's process are dropped", nil)
    case .drop: break
    }
  }

  private func write(_ level: LogLevel, _ message: String, _ fields: JSONText?) {
    let definition = order.job.definition
    services.log.write(
      LogLine(
        run: order.id, job: definition.name, store: definition.store, level: level, message: message, fields: fields,
        at: services.wall.now))
  }

  func note(_ progress: RunProgress) {
    var progress = progress
    if case .text(let text) = progress { progress = .text(mask.masked(text).cut(toBytes: Quotas.progressBytes)) }
    let definition = order.job.definition
    services.log.note(
      ProgressNote(
        run: order.id, job: definition.name, store: definition.store, at: services.wall.now, progress: progress))
  }

  var hasSteps: Bool { state.withLock { $0.hasSteps } }
  var stepBytes: Int { state.withLock { $0.stepBytes } }
  /// Steps that the store has, or is about to have.
  func noteSteps(_ steps: [RunStep]) {
    state.withLock { state in
      state.hasSteps = true
      state.stepBytes += steps.reduce(0) { $0 + $1.textBytes }
    }
  }

  // MARK: What it asks

  /// Answers a call, now or later. False: nobody asks such a thing.
  func answer(_ call: UInt64, _ question: ServiceCall) -> Bool {
    if case .subscribe(let name) = question { return subscribe(call, name) }
    let isNew = state.withLock { state in
      if case .jobs = question, state.isListing { return false }
      guard state.subscriptions[call] == nil, state.open.insert(call).inserted else { return false }
      if case .jobs = question { state.isListing = true }
      return true
    }
    guard isNew else { return false }
    if let name = question.name, let refusal = Self.refusal(ofName: name, mayHaveZeros: question.isOfText) {
      return finish(call, .refused(refusal))
    }
    switch question {
    case .value, .keys, .change: return askStore(call, question)
    case .jobs: listJobs(call)
    case .run(let job, let params): return run(call, job, params)
    case .schedule(let schedule): return ask(call, schedule)
    case .unschedule(let id): services.jobs.unschedule(id) { self.finish(call, refusing: $0) }
    case .pause(let job, let reason):
      guard reason?.utf8.count ?? 0 <= 1_024 else { return false }
      services.jobs.pause(job, reason: reason.map { mask.masked($0) }, by: caller) { self.finish(call, refusing: $0) }
    case .resume(let job): services.jobs.resume(job, by: caller) { self.finish(call, refusing: $0) }
    case .emit(let name, let data): return emit(call, name, data)
    case .subscribe: break
    case .module(let name):
      switch luaHost.moduleSource(named: name, for: payload) {
      case .source(let bytes, let chunkName): finish(call, .source(bytes, chunkName: chunkName))
      case .missing(let why): finish(call, .refused(HostRefusal(why)))
      }
    case .variable(let name): finish(call, .text(variable(name)))
    case .secret(let name): askSecret(call, name)
    case .metric(let change): return measure(call, change)
    case .steps: listSteps(call)
    case .keep(let step): return keep(call, step)
    case .commit(let transaction): return commit(call, transaction)
    }
    return true
  }

  /// Gives the answer to a call; a second one is dropped. True, so that it can be the last word on a question.
  @discardableResult
  func finish(_ call: UInt64, _ answer: ServiceAnswer) -> Bool {
    let wasOpen = state.withLock { state in
      if case .jobs = answer { state.isListing = false }
      return state.open.remove(call) != nil
    }
    if wasOpen { reply(call, answer) }
    return true
  }

  func finish(_ call: UInt64, refusing refusal: HostRefusal?) {
    finish(call, refusal.map { .refused($0) } ?? .done)
  }

  var caller: String { "\(order.job.definition.source.file) (run \(order.id))" }

  static func refusal(ofName name: String, mayHaveZeros: Bool = false) -> HostRefusal? {
    if name.utf8.count > nameBytes {
      return HostRefusal("a name has at most \(nameBytes) bytes, this one has \(name.utf8.count)")
    }
    return !mayHaveZeros && name.utf8.contains(0) ? HostRefusal("a name has no byte that is zero") : nil
  }

  func onBlockingPool(_ call: UInt64, _ body: @escaping @Sendable () -> ServiceAnswer) {
    if !services.blockingPool.run({ self.finish(call, body()) }) {
      finish(call, .refused(HostRefusal(services.blockingPool.refusal)))
    }
  }

  // MARK: Events

  private func emit(_ call: UInt64, _ name: String, _ data: JSONText?) -> Bool {
    guard (1...Quotas.eventNameBytes).contains(name.utf8.count) else { return false }
    switch given(data, services.quotas().eventBytes, "event_bytes") {
    case .nonsense: return false
    case .refused(let refusal): return finish(call, .refused(refusal))
    case .taken(let data):
      services.events.emit(mask.masked(name), data: data.map { EventData($0) }) { self.finish(call, refusing: $0) }
      return true
    }
  }

  /// Who waits for an event is told of one: what comes after it would only lie in the way of a worker that does not
  /// read.
  private func subscribe(_ call: UInt64, _ name: String) -> Bool {
    guard (1...Quotas.eventNameBytes).contains(name.utf8.count) else { return false }
    let isTaken = state.withLock { state in
      guard !state.isOver, state.subscriptions.count < Self.subscriptionsMost, state.subscriptions[call] == nil,
        !state.open.contains(call)
      else { return false }
      // There before the first event can come.
      state.subscriptions[call] = .some(nil)
      return true
    }
    guard isTaken else { return false }
    let opened = services.events.subscribe(to: name) { [weak self] data in
      guard let self, let subscription = take(call) else { return }
      subscription?.cancel()
      tell(call, data?.text)
    }
    let isWanted = state.withLock { state in
      guard state.subscriptions[call] != nil else { return false }
      state.subscriptions[call] = opened
      return true
    }
    if !isWanted { opened.cancel() }
    return true
  }

  /// Takes a subscription that is over; nil: there is none any more.
  private func take(_ call: UInt64) -> EventSubscription?? {
    state.withLock { $0.subscriptions.removeValue(forKey: call) }
  }

  /// A subscription that the worker does not want any more.
  func unsubscribe(_ call: UInt64) { take(call)??.cancel() }

  // MARK: Environment and secrets

  private func variable(_ name: String) -> String? {
    guard !name.hasPrefix(Secrets.variablePrefix), services.grants(script).env.allows(name) else { return nil }
    return services.environment(name)
  }

  private func askSecret(_ call: UInt64, _ name: String) {
    guard services.grants(script).secret.allows(name) else {
      return _ = finish(call, .secret(.refused("\(script) has no grant for the secret")))
    }
    let asks: @Sendable (Int) -> Bool = { number in
      self.state.withLock { state in
        if !state.isOver { state.commands.append(number) }
        return !state.isOver
      }
    }
    luaHost.lookUpSecret(name, asks: asks) { self.finish(call, .secret($0)) }
  }
}
