import ArgumentParser
import Chronology
import HostClient
import Hosting

/// Which host a command talks to: the one of a state directory, or one at a URL.
struct HostChoice: ParsableArguments {
  @Option(help: "The host's state directory. Default: $MOONDIAL_STATE, else ./.moondial.")
  var state: String?

  @Option(help: "A host over TCP, such as http://127.0.0.1:8047. Default: $MOONDIAL_SERVER, else its state directory.")
  var server: String?

  @Option(help: "The token for --server. Default: $MOONDIAL_TOKEN.")
  var token: String?

  func validate() throws { try refuseEmpty(["--state": state, "--server": server, "--token": token]) }

  var address: HostAddress {
    get throws {
      if let server, let state {
        throw CommandFailure(.usage, "--server \(server) and --state \(state) name two hosts: say one of the two")
      }
      // What is named on the command line is meant before what the environment says.
      let url = server ?? (state == nil ? Environment["MOONDIAL_SERVER"] : nil)
      guard let url, !url.isEmpty else {
        guard token == nil else {
          throw CommandFailure(.usage, "--token is for a host over TCP: name it with --server URL")
        }
        return .stateDirectory(state ?? Environment.state ?? ".moondial")
      }
      guard url.hasPrefix("http://") || url.hasPrefix("https://"), !url.utf8.contains(where: { $0 <= 0x20 }) else {
        throw CommandFailure(.usage, "--server \(url): give a URL, such as http://127.0.0.1:8047")
      }
      let token = token ?? Environment["MOONDIAL_TOKEN"]
      guard token?.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f }) != true else {
        throw CommandFailure(.usage, "--token: a token has neither spaces nor control characters")
      }
      return .server(url, token: token)
    }
  }

  /// Who asks it.
  var client: HostClient { get throws { HostClient(try address, version: MoondialVersion.text) } }
}

extension HostClient {
  /// An answer as a value, or why there is none, with the exit code for that.
  func get<Value: Decodable>(
    _ type: Value.Type, _ path: String, query: [(name: String, value: String?)] = []
  ) throws -> Value {
    try CommandFailure.orFail { () throws(ClientFailure) in try ask(type, "GET", path, query: query) }
  }

  /// Gives an order.
  func post<Value: Decodable>(_ type: Value.Type, _ path: String, _ body: (any Encodable)? = nil) throws -> Value {
    try CommandFailure.orFail { () throws(ClientFailure) in try ask(type, "POST", path, body: body) }
  }

  /// An answer as it came, on one line of standard output.
  func printJSON(
    _ method: String, _ path: String, query: [(name: String, value: String?)] = [], body: (any Encodable)? = nil
  ) throws {
    let bytes = try CommandFailure.orFail { () throws(ClientFailure) in
      try document(method, path, query: query, body: body)
    }
    Terminal.json(String(decoding: bytes, as: UTF8.self))
  }

  /// The zone in which the host shows times.
  func zone() throws -> TimeZoneRules {
    let name = try get(HostStatus.self, HostClient.path("status")).timeZone
    return (try? Environment.zones.zone(named: name)) ?? .utc
  }
}

extension CommandFailure {
  init(_ failure: ClientFailure) {
    switch failure.kind {
    case .noHost: self.init(.noHost, failure.message)
    case .refused, .notUnderstood, .failed: self.init(.failed, failure.message)
    }
  }

  static func orFail<Value>(_ body: () throws(ClientFailure) -> Value) throws -> Value {
    do throws(ClientFailure) { return try body() } catch { throw CommandFailure(error) }
  }
}

/// A time as people read it: without what nobody uses of it.
extension HostTime {
  var short: String {
    // "2026-01-01T00:00:00" is 19 characters; the offset is what follows a fraction.
    guard text.count > 19 else { return text }
    let rest = text.dropFirst(19)
    guard rest.first == "." else { return text }
    let digits = rest.dropFirst().prefix { $0.isNumber }
    let millis = digits.prefix(3)
    return text.prefix(19) + (millis.allSatisfy { $0 == "0" } ? "" : "." + millis) + rest.dropFirst(1 + digits.count)
  }
}
