/// Where a program's scheduler answers over HTTP, and for whom. The default is nowhere.
///
///     var http = HTTPOptions()
///     http.stateDirectory = "state"                       // `moondial status --state state` finds it
///     http.listen = "127.0.0.1:8047"
///     http.tokens = [.init("grafana", .read, token: token)]
public struct HTTPOptions: Sendable {
  /// What a token may do.
  public enum Role: String, Sendable, CaseIterable {
    /// Ask.
    case read
    /// Ask and tell.
    case operate
  }

  /// A token with which a program comes in over TCP.
  public struct Token: Sendable {
    package let name: String
    package let role: Role
    package let token: String

    /// - Parameters:
    ///   - name: who it is, in the audit.
    ///   - token: long and random. It is kept as its SHA-256.
    public init(_ name: String, _ role: Role, token: String) {
      self.name = name
      self.role = role
      self.token = token
    }
  }

  /// The directory of the socket `host.sock`, made when it is missing: whoever may open that file (mode 0600) may do
  /// everything, and the commands of `moondial` find the scheduler by `--state`. nil: no socket.
  public var stateDirectory: String?
  /// `HOST:PORT` for TCP; port 0 is a free one. nil: no TCP. Nobody gets in without a token or a link.
  public var listen: String?
  /// Further names of the host, such as the one that a proxy has: requests with another `Host` are refused.
  public var hosts: [String] = []
  /// Whose tokens are good.
  public var tokens: [Token] = []

  /// Nowhere, for nobody.
  public init() {}
}
