import Basics
import Chronology
import FileWatching
import Glibc
import Hosting
import JobModel
import Lua
import ScriptLoading
internal import ScriptRuntime

/// A running host: the assembly of scripts, stores and scheduler, with a log on standard error and signals.
///
///     let host = try Host("scripts", options, grace: grace, log: log)
///     try host.start { signals.hostIsUp() }
///     host.awaitEnd(end)          // until SIGINT, SIGTERM
final class Host: Sendable {
  private let log: LogRenderer
  private let assembly: SchedulerAssembly
  private let directory: String
  private let systemZone: MachineZone
  private let grace: Int64
  private let http: HostHTTP

  /// - Parameters:
  ///   - continues: whether this process was a host before, and stepped down.
  ///   - end: told when another host has taken a store over, and when this host is drained.
  init(
    _ path: String, _ options: SettingOptions, grace: Int64, log: LogRenderer, continues: Bool = false,
    end: HostEnd? = nil
  ) throws {
    self.log = log
    self.grace = grace
    let location = try options.location(path)
    systemZone = location.systemZone
    var blueprint = SchedulerAssembly.Blueprint(log: log)
    blueprint.scripts = location
    blueprint.stateDirectory = options.stateDirectory
    blueprint.publishesRuns = log.shows(.debug)
    blueprint.continues = continues
    blueprint.willBegin = { order in
      let job = order.job.definition.name
      guard log.shows(.debug, job: job) else { return }
      let what =
        order.token.isFailureHook
        ? "on_failure of moondial.lua is called" : order.attempt > 1 ? "attempt \(order.attempt) started" : "started"
      log.write(.debug, job: job, run: order.id, what)
    }
    let reloads = ConfigurationRelay()
    blueprint.onConfiguration = { reloads.tell($0) }
    let renderer = EventRenderer(log, saysStarts: false)
    blueprint.standsBy = { why in
      log.write(.info, "standby: store \(why): this host waits, with all its jobs, until it has the store")
    }
    if let end {
      blueprint.onStoreLost = { _ in end.stepDown() }
      blueprint.onDrain = { end.drain($0) }
      blueprint.onStandby = { standby in end.attach(standby, grace: grace, log) }
      blueprint.onMembership = { end.givesUp(by: $0) }
    }
    blueprint.onEvents = { events in for event in events { renderer.render(event) } }
    let assembly = try SchedulerAssembly(blueprint)
    self.assembly = assembly
    let zone = try? location.zones.zone(named: assembly.configuration.timeZone ?? systemZone.name)
    let http = HostHTTP(assembly, stateDirectory: options.stateDirectory, zone: zone ?? .utc, log: log)
    self.http = http
    reloads.attach { http.use($0) }
    try StartLimits.checkRest(workers: assembly.workers)
    renderer.useReasons { [weak assembly] in assembly?.reasonOfOrphan($0) ?? "kept, not run" }
    directory = ScriptDirectory(path, configuration: options.config).root
  }

  /// Runs `body`, with a thread that could not be made as a sentence.
  static func orError<R>(_ body: () throws(ThreadError) -> R) throws(HostError) -> R {
    do { return try body() } catch { throw HostError("the host cannot start: \(error)") }
  }

  /// Loads the scripts, starts the scheduler, begins to watch.
  ///
  /// - Parameter isUp: called when the scripts are loaded, right before their jobs begin to run.
  /// - Returns: false when it was asked to end before one of them could, and has ended.
  func start(_ isUp: () -> Void) throws -> Bool {
    do {
      // The first line comes before the first run can write one of its own, and who has read it finds the socket; what
      // is asked is answered when the scheduler has begun.
      try assembly.start { generation in
        isUp()
        http.listen()
        announce(generation)
      }
    } catch {
      http.stop()
      if error.kind == .ended { return false }
      throw error
    }
    http.serve()
    return true
  }

  private func announce(_ generation: LoadedGeneration) {
    log.write(
      .info,
      "moondial \(Moondial.version): \(counted(generation.jobs.count, "job")) from "
        + "\(counted(generation.scripts.count, "script")) in \(directory), \(assembly.workers) workers, zone "
        + "\(assembly.configuration.timeZone ?? systemZone.words), store \(assembly.stores[0].store.name), "
        + LuaRuntime.luaVersion)
    if !generation.loading.isEmpty {
      let names = generation.loading.map(\.text).sorted().prefix(5).joined(separator: ", ")
      log.write(.warn, "\(counted(generation.loading.count, "script")) still loading: \(names)")
    } else if generation.jobs.isEmpty, generation.errors.isEmpty {
      log.write(.info, "no job is declared so far: save a .lua file in \(directory) and it is live")
    }
  }

