package import Basics
internal import Chronology
package import JobModel
internal import Lua
package import SchedulerService
internal import Scheduling
internal import ScriptRuntime
internal import Synchronization

/// What scripts ask of the scheduler (`jobs`, `emit`, `wait`), handed on to the engine that runs.
///
/// It exists before the engine does, because the Lua runtime wants its services first; until `attach` everything is
/// refused.
///
/// Threading: any thread.
package final class ServiceBridge: JobControl, EventHub {
  private struct Subscribers: Sendable {
    var next = 0
    var byName: [String: [Int: @Sendable (EventData?) -> Void]] = [:]
  }

  private let attached = Mutex<(any SchedulerEngine)?>(nil)
  private let subscribers = Mutex(Subscribers())
  private let blockingPool: BlockingPool

  /// - Parameter telling: where those who wait for events are told of them.
  package init(telling pool: BlockingPool = BlockingPool(name: "moondial-wait", threads: 1)) { blockingPool = pool }

  /// Hands over to `engine` from now on.
  package func attach(_ engine: any SchedulerEngine) { attached.withLock { $0 = engine } }

  /// Nobody is asked any more. The engine's events hold this bridge, so that without it neither would ever be released.
  package func detach() { attached.withLock { $0 = nil } }

  /// Nobody waits for events any more. Twice is fine.
  package func stop() { blockingPool.stop() }

  /// Tells those who wait of an event that a transaction has emitted.
  package func tell(_ name: String, _ data: JSONText?) { deliver(name, data.map { EventData($0) }) }

  /// The engine that is asked; nil: none, or no more.
  package var engine: (any SchedulerEngine)? { attached.withLock { $0 } }

  private static let refusal = HostRefusal("no scheduler is running here: this works in a host, not in a single run")

  // MARK: JobControl

  package func jobs() -> [JobSummary] {
    guard let engine else { return [] }
    let schedules = Dictionary(grouping: engine.schedules(), by: \.record.job)
    return engine.jobs().filter { !$0.isOrphaned }.map { job in
      var summary = JobSummary(
        name: job.definition.name, script: job.definition.source.file, nextFire: job.nextFire, isPaused: job.isPaused,
        isEnabled: job.definition.enabled, running: job.active, lastOutcome: job.lastOutcome,
        tags: job.definition.tags)
      summary.schedules = (schedules[job.definition.name] ?? []).map { schedule in
        ScheduleSummary(
          id: schedule.id, trigger: schedule.lua, nextFire: schedule.nextFire,
          params: schedule.record.dynamic?.options.params, running: schedule.active)
      }
      return summary
    }.sorted { $0.name < $1.name }
  }

  package func run(
    _ job: String, params: JSONText?, completion: @escaping @Sendable (Result<RunID, HostRefusal>) -> Void
  ) {
    guard let engine else { return completion(.failure(Self.refusal)) }
    let box = Box<Result<RunID, HostRefusal>>(.failure(Self.refusal))
    engine.post(whenDurable: { error in
      completion(error.map { .failure(HostRefusal($0.message)) } ?? box.value)
    }) { core, now, actions in
      do throws(SchedulerCore.Refusal) {
        box.value = .success(try core.runNow(job, params: params, at: now, into: &actions))
      } catch {
        box.value = .failure(HostRefusal(error, in: core))
      }
    }
  }

  package func schedule(
    _ request: ScheduleRequest, completion: @escaping @Sendable (Result<String, HostRefusal>) -> Void
  ) {
    guard let engine else { return completion(.failure(Self.refusal)) }
    engine.schedule(request) { result in
      completion(result.mapError { HostRefusal($0.message, isMisuse: $0.namesNoJob) })
    }
  }

  package func unschedule(_ id: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    guard let engine else { return completion(Self.refusal) }
    engine.unschedule(id) { failure in completion(failure.map { HostRefusal($0.message) }) }
  }

  package func pause(
    _ job: String, reason: String?, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void
  ) {
    let caller = Caller(caller, .script)
    change(completion) { core, now, actions throws(SchedulerCore.Refusal) in
      try core.pause(job, PauseNote(reason: reason, by: caller.name, at: now.wall), into: &actions)
      let line = AuditLine(caller, "pause", job, details: reason.map { ["reason": .string($0)] } ?? [:])
      core.audit(line, of: job, at: now, into: &actions)
    }
  }

  package func resume(_ job: String, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    let caller = Caller(caller, .script)
    change(completion) { core, now, actions throws(SchedulerCore.Refusal) in
      guard try core.resume(job, at: now, into: &actions) else { return }
      core.audit(AuditLine(caller, "resume", job), of: job, at: now, into: &actions)
    }
  }

  private func change(
    _ completion: @escaping @Sendable (HostRefusal?) -> Void,
    _ body:
      @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) throws(SchedulerCore.Refusal) -> Void
  ) {
    guard let engine else { return completion(Self.refusal) }
    let box = Box<HostRefusal?>(nil)
    engine.post(whenDurable: { error in completion(error.map { HostRefusal($0.message) } ?? box.value) }) {
      core, now, actions in
      do throws(SchedulerCore.Refusal) {
        try body(&core, now, &actions)
      } catch {
        box.value = HostRefusal(error, in: core)
      }
    }
  }

  // MARK: EventHub

  package func emit(_ name: String, data: EventData?, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    guard let engine else { return completion(Self.refusal) }
    engine.post(whenDurable: { [self] error in
      if error == nil { deliver(name, data) }
      completion(error.map { HostRefusal($0.message) })
    }) { core, now, actions in core.emit(name, data: data?.text, at: now, into: &actions) }
  }

  /// Tells those who wait. Not on the thread that completes commits, for which everybody waits: there may be very many.
  /// One thread, so that all receivers see events in one order.
  private func deliver(_ name: String, _ data: EventData?) {
    let receivers = subscribers.withLock { Array(($0.byName[name] ?? [:]).values) }
    guard !receivers.isEmpty else { return }
    let isTaken = blockingPool.run { for receive in receivers { receive(data) } }
    // The system has no thread for it: late is better than never.
    if !isTaken { for receive in receivers { receive(data) } }
  }

  package func subscribe(to name: String, _ receive: @escaping @Sendable (EventData?) -> Void) -> EventSubscription {
    let number = subscribers.withLock { subscribers in
      subscribers.next += 1
      subscribers.byName[name, default: [:]][subscribers.next] = receive
      return subscribers.next
    }
    return EventSubscription { [weak self] in
      self?.subscribers.withLock { subscribers in
        subscribers.byName[name]?[number] = nil
        if subscribers.byName[name]?.isEmpty == true { subscribers.byName[name] = nil }
      }
    }
  }
}

