package import Chronology
package import JobModel
package import ScriptLoading

/// Where scripts are, and what surrounds them: all that a ``ScriptSession`` is made of. A value; nothing is read by
/// making one.
package struct ScriptLocation: Sendable {
  /// Where the host's configuration comes from.
  package enum Source: Sendable {
    /// moondial.lua (beside the directory when `path` is nil), with settings over it.
    case file(path: String?, settings: [ConfigurationSetting])
    /// A program made it. No file is read.
    case value(HostConfiguration)
  }

  /// The scripts directory.
  package var directory: String
  package var source: Source
  /// Where last good versions of scripts are kept; nil: nowhere.
  package var stateDirectory: String?
  /// Grants everything to every script, whatever the configuration says.
  package var allowsAll = false
  /// What scripts see of the environment, when they are granted it. The library reads none of its own.
  package var environment: @Sendable (String) -> String?
  /// The same as a whole: where secrets may lie, and what the command inherits that is asked for them.
  package var variables: @Sendable () -> [String: String]
  package var zones = TimeZoneDatabase()
  /// The kinds of stores that the configuration may name.
  package var kinds = StoreKinds.standard
  /// The zone of jobs that nobody gave one: the machine's. A problem with it is an error where it is needed.
  package var systemZone: MachineZone

  package init(
    _ directory: String, source: Source, systemZone: MachineZone,
    environment: @escaping @Sendable (String) -> String?, variables: @escaping @Sendable () -> [String: String]
  ) {
    self.directory = directory
    self.environment = environment
    self.variables = variables
    self.source = source
    self.systemZone = systemZone
  }
}
