internal import Chronology
internal import FileWatching
import Glibc
import Hosting
import JobModel
internal import ScriptLoading
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

  /// The zone that flags, environment or the configuration beside the scripts directory name; nil: none of them does. A
  /// configuration that cannot be read is said, and names none.
  func configuredZone(beside path: String) throws -> String? {
    guard FileKind(path) == .directory else {
      return try configurationSettings().last { $0.path == ["timezone"] }?.text
    }
    let session = try ScriptSession(path, self, log: LogRenderer(zone: .utc, threshold: .error), sink: SilentLog())
    do throws(HostError) {
      try session.configure(session.directory.scan().snapshot)
    } catch {
      // Of the machine's own zone the caller says it.
      guard session.systemZone.problem == nil else { return nil }
      for line in error.message.split(separator: "\n") { Terminal.error("moondial: " + line) }
      Terminal.error("moondial: the configuration is left aside: --timezone names a zone")
    }
    return session.configuration.timeZone
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
