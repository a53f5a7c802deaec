package import Executors
package import JobModel
package import Lua
internal import Synchronization

/// What a suspended run waits for: an answer from the store, the end of a child process, an event, a time.
///
/// Subclasses override what they need of `begin`, `expiry`, `expire` and `release`, and call `complete` or `fail` once,
/// from any thread; of several such calls the first counts. The order is: the script's step ends; `begin` (worker
/// thread); `expiry` is read; then either an answer, or `expire` (worker thread) when that time has come, or `abandon`
/// when the run was killed or nobody wants the answer any more. A request that was answered is not released.
///
/// Threading: `phase` is locked; what subclasses keep, they guard.
package class HostRequest: LuaRequest, @unchecked Sendable {
  // @unchecked because subclasses may have state: each says what guards it.

  private enum Phase {
    case made
    case waiting(JobInstance, PoolRun, LuaTicket)
    case over
  }
  private let phase = Mutex(Phase.made)

  /// Starts the work. An answer inside this call lets the run go on without leaving its worker.
  package func begin() {}
  /// Monotonic nanoseconds at which `expire` is called unless there was an answer; `.max` is never. Read once, after
  /// `begin`.
  package var expiry: Int64 { .max }
  /// The time has come: answer, or arrange that an answer follows.
  package func expire() {}
  /// Nobody waits any more: close what is held. Any thread; at most once, and not after an answer.
  package func release() {}

  /// Whether an answer is still awaited.
  package final var isOpen: Bool {
    phase.withLock { if case .over = $0 { false } else { true } }
  }

  /// Connects the request with the run that waits for it, and begins.
  package final func start(for instance: JobInstance, as run: PoolRun, ticket: LuaTicket) {
    let begins = phase.withLock { phase in
      guard case .made = phase else { return false }
      phase = .waiting(instance, run, ticket)
      return true
    }
    if begins { begin() }
  }

  /// The results of the host function. False when nobody waits any more: then the caller closes what it was about to
  /// hand over.
  @discardableResult
  package final func complete(_ results: [LuaValue]) -> Bool {
    guard let (instance, run, ticket) = finish() else { return false }
    instance.deliver(to: run) { $0.complete(ticket, with: results) }
    return true
  }

  /// `nil, message`: the failure of something that scripts must expect to fail.
  @discardableResult
  package final func complete(refusing message: String) -> Bool {
    complete([.nil, .string(LuaString(message))])
  }

  /// An error in the calling script, at the line that called.
  @discardableResult
  package final func complete(raising message: String) -> Bool {
    guard let (instance, run, ticket) = finish() else { return false }
    instance.deliver(to: run) { $0.complete(ticket, raising: message) }
    return true
  }

  /// What the host refuses to `function`: `nil, message`, or an error for misuse.
  @discardableResult
  package final func complete(_ function: String, refusing refusal: HostRefusal) -> Bool {
    refusal.isMisuse ? complete(raising: "\(function): \(refusal.message)") : complete(refusing: refusal.message)
  }

  /// The results of the host function, pushed by a closure on the run's worker when the script takes them.
  @discardableResult
  package final func complete(building build: @escaping @Sendable (inout LuaCall) -> LuaReturn) -> Bool {
    guard let (instance, run, ticket) = finish() else { return false }
    instance.deliver(to: run) { $0.complete(ticket, building: build) }
    return true
  }

  /// Lets the host function begin again; it finds `carried` in its call.
  @discardableResult
  package final func repeatCall(with carried: any AnyObject & Sendable) -> Bool {
    guard let (instance, run, ticket) = finish() else { return false }
    instance.deliver(to: run) { $0.complete(ticket, repeatingWith: carried) }
    return true
  }

  /// Goes on with `then` when the room has that many bytes more: at once, or later on another thread. Never when the
  /// run is over.
  package final func admit(_ bytes: Int, to room: AnswerReservation, then: @escaping @Sendable () -> Void) {
    let run = phase.withLock { phase -> PoolRun? in if case .waiting(_, let run, _) = phase { run } else { nil } }
    guard let run else { return }
    if room.ask(bytes, wake: { run.resume() }, granted: then) == .granted { then() }
  }

  /// Brings a worker to the run that waits.
  package final var wake: @Sendable () -> Void {
    let run = phase.withLock { phase -> PoolRun? in if case .waiting(_, let run, _) = phase { run } else { nil } }
    return { run?.resume() }
  }

  package final func abandon() {
    let wasOpen = phase.withLock { phase in
      if case .over = phase { return false }
      phase = .over
      return true
    }
    if wasOpen { release() }
  }

  private func finish() -> (JobInstance, PoolRun, LuaTicket)? {
    phase.withLock { phase in
      guard case .waiting(let instance, let run, let ticket) = phase else { return nil }
      phase = .over
      return (instance, run, ticket)
    }
  }
}
