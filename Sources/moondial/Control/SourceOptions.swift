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

  /// The host to ask; nil: the stores tell.
  ///
  /// - Parameters:
  ///   - directory: the scripts that are meant; a host of others is not asked.
  ///   - store: the one store that is meant, if any.
  func host(_ directory: String, _ settings: SettingOptions, store: String? = nil) throws -> HostSource? {
    if server != nil, stored || store != nil {
      throw CommandFailure(.usage, "--server asks a host: it goes neither with --stored nor with --store")
    }
    var choice = HostChoice()
    choice.state = settings.state
    choice.server = server
    choice.token = token
    let client = try choice.client
    if case .server = client.address {
      guard !stored, store == nil else { return nil }
      return HostSource(client, try client.get(HostStatus.self, HostClient.path("status")))
    }
    // What somebody sets for this command, a host that is up has not.
    guard !stored, store == nil, settings.config == nil, settings.set.isEmpty else { return nil }
    return try SourceOptions.host(client, directory)
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
