internal import Chronology
import Glibc
import Hosting
import JobModel
import ScriptRuntime

extension SettingOptions {
  /// The scripts directory with the environment that flags and environment give it.
  func location(_ path: String) throws -> ScriptLocation {
    let zones = Environment.zones
    var location = ScriptLocation(
      path, source: .file(path: config, settings: try configurationSettings()),
      systemZone: zones.machineZone(tz: Environment["TZ"]), environment: { Environment[$0] },
      variables: { Environment.all })
    location.zones = zones
    location.allowsAll = allowAll
    location.stateDirectory = stateDirectory
    return location
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
    var location = try options.location(path)
    location.kinds = kinds
    try self.init(location, log: log, scheduler: scheduler, sink: sink)
  }
}