/// A value that one closure leaves for a later one.
private final class Box<Value: Sendable>: Sendable {
  private let mutex: Mutex<Value>
  init(_ value: Value) { mutex = Mutex(value) }
  var value: Value {
    get { mutex.withLock { $0 } }
    set { mutex.withLock { $0 = newValue } }
  }
}

extension HostRefusal {
  /// Names looked at for one that may have been meant: this is said on the scheduler's thread.
  private static let mostNames = 200

  /// A name that no script declares is misuse, and told with the nearest one.
  fileprivate init(_ refusal: SchedulerCore.Refusal, in core: borrowing SchedulerCore) {
    guard case .unknownJob(let name) = refusal else {
      self.init(refusal.message)
      return
    }
    var nearest: String?
    if core.jobs.count <= Self.mostNames {
      nearest = closestName(
        to: name, in: core.jobs.filter { $0.dynamic == nil && !$0.isOrphaned }.map(\.entry.definition.name))
    }
    self.init(refusal.message + (nearest.map { "; did you mean \"\($0)\"?" } ?? ""), isMisuse: true)
  }
}

extension ScheduleFailure {
  /// It is for a job that nobody declares.
  var namesNoJob: Bool {
    if case .refused(.unknownJob) = self { return true }
    return false
  }

  /// One sentence for a person.
  package var message: String {
    switch self {
    case .refused(let refusal): refusal.message
    case .notWritten(let error): "not written: \(error.message)"
    }
  }
}
