internal import Basics
internal import CLinux
internal import Glibc
internal import JobModel
internal import ProcessFrames
internal import ScriptRuntime

/// The thread of a ``ProcessExecutor``: it starts workers, gives them runs, hears them, kills and replaces them.
///
/// Everything here is on that thread.
final class ProcessSupervisor {
  let executor: ProcessExecutor
  var children: [WorkerChild] = []
  /// Orders that no worker has, in the order of their submission.
  var waiting: [RunOrder] = []
  /// Orders that were given to a worker since the first that waits is the first.
  var passes = 0
  /// How often an order was given to a worker that died before it began it.
  var lost: [RunToken: Int] = [:]
  /// Runs that died with their worker, whose hooks are to be executed, and how they ended.
  var aftermath: [RunToken: RunReport] = [:]
  var reports: [RunReport] = []
  /// Runs that have succeeded and whose outbox is being read, and how they end if that does not come.
  var finishing: [RunToken: RunReport] = [:]
  var nextRun: UInt64 = 0
  var nextChild = 0
  /// Workers in a row that could not be started, or ended before they had begun a run.
  var failures = 0
  /// No worker is started before.
  var startAt: Int64 = 0
  /// When it is looked next at what runs use.
  var lookAt: Int64 = 0
  var isWindingDown = false
  private var keeper: ChildKeeper?
  var buffer = [UInt8](repeating: 0, count: 64 << 10)

  init(_ executor: ProcessExecutor) { self.executor = executor }

  var configuration: ProcessConfiguration { executor.configuration }

  /// The life of the thread.
  func serve() {
    while true {
      let mail = executor.takeMail()
      take(mail)
      if mail.isStopped { return end() }
      let now = monotonicNow()
      assign(now)
      deliver()
      pollOnce(until: nextTime(now))
      let later = monotonicNow()
      for child in children { serve(child, later) }
      for child in children { watch(child, later) }
      look(later)
      children.removeAll { bury($0) }
      executor.note(alive: children.count)
    }
  }

  private func deliver() {
    guard !reports.isEmpty else { return }
    executor.sink?.report(reports)
    reports = []
  }

  private func take(_ mail: ProcessExecutor.Mail) {
    if mail.isWindingDown, !isWindingDown {
      isWindingDown = true
      for child in children { child.send(.windDown) }
    }
    for order in mail.orders {
      if let report = refusal(of: order) { reports.append(report) } else { waiting.enter(order) }
    }
    for token in mail.cancels { cancel(token) }
    for report in mail.ends where finishing.removeValue(forKey: report.token) != nil { reports.append(report) }
    for (number, frame, isAnswer) in mail.frames {
      guard let child = children.first(where: { $0.number == number }) else { continue }
      if isAnswer { child.openCalls -= 1 }
      child.send(frame: frame)
    }
  }

  private func cancel(_ token: RunToken) {
    if let index = waiting.firstIndex(where: { $0.token == token }) {
      let order = waiting.remove(at: index)
      reports.append(aftermath.removeValue(forKey: token) ?? executor.end(order, .cancelled, nil))
    }
    for child in children where child.run?.order.token == token {
      guard let number = child.run?.number else { continue }
      child.send(.cancel(number))
      child.run?.cancel(now: monotonicNow(), patience: executor.luaHost.configuration.cancelPatience)
    }
  }

  // MARK: Waiting

  private func nextTime(_ now: Int64) -> Int64 {
    var next = nextLook
    if executor.wakeDescriptor < 0 { next = min(next, now + 20_000_000) }
    for child in children {
      if child.isWaitingToBeHeard { return now }
      next = min(next, child.killAt, child.run?.killAt ?? .max)
      // Somebody may stop a process; nobody tells.
      if child.run != nil { next = min(next, now + 1_000_000_000) }
      // Without a descriptor for the end one has to look now and then.
      if child.exitDescriptor < 0 || child.phase == .ending { next = min(next, now + 20_000_000) }
    }
    if !waiting.isEmpty, startAt > now { next = min(next, startAt) }
    return next
  }

  private func pollOnce(until time: Int64) {
    var descriptors = [pollfd(fd: executor.wakeDescriptor, events: Int16(POLLIN), revents: 0)]
    for child in children {
      if child.socket >= 0 {
        var events = child.isReadable ? Int16(POLLIN) : 0
        if child.hasOutput { events |= Int16(POLLOUT) }
        // One that has hung up makes `poll` return whatever is asked for.
        if events != 0 { descriptors.append(pollfd(fd: child.socket, events: events, revents: 0)) }
      }
      if child.output >= 0 { descriptors.append(pollfd(fd: child.output, events: Int16(POLLIN), revents: 0)) }
      if child.exitDescriptor >= 0 {
        descriptors.append(pollfd(fd: child.exitDescriptor, events: Int16(POLLIN), revents: 0))
      }
    }
    let span = time == .max ? .max : max(0, time - monotonicNow())
    let milliseconds = span == .max ? -1 : Int32(clamping: (span + 999_999) / 1_000_000)
    // Safe: the array outlives the call, and the count is its own.
    _ = unsafe poll(&descriptors, nfds_t(descriptors.count), milliseconds)
  }

