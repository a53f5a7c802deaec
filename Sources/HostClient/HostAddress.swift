/// Where a host is reached.
package enum HostAddress: Sendable, Equatable, CustomStringConvertible {
  /// Its Unix socket, below its state directory.
  case stateDirectory(String)
  /// HTTP over TCP, `http://127.0.0.1:8047`, and a token.
  case server(String, token: String?)

  /// The name of the socket in a state directory.
  package static let socketName = "host.sock"

  /// As it is said in messages.
  package var description: String {
    switch self {
    case .stateDirectory(let path): path
    case .server(let url, _): url
    }
  }
}
