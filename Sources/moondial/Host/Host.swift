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
    let renderer = EventRenderer(log)
    blueprint.onEvents = { events in for event in events { renderer.render(event) } }
    assembly = try SchedulerAssembly(blueprint)
    directory = ScriptDirectory(path, configuration: options.config).root
  }

  /// Loads the scripts, starts the scheduler, begins to watch.
  func start() throws {
    guard let generation = try assembly.start() else { preconditionFailure("a host has scripts") }
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
    case .childEnded: assembly.reapOrphans()
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
