internal import Basics
internal import Chronology
internal import FileWatching
internal import JobModel
internal import Lua
internal import ProcessFrames
internal import ScriptRuntime
internal import Synchronization
internal import Triggers

/// What a run in a worker asks its host for, done on its behalf: with the rights of the run's script, whatever the
/// worker says it is, and within its quotas.
///
/// Threading: calls come on the executor's thread; answers go out from any.
final class RunServices: Sendable {
  /// Where answers go: the number of the call, and what it is.
  typealias Reply = @Sendable (UInt64, ServiceAnswer) -> Void

  let order: RunOrder
  private let payload: LuaJobPayload
  private let luaHost: LuaHost
  private let reply: Reply
  private let tell: @Sendable (UInt64, JSONText?) -> Void
  private struct State: Sendable {
    var subscriptions: [UInt64: EventSubscription] = [:]
    var isOver = false
  }
  private let state = Mutex(State())
  private let allowance: Mutex<LogAllowance>

  /// Subscriptions that a run may have at a time.
  private static let subscriptionsMost = 10_000
  /// Bytes of the longest name that is looked at.
  private static let nameBytes = 4_096

  /// - Parameters:
  ///   - reply: answers a call.
  ///   - tell: hands an event to a subscription.
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

  private var services: HostServices { luaHost.services }
  private var script: ScriptPath { payload.script }
  private var mask: SecretMask { services.secrets.mask }

  /// The run is over: nothing is told any more.
  func end() {
    let open = state.withLock { state in
      state.isOver = true
      defer { state.subscriptions = [:] }
      return state.subscriptions
    }
    for subscription in open.values { subscription.cancel() }
  }

  // MARK: What it says

