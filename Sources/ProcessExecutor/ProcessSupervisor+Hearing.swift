internal import Basics
internal import Chronology
internal import JobModel
internal import Lua
internal import ProcessFrames
internal import ScriptRuntime

/// What workers say, and what becomes of those that say something else or nothing.
extension ProcessSupervisor {
  /// Does what can be done without waiting.
  func serve(_ child: WorkerChild, _ now: Int64) {
    child.flush()
    for line in child.readOutput(&buffer) { say(line, child) }
    if child.isDeaf { partlyGone(child, now) }
    // One that talks without end must not keep the thread from the others.
    let until = monotonicNow() + ProcessConfiguration.hearing
    child.hasUnread = true
    while child.isReadable {
      switch child.read(&buffer) {
      case .message(let message): hear(message, child, now)
      case .nothing:
        child.hasUnread = false
        return
      case .ended:
        child.hangUp()
        return partlyGone(child, now)
      case .garbage(let what): return violate(child, "it wrote on its socket what is no message (\(what))")
      }
      if monotonicNow() >= until { return }
    }
  }

  /// What a process wrote to its standard output or error.
  func say(_ line: String, _ child: WorkerChild) {
    guard !line.isEmpty else { return }
    if let run = child.run { return run.services.log(.info, line) }
    guard child.idleLines > 0 else { return }
    child.idleLines -= 1
    note("worker \(child.process) wrote: \(line)" + (child.idleLines == 0 ? "; what else it writes is dropped" : ""))
  }

  /// It says nothing any more, or hears nothing. One that ends is known by its end; else it is killed.
  private func partlyGone(_ child: WorkerChild, _ now: Int64) {
    guard child.phase != .ending else { return }
    // It may be about to end by itself, and then its end says more.
    let end = now + 4 * ProcessConfiguration.patience
    child.killAt = min(child.killAt, end)
    child.run?.end(by: end, for: .disconnected)
    if child.run == nil { child.phase = .ending }
  }

  /// It said what no worker says.
  private func violate(_ child: WorkerChild, _ what: String) { condemn(child, .violation(what), what) }

  private func condemn(_ child: WorkerChild, _ kill: ActiveRun.Kill, _ what: String) {
    if child.run != nil {
      if child.run?.killed == nil { child.run?.killed = kill }
    } else if child.phase != .ending {
      note("worker \(child.process) is killed: \(what)")
    }
    child.condemned = what
    child.hangUp()
    child.kill()
  }

  private func hear(_ message: WorkerMessage, _ child: WorkerChild, _ now: Int64) {
    switch message {
    case .ready(let version, let lua): ready(child, version, lua)
    case .bound(let notes): bound(child, notes)
    case .failed(let why): condemn(child, .refusal(why), why)
    case .began(let number): if isOn(number, child) { began(child, now) }
    case .ended(let number, let result): if isOn(number, child) { ended(child, result, now) }
    case .log(let number, let level, let text, let fields):
      if isOn(number, child) { child.run?.services.log(level, text, fields: fields) }
    case .progress(let number, let progress):
      guard isOn(number, child) else { return }
      child.run?.hasProgress = true
      child.run?.services.note(progress)
    case .call(let call, let number, let question):
      guard isOn(number, child) else { return child.send(.answer(call, .refused(HostRefusal("the run is over")))) }
      answer(call, question, child)
    case .unsubscribe(let call): child.run?.services.unsubscribe(call)
    case .looks(let number): if isOn(number, child) { child.run?.looks = true }
    case .hook(let number):
      guard isOn(number, child) else { return }
      child.run?.beginHook(now: now, time: executor.luaHost.configuration.hookTimeout)
    }
  }

  /// It says once what its kernel does not have.
  private func bound(_ child: WorkerChild, _ notes: [String]) {
    guard child.binding != nil, !child.hasSaidBound, notes.count <= 8 else {
      return violate(child, "it said that it is bound, which nobody had asked")
    }
    child.hasSaidBound = true
    for text in notes { note(text) }
  }

  /// Whether a message is about the run that the worker has; what comes late is about none.
  private func isOn(_ number: UInt64, _ child: WorkerChild) -> Bool {
    guard let run = child.run?.number else {
      if number > nextRun || number == 0 { violate(child, "it spoke of a run that there is not") }
      noteStray(child)
      return false
    }
    if number > run { violate(child, "it spoke of a run that it has not") }
    if number < run { noteStray(child) }
    return number == run
  }

