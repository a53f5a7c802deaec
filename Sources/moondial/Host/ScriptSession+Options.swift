internal import Chronology
import Glibc
import Hosting
import ScriptRuntime

extension SettingOptions {
  /// The scripts directory with the surroundings that flags and environment give it.
  func place(_ path: String) throws -> ScriptPlace {
    let zones = Environment.zones
    var place = ScriptPlace(
      path, source: .file(path: config, settings: try configurationSettings()),
      systemZone: zones.machineZone(tz: Environment["TZ"]))
    place.zones = zones
    place.allowsAll = allowAll
    place.stateDirectory = stateDirectory
    place.environment = { Environment[$0] }
    return place
  }
}

extension ScriptSession {
  /// A session for a command that looks at scripts once.
  ///
  /// - Parameter scheduler: what scripts ask the scheduler for.
  convenience init(
    _ path: String, _ options: SettingOptions, log: LogRenderer, sink: any LogSink,
    scheduler: any JobControl & EventHub = MissingServices()
  ) throws {
    try self.init(try options.place(path), log: log, bridge: scheduler, sink: sink)
  }
}