  func reload() { assembly.rescan() }

  /// Waits for children of others that became this process's.
  func reapOrphans() { assembly.reapOrphans() }

  /// It is to end: a start that waits for other hosts waits no longer.
  func willEnd() { assembly.willEnd() }

  /// Ends the waiting of an end.
  func endNow() { assembly.endNow() }

  /// Blocks until the host was asked to end, and has ended: what ran has finished or was cancelled, everything is
  /// written.
  func awaitEnd(_ end: HostEnd) {
    end.await()
    assembly.stop(grace: end.hasLostStore ? 0 : grace) { http.stop() }
    sayEnd(end)
  }

  func sayEnd(_ end: HostEnd) {
    log.write(.info, end.beginsAnew ? "stepped down" : "stopped")
  }
}

/// What signals ask of a host, once there is one: to reload, to end, to end now.
final class HostEnd: Sendable {
  private struct State: Sendable {
    var requests = 0
    var host: Host?
    var hasLostStore = false
    var isDrained = false
    /// While the host waits for its stores, and runs what others give it.
    var standby: (host: StandbyHost, grace: Int64, log: LogRenderer)?
    var isUp: (@Sendable () -> Void)?
    var leave: @Sendable () -> Void = {}
    var mustEnd: Bool { requests > 0 || hasLostStore || isDrained }
  }
  private let state = Monitor(State())

  /// `isUp` is called when the host can end in good order, before it is the one that leads.
  func whenUp(_ isUp: @escaping @Sendable () -> Void) { state.withLock { $0.isUp = isUp } }

  func attach(_ standby: StandbyHost, grace: Int64, _ log: LogRenderer) {
    state.withLock { state in
      state.standby = (standby, grace, log)
      return state.isUp
    }?()
  }

  func attach(_ host: Host) {
    let mustEnd = state.withLock { state in
      state.host = host
      return state.mustEnd
    }
    if mustEnd { host.willEnd() }
  }

  /// How a host that is not up yet takes back that it is a member of its stores.
  func givesUp(by leave: @escaping @Sendable () -> Void) { state.withLock { $0.leave = leave } }

  /// The host that is not up yet will never be. Blocks on the servers of its stores.
  func giveUp() { state.withLock { $0.leave }() }

  /// On the thread of ``Signals`` that may wait.
  func receive(_ signal: Signals.Signal) {
    let (host, standby, isSecond) = state.withLock { state in
      if signal == .end { state.requests += 1 }
      return (state.host, state.standby, state.requests > 1)
    }
    if host == nil, let standby, standby.host.isWaiting { return receive(signal, standby) }
    switch signal {
    case .reload: host?.reload()
    case .childEnded: host?.reapOrphans()
    case .end:
      state.broadcast()
      host?.willEnd()
      if isSecond { host?.endNow() }
    }
  }

  /// Of a host that waits for its stores: nothing of its own runs yet.
  private func receive(_ signal: Signals.Signal, _ standby: (host: StandbyHost, grace: Int64, log: LogRenderer)) {
    switch signal {
    case .reload: standby.host.rescan()
    case .childEnded: break
    case .end:
      standby.host.stop(grace: standby.grace)
      standby.log.write(.info, "stopped")
      StandardError.flush()
      // Its own thread waits for the store, and there is nothing that it would have to write.
      LastResort.end(0)
    }
  }

  /// Blocks until the host is asked to end, or must step down.
  func await() { _ = state.wait { $0.mustEnd ? true : nil } }

  /// Another host has a store of this one: it ends, to begin anew as the one that stands by.
  func stepDown() { change { $0.hasLostStore = true } }

  /// This host is to lead nothing: it ends in good order, to begin anew as one that stands by. One that stands by does
  /// so already.
  func drain(_ isDrained: Bool) { change { $0.isDrained = isDrained } }

  private func change(_ body: (inout State) -> Void) {
    let host = state.change { state in
      body(&state)
      return state.mustEnd ? state.host : nil
    }
    host?.willEnd()
  }

  /// Whether it ends since it lost a store, and nobody asked it to end: then nothing of it may go on.
  var hasLostStore: Bool { state.withLock { $0.hasLostStore && $0.requests == 0 } }

  /// Whether the process goes on, as a host that stands by.
  var beginsAnew: Bool { state.withLock { $0.requests == 0 } }
}

func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