  /// What a run's threads have still said when it ended is little.
  private func noteStray(_ child: WorkerChild) {
    child.strays += 1
    guard child.strays > 10_000 else { return }
    let what = "it goes on about a run that is over"
    // The run that it was given since then is none of its fault.
    condemn(child, child.run?.began == nil ? .unbegun : .violation(what), what)
  }

  private func answer(_ call: UInt64, _ question: ServiceCall, _ child: WorkerChild) {
    guard let run = child.run else { return }
    if case .subscribe = question {} else { child.openCalls += 1 }
    if !run.services.answer(call, question) { violate(child, "it asked for what nobody can ask for") }
  }

  // MARK: A run's way

  private func ready(_ child: WorkerChild, _ version: UInt32, _ lua: String) {
    guard child.phase == .starting else { return violate(child, "it said twice that it is there") }
    guard version == Frame.version, lua == LuaRuntime.luaVersion else {
      note("\(configuration.program) is another version of moondial: \(lua), frames \(version)")
      return violate(child, "it is another version of moondial")
    }
    child.phase = .idle
    child.killAt = .max
  }

  private func began(_ child: WorkerChild, _ now: Int64) {
    guard let run = child.run, run.began == nil else { return violate(child, "it began a run twice") }
    startSucceeded()
    let wall = executor.wallClock.now
    noteUsage(of: child)
    guard aftermath[run.order.token] == nil else {
      child.run?.beginHooks(wall: wall, now: now, time: executor.luaHost.configuration.hookTimeout)
      return
    }
    child.run?.begin(wall: wall, now: now)
    executor.willBegin?(run.order)
    reports.append(RunReport(token: run.order.token, kind: .started, startedAt: wall))
  }

  private func ended(_ child: WorkerChild, _ result: WorkerResult, _ now: Int64) {
    guard let run = child.run else { return }
    guard run.began != nil else {
      return violate(child, "it ended a run that it had not begun")
    }
    var result = result
    if result.details?.park != nil, run.order.job.definition.watch != nil {
      // The worker does not know of what its job watches.
      let message =
        "a run of a job that watches files does not park, since its files would be given to another one: let it ask "
        + "for a run of a job of its own (jobs.run)"
      (result.outcome, result.details) = (.failed, AttemptDetails(error: RunError(message: message), isFinal: true))
    }
    if let park = result.details?.park, result.outcome != .cancelled || run.services.parked(park) == nil {
      return violate(child, "it parked a run where none can be parked")
    }
    if let outbox = result.outbox, result.outcome != .succeeded || !run.services.isSound(outbox) {
      return violate(child, "it had an outbox that no run has")
    }
    close(run)
    child.run = nil
    child.idleSince = now
    let details = run.services.checked(result.details)
    var report = run.report(
      result.outcome, duration: result.duration, memoryPeakBytes: result.memoryPeakBytes, details: details)
    switch report.outcome {
    // Only the host knows of its own end, and of processes that died.
    case .interrupted, .crashed: report.outcome = .failed
    // What cannot be stopped there is stopped from here.
    case .stuck: report.outcome = run.isCancelled ? .cancelled : .timedOut
    default: break
    }
    end(run, aftermath.removeValue(forKey: run.order.token) ?? report, result.outbox)
    lost[run.order.token] = nil
    if result.outcome == .stuck || child.isDeaf || child.socket < 0 {
      child.kill()
    } else if !result.isReusable {
      retire(child, now)
    } else if let most = configuration.recycleAfter, child.runs >= most {
      retire(child, now)
    } else {
      child.phase = .idle
    }
  }

  /// Reports the end of a run, when what is to be committed with it is read.
  private func end(_ run: ActiveRun, _ report: RunReport, _ outbox: WireTransaction?) {
    guard let outbox, report.outcome == .succeeded else { return reports.append(report) }
    var left = report
    (left.outcome, left.details) = (.interrupted, nil)
    finishing[report.token] = left
    run.services.take(outbox: outbox) { [executor] taken in
      var report = report
      switch taken {
      case .success(let outbox): report.details = AttemptDetails(result: report.details?.result, outbox: outbox)
      case .failure(let refusal):
        report.outcome = .failed
        report.details = AttemptDetails(error: RunError(message: "ctx.outbox: \(refusal.message)"), isFinal: true)
      }
      executor.post(end: report)
    }
  }

  func close(_ run: ActiveRun) {
    run.services.end()
    if run.hasProgress {
      executor.luaHost.services.log.runEnded(run.order.id, store: run.order.job.definition.store)
    }
  }
}
