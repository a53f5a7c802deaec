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

extension SettingOptions {
  /// The scripts directory with the surroundings that flags and environment give it.
  func place(_ path: String) throws -> ScriptPlace {
    let zone = Environment["TZ"].flatMap { $0.isEmpty ? nil : $0 } ?? TimeZoneDatabase.systemZoneName() ?? "UTC"
    var place = ScriptPlace(
      path, source: .file(path: config, settings: try configurationSettings()), systemZone: zone)
    place.allowsAll = allowAll
    place.environment = { Environment[$0] }
    if let directory = Environment["TZDIR"] { place.zones = TimeZoneDatabase(directory: directory) }
    return place
  }
}

extension ScriptSession {
  /// A session for a command that looks at scripts once.
  convenience init(_ path: String, _ options: SettingOptions, log: LogRenderer, sink: any LogSink) throws {
    try self.init(try options.place(path), log: log, sink: sink)
  }
}
