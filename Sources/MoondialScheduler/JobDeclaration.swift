internal import FileWatching
internal import Chronology
internal import Glibc
internal import JobModel
internal import Lua
internal import ScriptLoading

/// A job as it was added: what its definition is made of, once the configuration is final.
struct JobDeclaration: Sendable {
  var name: String
  var trigger: Trigger?
  var options: JobOptions
  var payload: any JobPayload
  var source: SourceLocation

  /// The definition under a host's defaults. Throws all that is wrong, a line each.
  func definition(in environment: DeclareEnvironment) throws(SchedulerError) -> JobDefinition {
    var fields = options.fields
    if let trigger { fields.append((JobField.trigger.rawValue, trigger.value)) }
    let job = NativeJob(name: name, fields: LuaTable(fields: fields), source: source, payload: payload)
    let params = try options.params?.checked("job \"\(name)\": params", isObject: true)
    do {
      var definition = try job.definition(in: environment)
      definition.params = params
      if let watch = definition.watch { definition.watch = watch.fromHere }
      return definition
    } catch { throw SchedulerError(.invalid, error.messages.joined(separator: "\n")) }
  }
}

/// A configuration that was checked, with the zones behind it.
struct CheckedConfiguration {
  let host: HostConfiguration
  let systemZone: MachineZone
  let zone: TimeZoneRules

  init(_ configuration: Configuration) throws(SchedulerError) {
    host = try configuration.decoded(zones: .shared)
    // Safe: getenv returns a C string that stays valid until the environment is changed; it is copied at once.
    let tz = unsafe getenv("TZ").map { unsafe String(cString: $0) }
    systemZone = TimeZoneDatabase.shared.machineZone(tz: tz)
    if host.timeZone == nil, let problem = systemZone.problem { throw SchedulerError(.invalid, problem) }
    do { zone = try TimeZoneDatabase.shared.zone(named: host.timeZone ?? systemZone.name) } catch {
      throw SchedulerError(.invalid, "timezone: \(error.message)")
    }
  }

  func environment(now: Instant) -> DeclareEnvironment {
    host.environment(zones: .shared, zone: zone, now: now)
  }
}
