internal import Chronology
import Glibc
import Hosting
import JobModel
import ScriptRuntime

extension SettingOptions {
  /// The scripts directory with the surroundings that flags and environment give it.
  func place(_ path: String) throws -> ScriptPlace {
    let zones = Environment.zones
    var place = ScriptPlace(
      path, source: .file(path: config, settings: try configurationSettings()),
      systemZone: zones.machineZone(tz: Environment["TZ"]), environment: { Environment[$0] },
      variables: { Environment.all })
    place.zones = zones
    place.allowsAll = allowAll
    place.stateDirectory = stateDirectory
    return place
  }
}

extension ScriptSession {
  /// A session for a command that looks at scripts once.
  ///
  /// - Parameters:
  ///   - scheduler: what scripts ask the scheduler for.
  ///   - kinds: of stores that the configuration may name.
  convenience init(
    _ path: String, _ options: SettingOptions, log: LogRenderer, sink: any RunOutput,
    scheduler: any JobControl & EventHub = MissingServices(), kinds: StoreKinds = .standard
  ) throws {
    var place = try options.place(path)
    place.kinds = kinds
    try self.init(place, log: log, scheduler: scheduler, sink: sink)
  }
}