  func log(_ level: LogLevel, _ message: String, fields: JSONText? = nil) {
    guard level >= services.log.threshold else { return }
    let limit = services.quotas().logLineBytes
    let message = mask.masked(message).cut(toBytes: limit + 1_024)
    let fields = fields.flatMap { checked($0, limit: limit + 1_024) }
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

  /// What is kept of a result or an error.
  func checked(_ details: AttemptDetails?) -> AttemptDetails? {
    guard let details else { return nil }
    var error = details.error
    error?.hide(mask)
    error?.cut()
    if let data = error?.data { error?.data = checked(JSONText(data), limit: Quotas.errorDataBytes + 1_024)?.text }
    return AttemptDetails(
      error: error, result: details.result.flatMap { checked($0, limit: services.quotas().resultBytes) },
      retry: details.retry, isFinal: details.isFinal)
  }

  /// JSON from a worker, without values of secrets; nil when it is none, or too large.
  private func checked(_ json: JSONText, limit: Int) -> JSONText? {
    guard json.text.utf8.count <= limit, JSONCheck.isDocument(json.text) else { return nil }
    return JSONText(mask.masked(json.text))
  }

  // MARK: What it asks

  /// Answers a call, now or later. False: nobody asks such a thing.
  func answer(_ call: UInt64, _ question: ServiceCall) -> Bool {
    let reply = reply
    switch question {
    case .value, .keys, .change: askStore(call, question)
    case .jobs:
      onBlockingPool(call) { [services] in .jobs(services.jobs.jobs()) }
    case .run(let job, let params):
      guard isName(job), isFine(params, services.quotas().paramsBytes) else { return false }
      services.jobs.run(job, params: params) { result in
        switch result {
        case .success(let id): reply(call, .run(id.number))
        case .failure(let refusal): reply(call, .refused(refusal))
        }
      }
    case .schedule(let schedule): return ask(call, schedule)
    case .unschedule(let id): services.jobs.unschedule(id) { reply(call, Self.answer($0)) }
    case .pause(let job, let reason):
      guard isName(job), reason?.utf8.count ?? 0 <= 1_024 else { return false }
      services.jobs.pause(job, reason: reason, by: caller) { reply(call, Self.answer($0)) }
    case .resume(let job): services.jobs.resume(job, by: caller) { reply(call, Self.answer($0)) }
    case .emit(let name, let data): return emit(call, name, data)
    case .subscribe(let name): return subscribe(call, name)
    case .module(let name):
      switch luaHost.moduleSource(named: name.cut(toBytes: Self.nameBytes), for: payload) {
      case .source(let bytes, let chunkName): reply(call, .source(bytes, chunkName: chunkName))
      case .missing(let why): reply(call, .refused(HostRefusal(why)))
      }
    case .variable(let name): reply(call, .text(variable(name)))
    case .secret(let name): askSecret(call, name)
    case .metric(let change):
      reply(call, .metric(services.metrics.apply(change, of: script.text, quotas: services.quotas())))
    }
    return true
  }

  /// A subscription that the worker does not want any more.
  func unsubscribe(_ call: UInt64) { state.withLock { $0.subscriptions.removeValue(forKey: call) }?.cancel() }

  private var caller: String { "\(order.job.definition.source.file) (run \(order.id))" }

  private static func answer(_ refusal: HostRefusal?) -> ServiceAnswer { refusal.map { .refused($0) } ?? .done }

  private func isName(_ name: String) -> Bool { name.utf8.count <= Self.nameBytes }

  private func isFine(_ json: JSONText?, _ limit: Int) -> Bool {
    json.map { $0.text.utf8.count <= limit && JSONCheck.isDocument($0.text) } ?? true
  }

  private func onBlockingPool(_ call: UInt64, _ body: @escaping @Sendable () -> ServiceAnswer) {
    let reply = reply
    if !services.blockingPool.run({ reply(call, body()) }) {
      reply(call, .refused(HostRefusal(services.blockingPool.refusal)))
    }
  }

  // MARK: Values

  private func askStore(_ call: UInt64, _ question: ServiceCall) {
    let reply = reply
    guard let store = services.keyValues(order.job.definition) else {
      return reply(call, .storeFailed(StoreError(.unsupported, "this host has no store for values")))
    }
    let now = services.wall.now
    let quotas = services.quotas()
    let most = 64 << 20
    switch question {
    case .value(let key, let bytes):
      store.value(of: key, in: script.text, upTo: min(bytes, most), at: now) { result in
        switch result {
        case .success(let found): reply(call, .value(found))
        case .failure(let error): reply(call, .storeFailed(error))
        }
      }
    case .keys(let prefix, let limit, let bytes):
      let limit = min(max(1, limit), 100_000)
      store.keys(prefix: prefix, in: script.text, limit: limit, upTo: min(bytes, most), at: now) { result in
        switch result {
        case .success(let found): reply(call, .keys(found))
        case .failure(let error): reply(call, .storeFailed(error))
        }
      }
    case .change(let key, let value, let expiresAt, let expecting):
      guard (1...Quotas.kvKeyBytes).contains(key.utf8.count), isFine(value, quotas.kvValueBytes) else {
        return reply(call, .storeFailed(StoreError(.quota, "the key or the value is not as it must be")))
      }
      var change = KeyValueChange(
        space: script.text, key: key, value: value, expiresAt: expiresAt, expecting: expecting)
      if value != nil { change.quota = quotas.kvBytesPerScript }
      store.change(change, at: now) { result in
        switch result {
        case .success(let isDone): reply(call, .changed(isDone))
        case .failure(let error): reply(call, .storeFailed(error))
        }
      }
    default: break
    }
  }

  // MARK: Schedules and events

  private func ask(_ call: UInt64, _ wanted: WireSchedule) -> Bool {
    guard isName(wanted.job), isFine(wanted.options.params, services.quotas().paramsBytes) else { return false }
    let zoneName = wanted.options.timeZone ?? order.job.definition.timeZone
    guard let zone = try? services.zones.zone(named: zoneName),
      let built = try? TriggerText.parse(wanted.trigger, context: TriggerContext(zones: services.zones, zone: zone))
    else {
      reply(call, .refused(HostRefusal("the host cannot read the trigger \(wanted.trigger.cut(toBytes: 200))")))
      return true
    }
    var request = ScheduleRequest(job: wanted.job, id: wanted.id, trigger: built.trigger)
    request.replaceExisting = wanted.replaceExisting
    request.options = wanted.options
    request.quota = services.quotas().schedulesPerJob
    let reply = reply
    services.jobs.schedule(request) { result in
      switch result {
      case .success(let id): reply(call, .schedule(id))
      case .failure(let refusal): reply(call, .refused(refusal))
      }
    }
    return true
  }

  private func emit(_ call: UInt64, _ name: String, _ data: JSONText?) -> Bool {
    guard (1...Quotas.eventNameBytes).contains(name.utf8.count), isFine(data, services.quotas().eventBytes) else {
      return false
    }
    let hidden = data.map { EventData(JSONText(mask.masked($0.text))) }
    let reply = reply
    services.events.emit(mask.masked(name), data: hidden) { reply(call, Self.answer($0)) }
    return true
  }

  private func subscribe(_ call: UInt64, _ name: String) -> Bool {
    guard (1...Quotas.eventNameBytes).contains(name.utf8.count) else { return false }
    let opened = services.events.subscribe(to: name) { [weak self] data in
      guard let self, state.withLock({ !$0.isOver && $0.subscriptions[call] != nil }) else { return }
      tell(call, data?.text)
    }
    let isTaken = state.withLock { state in
      guard !state.isOver, state.subscriptions.count < Self.subscriptionsMost else { return false }
      state.subscriptions[call] = opened
      return true
    }
    if !isTaken { opened.cancel() }
    return isTaken
  }

  // MARK: Environment and secrets

  private func variable(_ name: String) -> String? {
    guard !name.hasPrefix(Secrets.variablePrefix), services.grants(script).env.allows(name) else { return nil }
    return services.environment(name)
  }

  private func askSecret(_ call: UInt64, _ name: String) {
    guard services.grants(script).secret.allows(name) else {
      return reply(call, .secret(.refused("\(script) has no grant for the secret")))
    }
    let reply = reply
    luaHost.lookUpSecret(name, for: script) { reply(call, .secret($0)) }
  }
}
