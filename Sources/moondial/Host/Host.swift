import Chronology
import Executors
import Glibc
import Hosting
import JobModel
import JobStores
import Lua
import SchedulerService
import Scheduling
import ScriptHost
import Triggers

/// A running host: the assembly of scripts, stores and scheduler, with a log on standard error and signals.
///
///     let host = try Host("scripts", options, grace: grace, log: log)
///     try host.start()
///     host.awaitEnd()          // until SIGINT, SIGTERM
final class Host: Sendable {
  private enum Ending: Sendable { case none, drain, now }

  private let log: LogRenderer
  private let assembly: SchedulerAssembly
  private let directory: String
  private let systemZone: MachineZone
  private let ending = Monitor(Ending.none)
  private let grace: Int64

  init(_ path: String, _ options: SettingOptions, grace: Int64, log: LogRenderer) throws {
    self.log = log
    self.grace = grace
    let place = try options.place(path)
    systemZone = place.systemZone
    var blueprint = SchedulerAssembly.Blueprint(log: log)
    blueprint.scripts = place
    blueprint.stateDirectory = options.stateDirectory
    blueprint.publishesRuns = log.shows(.debug)
    if log.shows(.debug) {
      blueprint.willBegin = { order in
        log.write(
          .debug, job: order.job.definition.name, run: order.id,
          order.attempt > 1 ? "attempt \(order.attempt) started" : "started")
      }
    }
    let renderer = EventRenderer(log, saysStarts: false)
    blueprint.onEvents = { events in for event in events { renderer.render(event) } }
    let assembly = try SchedulerAssembly(blueprint)
    self.assembly = assembly
    renderer.useReasons { [weak assembly] in assembly?.reasonOfOrphan($0) ?? "kept, not run" }
    directory = ScriptDirectory(path, configuration: options.config).root
  }

  /// Loads the scripts, starts the scheduler, begins to watch.
  func start() throws {
    // Before the first run can write a line of its own.
    try assembly.start { announce($0) }
  }

  private func announce(_ generation: LoadedGeneration) {
    log.write(
      .info,
      "moondial \(Moondial.version): \(counted(generation.jobs.count, "job")) from "
        + "\(counted(generation.scripts.count, "script")) in \(directory), \(assembly.workers) workers, zone "
        + "\(assembly.configuration.timeZone ?? systemZone.words), store \(assembly.stores[0].store.name)")
    if generation.jobs.isEmpty, generation.errors.isEmpty {
      log.write(.info, "no job is declared so far: save a .lua file in \(directory) and it is live")
    }
  }

  func receive(_ signal: Signals.Signal) {
    switch signal {
    case .reload: assembly.rescan()
    case .end:
      let isSecond = ending.withLock { ending in
        defer { ending = ending == .none ? .drain : .now }
        return ending != .none
      }
      if isSecond { assembly.endNow() }
      ending.broadcast()
    }
  }

  /// Blocks until the host was asked to end, and has ended: what ran has finished or was cancelled, everything is
  /// written.
  func awaitEnd() {
    _ = ending.wait { $0 == .none ? nil : true }
    assembly.stop(grace: grace)
    log.write(.info, "stopped")
  }
}

func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
