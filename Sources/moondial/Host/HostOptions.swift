import ArgumentParser
import Chronology
import Glibc
import JobModel
import ScriptLoading

/// Where the scripts are, and the settings that commands share.
struct ScriptOptions: ParsableArguments {
  @Argument(help: "The scripts directory.")
  var directory = "scripts"

  @OptionGroup var settings: SettingOptions
}

struct SettingOptions: ParsableArguments {
  @Option(help: "The configuration file. Default: moondial.lua beside the scripts directory, if there is one.")
  var config: String?

  @Option(help: "Any setting, e.g. --set executors.default.workers=20. May be repeated; later wins.")
  var set: [String] = []

  @Option(help: "Where the database and other state live. Default: $MOONDIAL_STATE, else ./.moondial.")
  var state: String?

  @Flag(help: "Grant every capability (files, programs, environment) to every script: for one's own machine.")
  var allowAll = false

  /// File, environment, flags: later wins.
  func configurationSettings() throws -> [ConfigurationSetting] {
    var settings = ConfigurationSetting.settings(inEnvironment: Environment.all)
    for flag in set {
      guard let setting = ConfigurationSetting(flag: flag) else {
        throw CommandFailure(.usage, "--set \(flag): write key=value, e.g. executors.default.workers=20")
      }
      settings.append(setting)
    }
    return settings
  }

  var stateDirectory: String { state ?? Environment.state ?? ".moondial" }

  func validate() throws { try refuseEmpty(["--config": config, "--state": state]) }
}

/// An empty name would mean the root of the file system, or nothing: mostly it is a variable of a shell that is not
/// set.
func refuseEmpty(_ options: KeyValuePairs<String, String?>) throws {
  for (name, value) in options where value?.isEmpty == true {
    throw ValidationError("\(name) is empty: give it a value, or leave it out")
  }
}

/// The process's environment; read here and nowhere below.
enum Environment {
  static subscript(name: String) -> String? {
    // Safe: getenv returns a C string that stays valid until the environment is changed, which nobody does; it is
    // copied here.
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }

  /// The state directory that the environment names; a variable that is empty names none.
  static var state: String? { self["MOONDIAL_STATE"].flatMap { $0.isEmpty ? nil : $0 } }

  /// The system's zones, or those below `TZDIR`.
  static var zones: TimeZoneDatabase {
    self["TZDIR"].flatMap { $0.isEmpty ? nil : TimeZoneDatabase(directory: $0) } ?? TimeZoneDatabase()
  }

  static var all: [String: String] {
    var all: [String: String] = [:]
    var entry = unsafe environ
    // Safe: `environ` is an array of C strings that ends with a null pointer (environ(7)).
    while let text = unsafe entry.pointee {
      let line = unsafe String(cString: text)
      if let equals = line.firstIndex(of: "=") {
        all[String(line[..<equals])] = String(line[line.index(after: equals)...])
      }
      unsafe entry += 1
    }
    return all
  }
}
