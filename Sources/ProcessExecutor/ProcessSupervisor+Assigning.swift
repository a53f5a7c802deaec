internal import Basics
internal import Chronology
internal import FileWatching
internal import Glibc
internal import JobModel
internal import Lua
internal import ProcessFrames
internal import ScriptRuntime

/// Which worker gets which order.
extension ProcessSupervisor {
  /// Orders that are looked at in a row for one that a waiting worker can take: a script whose workers are all busy
  /// does not keep the others waiting.
  private static let lookahead = 64

  /// Orders that may get their worker before the first one, which serves another script, has one.
  private static let passesMost = 8

  /// Gives orders to workers that wait, and starts workers for the others.
  func assign(_ now: Int64) {
    var index = 0
    var bindings: [ObjectIdentifier: WorkerBinding] = [:]
    makeRoomForFirst(now)
    while index < min(waiting.count, Self.lookahead), children.contains(where: { $0.phase == .idle }) {
      let order = waiting[index]
      guard let payload = order.job.definition.payload as? LuaJobPayload, refusal(of: order) == nil else {
        if let report = refusal(of: order) { reports.append(report) }
        waiting.remove(at: index)
        continue
      }
      let binding = bindings[payload.owner] ?? binding(of: payload)
      bindings[payload.owner] = binding
      guard let child = worker(for: order, binding) else {
        index += 1
        continue
      }
      waiting.remove(at: index)
      passes = index == 0 ? 0 : passes + 1
      give(order, payload, binding, to: child)
    }
    start(for: waiting.count, now)
  }

  /// A script that always has orders would keep its workers for ever: one of them ends when enough orders were served
  /// before the first that waits.
  private func makeRoomForFirst(_ now: Int64) {
    guard passes >= Self.passesMost, let payload = waiting.first?.job.definition.payload as? LuaJobPayload else {
      return
    }
    let binding = binding(of: payload)
    let idle = children.filter { $0.phase == .idle }
    guard children.count(where: { $0.phase != .ending }) >= configuration.workers,
      !children.contains(where: { $0.phase == .starting }),
      !idle.contains(where: { $0.binding == nil || $0.binding == binding }),
      let oldest = idle.min(by: { $0.idleSince < $1.idleSince })
    else { return }
    passes = 0
    retire(oldest, now)
  }

  /// Why an order is not run at all.
  func refusal(of order: RunOrder) -> RunReport? {
    if aftermath[order.token] != nil { return nil }
    let now = executor.wallClock.now
    if let limit = order.startBefore, limit < now {
      return RunReport(token: order.token, kind: .late, startedAt: now)
    }
    guard order.job.definition.payload is LuaJobPayload else {
      let message =
        "job \"\(order.job.definition.name)\" is a Swift closure, and executor \"\(configuration.name)\" runs scripts "
        + "in processes of their own: give the job an executor of threads"
      return executor.end(order, .failed, RunError(message: message))
    }
    return nil
  }

  /// What a worker must be for a job of that script.
  private func binding(of payload: LuaJobPayload) -> WorkerBinding {
    let (services, host) = (executor.luaHost.services, executor.luaHost.configuration)
    let limits = WorkerLimits(
      keptBytes: host.keptBytes, answerBytes: host.answerBytes, logLines: host.logLines,
      hookTimeout: host.hookTimeout, cancelPatience: host.cancelPatience)
    var grants = WireWriter()
    services.grants(payload.script).write(to: &grants)
    return WorkerBinding(
      host: getpid(), script: payload.script.text, baseDirectory: services.baseDirectory,
      libraries: configuration.libraries, memory: configuration.memory,
      processorTime: configuration.processorTime, hasNamespaces: configuration.hasNamespaces, grants: grants.bytes,
      limits: limits)
  }

  /// A worker that waits for such a run: one that has run the job before, one that serves its script, a new one.
  private func worker(for order: RunOrder, _ binding: WorkerBinding) -> WorkerChild? {
    var found: WorkerChild?
    for child in children where child.phase == .idle {
      if child.binding == nil {
        found = found ?? child
      } else if child.binding == binding {
        if child.knows(order.job.definition) { return child }
        if found?.binding == nil { found = child }
      }
    }
    return found
  }

  private func give(_ order: RunOrder, _ payload: LuaJobPayload, _ binding: WorkerBinding, to child: WorkerChild) {
    if child.binding == nil {
      child.binding = binding
      child.send(.bind(binding))
    }
    let definition = order.job.definition
    let (key, messages) = child.key(of: definition) { key in
      JobCode(
        key: key, definition, capsule: payload.capsule.encoded(), declared: payload.scope.declared.all,
        memoryLimit: payload.memoryLimit, isFailureHook: payload.isFailureHook)
    }
    nextRun += 1
    let services = executor.luaHost.services
    let command = RunCommand(
      number: nextRun, key: key, order, quotas: services.quotas(), threshold: services.log.threshold,
      hasValues: services.keyValues(definition) != nil,
      former: aftermath[order.token].map { report in
        RunCommand.Former(
          outcome: report.outcome, error: report.details?.error ?? RunError(message: report.outcome.rawValue))
      })
    let (executor, number) = (executor, child.number)
    let runServices = RunServices(
      order, payload, executor.luaHost,
      reply: { call, answer in executor.post(.answer(call, answer), to: number, isAnswer: true) },
      tell: { call, data in executor.post(.event(call, data), to: number, isAnswer: false) })
    child.run = ActiveRun(
      number: nextRun, order: order, payload: payload, services: runServices, wall: executor.wallClock.now)
    child.phase = .busy
    child.runs += 1
    child.strays = 0
    child.idleLines = WorkerChild.idleLinesMost
    child.use(frameLimit: frameLimit)
    child.lines.forget()
    for message in messages { child.send(message) }
    child.send(.run(command))
  }

  /// Starts workers for orders that wait; where there are as many as there may be, those that serve other scripts make
  /// room, the longest idle first.
  private func start(for missing: Int, _ now: Int64) {
    var needed = missing - children.count { $0.phase == .starting }
    while needed > 0 {
      if children.count(where: { $0.phase != .ending }) >= configuration.workers {
        let idle = children.filter { $0.phase == .idle && $0.binding != nil }
        guard let oldest = idle.min(by: { $0.idleSince < $1.idleSince }) else { return }
        retire(oldest, now)
      }
      let living = children.count { $0.phase != .ending }
      guard living < configuration.workers, spawn(now) else { return }
      needed -= 1
    }
  }

  /// Lets a worker end that has no run.
  func retire(_ child: WorkerChild, _ now: Int64) {
    child.phase = .ending
    child.send(.end)
    child.killAt = now + 1_000_000_000
  }
}
