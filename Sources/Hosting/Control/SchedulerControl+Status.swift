internal import Basics
internal import Chronology
internal import FileWatching
internal import Glibc
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading
internal import Synchronization

/// How the host is.
extension SchedulerControl {
  package func status() async throws(ControlError) -> HostStatus {
    try await away { () throws(ControlError) in self.statusNow() }
  }

  package func readiness() async -> Readiness {
    do throws(ControlError) {
      return try await away { () throws(ControlError) in Readiness(problems: self.obstacles()) }
    } catch { return Readiness(problems: [error.message]) }
  }

  /// Why the host does not do its work; empty: it does. Waits for the scheduler's thread, for a second at most.
  private func obstacles() -> [String] {
    if observed.withLock({ $0.isStopping }) { return ["the host is stopping"] }
    let answer = Monitor<Glance?>(nil)
    engine.post(whenDurable: nil) { core, _, _ in
      let glance = Glance(core)
      answer.withLock { $0 = glance }
      answer.broadcast()
    }
    guard let glance = answer.wait(until: monotonicNow() + 1_000_000_000, for: { $0 }) else {
      return ["the scheduler's thread has not answered for a second"]
    }
    return obstacles(glance)
  }

  /// What one tick tells about the whole.
  struct Glance: Sendable {
    var isStarted: Bool
    var isDraining: Bool
    var failedStores: [Bool]
    var nextDue: (due: Instant, store: Int)?
    var runs: RunTotals
    var pause: PauseNote?
    var schedules: Int
    var jobChanges: Int
    var ended: Int

    func counts() -> RunCounts {
      var counts = RunCounts()
      counts.waiting = runs.waiting
      counts.claimed = runs.claimed
      counts.running = runs.running
      counts.retrying = runs.retrying
      counts.parked = runs.parked
      counts.stuck = runs.stuck
      counts.ended = ended
      return counts
    }

    init(_ core: borrowing SchedulerCore) {
      isStarted = core.isStarted
      isDraining = core.isDraining
      failedStores = core.failedStores
      nextDue = core.earliestDue
      runs = core.runTotals
      pause = core.pauseNote
      schedules = core.dynamicScheduleCount
      jobChanges = core.jobChanges
      ended = core.counters.ended.reduce(0, +)
    }
  }

  /// Why the host does not do its work, by what a tick tells.
  func obstacles(_ glance: Glance) -> [String] {
    if glance.isDraining || observed.withLock({ $0.isStopping }) { return ["the host is stopping"] }
    var problems: [String] = []
    if !glance.isStarted { problems.append("the scheduler has not started yet") }
    for (index, isFailed) in glance.failedStores.enumerated() where isFailed {
      problems.append(storeProblem(index))
    }
    if parts.scripts.current?.loading.isEmpty == false { problems.append("some scripts are still loading") }
    return problems
  }

  private func storeProblem(_ index: Int) -> String {
    let name = parts.stores[index].name
    let why = observed.withLock { $0.storeFailures[name] }
    return "store \(name) cannot be written" + (why.map { ": \($0)" } ?? "")
  }

  func jobCounts(_ glance: Glance) -> JobCounts {
    let totals = jobTotals(at: glance.jobChanges)
    var counts = JobCounts()
    counts.total = totals.total
    counts.paused = totals.paused
    counts.disabled = totals.disabled
    counts.orphaned = totals.orphaned
    counts.schedules = glance.schedules
    return counts
  }

  /// Counted again only after something changed: it takes the scheduler's thread half a millisecond for 10,000 jobs,
  /// which what is due would wait for at each question.
  private func jobTotals(at changes: Int) -> JobTotals {
    if let known = totals.withLock({ $0 }), known.changes == changes { return known.totals }
    var counted = JobTotals()
    everySlot({ core, range in core.jobTotals(in: range) }) { counted += $0 }
    totals.withLock { $0 = (changes, counted) }
    return counted
  }

  var memory: MemoryStatus { MemoryStatus(resident: ResidentMemory.bytes, luaStates: parts.luaStates()) }
  /// Of the scripts that are in force; 0 before the first.
  var generation: Int { parts.scripts.current?.number.number ?? 0 }

  func statusNow() -> HostStatus {
    let asked = monotonicNow()
    let glance = engine.ask { core, _, _ in Glance(core) }
    let took = monotonicNow() - asked
    let obstacles = obstacles(glance)
    let state: HostStatus.State = glance.isDraining ? .stopping : glance.pause != nil ? .paused : .running
    var status = HostStatus(
      host: identity, version: MoondialVersion.text, pid: Int(getpid()), state: state, startedAt: time(startedAt),
      now: time(now), timeZone: parts.zoneName, generation: generation,
      isReady: obstacles.isEmpty, problems: obstacles + parts.health.problems + scriptProblems(),
      jobs: jobCounts(glance), runs: glance.counts(),
      loop: LoopStatus(
        nextDue: (glance.nextDue?.due).map(time), nextStore: glance.nextDue.map { parts.stores[$0.store].name },
        answeredIn: Double(took) / 1e6),
      stores: stores(glance), executors: executors(glance.runs),
      memory: memory)
    status.pause = glance.pause.map(info)
    status.node = parts.memberships.stores.isEmpty ? nil : parts.memberships.name
    status.scripts = parts.scriptsDirectory
    status.stateDirectory = parts.stateDirectory
    return status
  }

  private func scriptProblems() -> [String] {
    let broken = parts.scripts.current?.scripts.filter { $0.status != .current }.map(\.path.text) ?? []
    var problems: [String] = []
    if !broken.isEmpty {
      let names = broken.prefix(5).joined(separator: ", ") + (broken.count > 5 ? ", …" : "")
      problems.append("\(broken.count == 1 ? "1 script has" : "\(broken.count) scripts have") errors: \(names)")
    }
    if let failure = parts.scripts.configurationFailure { problems.append(failure) }
    return problems
  }

  private func stores(_ glance: Glance) -> [StoreStatus] {
    parts.stores.enumerated().map { index, store in
      let isFailed = glance.failedStores[index]
      return StoreStatus(
        name: store.name, kind: store.store.name, isWritable: !isFailed,
        error: isFailed ? observed.withLock { $0.storeFailures[store.name] } : nil)
    }
  }

  func executors(_ totals: RunTotals) -> [ExecutorStatus] {
    parts.executors.enumerated().map { index, executor in
      ExecutorStatus(name: executor.name, workers: executor.executor.workers, runs: totals.byExecutor[index])
    }
  }
}

/// What the process takes.
enum ResidentMemory {
  /// Bytes of it that are in memory; 0 where the system does not tell.
  static var bytes: Int {
    // "size resident shared …" in pages (proc_pid_statm(5)).
    // Safe: the path is passed as a C string for the call.
    let descriptor = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return 0 }
    defer { close(descriptor) }
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
      // Safe: what is read lies within the buffer.
      count = unsafe max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
    let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
  }
}
