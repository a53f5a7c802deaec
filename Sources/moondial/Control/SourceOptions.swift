import ArgumentParser
import FileWatching
import HostClient
import Hosting

/// Whom a command asks that needs no running host: the host, if one is up, else its stores.
struct SourceOptions: ParsableArguments {
  @Option(help: "A host over TCP, such as http://127.0.0.1:8047. Default: $MOONDIAL_SERVER, else the state directory.")
  var server: String?

  @Option(help: "The token for --server. Default: $MOONDIAL_TOKEN.")
  var token: String?

  @Flag(help: "Read the stores, even if a host is up.")
  var stored = false

  func validate() throws { try refuseEmpty(["--server": server, "--token": token]) }

  /// The host to ask; nil: the stores tell.
  ///
  /// - Parameters:
  ///   - directory: the scripts that are meant; a host of others is not asked.
  ///   - store: the one store that is meant, if any.
  func host(_ directory: String, _ settings: SettingOptions, store: String? = nil) throws -> HostSource? {
    let storeOption = try storeOption(settings, store)
    var choice = HostChoice()
    choice.state = settings.state
    choice.server = server
    choice.token = token
    // What somebody sets for this command, a host that is up has not.
    if storeOption != nil { return nil }
    let client = try choice.client
    if case .server = client.address {
      return HostSource(client, try client.get(HostStatus.self, HostClient.path("status")))
    }
    return try SourceOptions.host(client, directory)
  }

  /// The option by which somebody means the stores; nil: nobody does. Throws when a host is named as well.
  private func storeOption(_ settings: SettingOptions, _ store: String?) throws -> String? {
    let options = [
      ("--stored", stored), ("--store", store != nil), ("--config", settings.config != nil),
      ("--set", !settings.set.isEmpty),
    ]
    let other = options.first { $0.1 }?.0
    guard let other else { return nil }
    for (name, value) in [("--server", server), ("--token", token)] where value != nil {
      throw CommandFailure(.usage, "\(name) is for asking a host, and \(other) means the stores: say one of the two")
    }
    return other
  }

  private static func host(_ client: HostClient, _ directory: String) throws -> HostSource? {
    do throws(ClientFailure) {
      let status = try client.ask(HostStatus.self, "GET", HostClient.path("status"), seconds: patience)
      return isMeant(status, directory) ? HostSource(client, status) : nil
    } catch {
      switch error.kind {
      case .noHost: return nil
      case .failed:
        // It is about to end, or stands still: the stores know what it has written.
        Terminal.error("moondial: \(error.message): the stores are read instead")
        return nil
      case .refused, .notUnderstood: throw CommandFailure(error)
      }
    }
  }

  /// Seconds that a host may take to say that it is there.
  private static let patience = 10

  /// Whether the host runs the scripts of a directory. One that is not there is the default that nobody named.
  private static func isMeant(_ status: HostStatus, _ directory: String) -> Bool {
    guard let scripts = status.scripts, case .directory = FileKind(directory) else { return directory == "scripts" }
    return ScriptDirectory(directory, configuration: nil).root == scripts
  }
}
