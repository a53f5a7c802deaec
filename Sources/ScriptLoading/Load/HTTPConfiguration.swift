/// Where the HTTP interface listens, what it is called, and whose tokens are good.
package struct HTTPConfiguration: Sendable, Hashable {
  package var host: String
  /// 0 is a free port of the system's choice.
  package var port: Int
  /// `listen = false` turns it off.
  package var isEnabled: Bool
  /// Names of this host, beside its addresses and `localhost`: behind a proxy the one that people type.
  package var hosts: [String] = []
  /// By name, sorted. A reload takes them over.
  package var tokens: [Token] = []

  /// A token with which a program comes in.
  package struct Token: Sendable, Hashable {
    package enum Role: String, Sendable, Hashable, CaseIterable {
      case read, operate
    }
    package enum Source: Sendable, Hashable {
      /// The 32 bytes of its SHA-256.
      case hash([UInt8])
      /// The name of the secret that it is.
      case secret(String)
    }
    package var name: String
    package var role: Role
    package var source: Source

    package init(name: String, role: Role, source: Source) {
      self.name = name
      self.role = role
      self.source = source
    }
  }

  /// Whether both listen at the same place under the same names.
  package func listens(as other: HTTPConfiguration) -> Bool {
    host == other.host && port == other.port && isEnabled == other.isEnabled && hosts == other.hosts
  }

  package init(host: String = "127.0.0.1", port: Int = 8047, isEnabled: Bool = true) {
    self.host = host
    self.port = port
    self.isEnabled = isEnabled
  }

  /// Reads `HOST:PORT`, `[::1]:8047` or `:8047` (every address); `nil` for anything else.
  package init?(listen text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    var host = String(text[..<colon])
    let digits = text[text.index(after: colon)...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = Int(digits), port <= 65_535
    else {
      return nil
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      return nil
    }
    self.init(host: host.isEmpty ? "0.0.0.0" : host, port: port)
  }
}