  // MARK: Starting workers

  /// Starts one more worker. False when it cannot be now.
  func spawn(_ now: Int64) -> Bool {
    guard now >= startAt else { return false }
    do throws(SpawnFailure) {
      let spawned = try WorkerSpawn.start(configuration)
      nextChild += 1
      let child = WorkerChild(nextChild, spawned, frameLimit: frameLimit, now: now)
      children.append(child)
      ForeignGroups.add(child.process)
      executor.luaHost.children.leave(child.process)
      if keeper == nil {
        keeper = ChildKeeper()
        if let keeper { executor.luaHost.children.leave(keeper.process) }
      }
      keeper?.keep(child.process)
      if isWindingDown { child.send(.windDown) }
      return true
    } catch {
      startFailed(error.message, now)
      return false
    }
  }

  /// What a worker may say at a time: the largest thing that a quota allows.
  var frameLimit: Int { Frame.most(under: executor.luaHost.services.quotas()) }

  /// A sentence for the host's log; what is in it may come from native code.
  func note(_ text: String) {
    let mask = executor.luaHost.services.secrets.mask
    executor.onEvent(.note(mask.masked(text, mayBeCut: true).cut(toBytes: 1_000)))
  }

  /// A worker could not be started, or ended before it was there. What waits is told when that goes on.
  func startFailed(_ why: String, _ now: Int64) {
    let why = executor.luaHost.services.secrets.mask.masked(why, mayBeCut: true).cut(toBytes: 1_000)
    failures += 1
    startAt = now + min(2_000_000_000, 50_000_000 << Int64(min(failures, 6)))
    guard failures >= 3 else { return }
    executor.onEvent(.cannotStart(why))
    let message = "executor \"\(configuration.name)\" cannot start a worker process: \(why)"
    for order in waiting {
      let former = aftermath.removeValue(forKey: order.token)
      reports.append(former ?? executor.end(order, .failed, RunError(message: message)))
    }
    waiting = []
  }

  /// A worker is there.
  func startSucceeded() {
    if failures >= 3 { executor.onEvent(.canStart) }
    failures = 0
    startAt = 0
  }

  // MARK: The end of workers

  /// Waits for a child that has ended; true when it was.
  private func bury(_ child: WorkerChild) -> Bool {
    guard let ending = reap(child) else { return false }
    finish(child, ending)
    return true
  }

  /// How it has ended, if it has: then what it started is killed as well, before its number can be another's.
  private func reap(_ child: WorkerChild) -> WorkerEnding? {
    guard linux_has_ended(child.process) else { return nil }
    child.killGroup()
    keeper?.forget(child.process)
    guard let ending = WorkerEnding(reaping: child.process) else { return nil }
    child.isReaped = true
    ForeignGroups.remove(child.process)
    executor.luaHost.children.forget(child.process)
    return ending
  }

  /// What has come is heard; then everybody is killed, and everything else is reported as interrupted.
  private func end() {
    let now = monotonicNow()
    for child in children {
      for _ in 0..<20 {
        serve(child, now)
        if !child.isWaitingToBeHeard { break }
      }
    }
    for child in children { if child.phase == .idle { retire(child, now) } else { child.kill() } }
    for child in children {
      if let run = child.run {
        run.services.end()
        let former = aftermath.removeValue(forKey: run.order.token)
        reports.append(former ?? run.report(.interrupted, details: nil))
      }
      child.run = nil
    }
    for order in waiting {
      reports.append(aftermath.removeValue(forKey: order.token) ?? executor.end(order, .interrupted, nil))
    }
    waiting = []
    reports += finishing.values
    let until = monotonicNow() + 2_000_000_000
    while !children.isEmpty, monotonicNow() < until {
      children.removeAll { reap($0) != nil }
      // Who had no run is given the time to tidy up after the last one.
      if monotonicNow() > now + ProcessConfiguration.farewell { for child in children { child.kill() } }
      if !children.isEmpty { waitABit() }
    }
    keeper?.end()
    executor.note(alive: children.count)
    deliver()
  }

  private func waitABit() {
    var asked = children.compactMap { child in
      child.exitDescriptor >= 0 ? pollfd(fd: child.exitDescriptor, events: Int16(POLLIN), revents: 0) : nil
    }
    // Safe: the array outlives the call, and the count is its own.
    _ = unsafe poll(&asked, nfds_t(asked.count), 10)
  }
}
