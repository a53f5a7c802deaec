package import Chronology
package import JobModel
package import Lua

extension HostConfiguration {
  /// The configuration of a program: a table as moondial.lua would return it, with flat settings laid over it.
  ///
  /// - Parameters:
  ///   - table: what the program says.
  ///   - stores: the kinds that there are.
  ///   - settings: over it, later ones over earlier.
  /// - Returns: what was understood, and everything that is wrong; where there is an error, the former is not to be
  ///   used.
  package static func decoding(
    _ table: LuaTable, settings: [ConfigurationSetting], zones: TimeZoneDatabase, stores: StoreKinds,
    now: Instant
  ) -> (configuration: HostConfiguration, problems: [ScriptProblem]) {
    var decoder = ConfigurationDecoder(
      table, of: "moondial.lua", settings: settings, zones: zones, stores: stores, now: now)
    let configuration = decoder.decode()
    return (configuration, decoder.problems)
  }
}
