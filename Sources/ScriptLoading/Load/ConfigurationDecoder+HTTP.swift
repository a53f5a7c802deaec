internal import JobModel
internal import Lua

/// `http`: where the host listens, and who comes in.
extension ConfigurationDecoder {
  /// `http = { listen = "127.0.0.1:8047", hosts = { "moondial.example.org" }, tokens = { … } }`
  mutating func decodeHTTP(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    for (key, value) in fields(["http"], value, like: "{ listen = \"127.0.0.1:8047\" }") {
      let path = ["http", key]
      switch key {
      case "listen": decodeListen(path, value, &configuration.http)
      case "hosts":
        let names = read(path) {
          $0.names($1, value, of: "a name like \"moondial.example.org\"", atMost: 100, bytes: 255)
        }
        for name in names ?? [] where !Self.isHostName(name) {
          problem(path, "http.hosts: \(quoted(name)) is no name of a host: write it without a scheme, port or path")
        }
        configuration.http.hosts = names ?? []
      case "tokens": decodeTokens(value, &configuration.http)
      default: break
      }
    }
  }

  private mutating func decodeListen(_ path: [String], _ value: LuaValue, _ http: inout HTTPConfiguration) {
    if case .bool(false) = value {
      http.isEnabled = false
    } else if case .string(let text) = value, let listen = HTTPConfiguration(listen: text.text) {
      http.host = listen.host
      http.port = listen.port
    } else {
      problem(path, "http.listen must be \"HOST:PORT\" like \"127.0.0.1:8047\", or false, not \(value.shown)")
    }
  }

  /// `tokens = { grafana = { role = "read", hash = "sha256:…" }, deploy = { role = "operate", secret = "deploy" } }`
  private mutating func decodeTokens(_ value: LuaValue, _ http: inout HTTPConfiguration) {
    let example = "{ deploy = { role = \"operate\", secret = \"deploy-token\" } }"
    for (name, value) in fields(["http", "tokens"], value, like: example).sorted(by: { $0.key < $1.key }) {
      let path = ["http", "tokens", name]
      var role: HTTPConfiguration.Token.Role?
      var hasRole = false
      var sources: [HTTPConfiguration.Token.Source] = []
      var isWhole = true
      for (key, value) in fields(path, value, like: "{ role = \"read\", hash = \"sha256:…\" }") {
        let path = path + [key]
        switch key {
        case "role":
          hasRole = true
          role = read(path) { $0.choice($1, value, HTTPConfiguration.Token.Role.self) }
        case "hash":
          if let hash = hash(path, value) { sources.append(.hash(hash)) } else { isWhole = false }
        case "secret":
          if let secret = read(path, { $0.string($1, value, "the name of a secret", atMost: 255) }), !secret.isEmpty {
            sources.append(.secret(secret))
          } else {
            isWhole = false
          }
        default: break
        }
      }
      if !hasRole { problem(path, "http.tokens.\(name) has no role: add role = \"read\" or role = \"operate\"") }
      guard isWhole else { continue }
      guard sources.count == 1 else {
        problem(
          path, "http.tokens.\(name) needs one of hash = \"sha256:…\" and secret = \"NAME\", the secret that holds it")
        continue
      }
      if let role { http.tokens.append(HTTPConfiguration.Token(name: name, role: role, source: sources[0])) }
    }
  }

  /// `sha256:` and 64 hexadecimal digits. The value is not shown: it may be the token itself.
  private mutating func hash(_ path: [String], _ value: LuaValue) -> [UInt8]? {
    let prefix = "sha256:"
    if case .string(let text) = value, text.text.hasPrefix(prefix) {
      let digits = Array(text.text.utf8.dropFirst(prefix.utf8.count))
      let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap { index in
        UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16)
      }
      if digits.count == 64, bytes.count == 32 { return bytes }
    }
    problem(
      path,
      "\(path.joined(separator: ".")) must be \"sha256:\" and the 64 digits that `printf %s \"$TOKEN\" | sha256sum` prints"
    )
    return nil
  }

  private static func isHostName(_ name: String) -> Bool {
    !name.isEmpty
      && name.utf8.allSatisfy {
        (97...122).contains($0 | 0x20) || (48...57).contains($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
          || $0 == UInt8(ascii: "_")
      }
  }
}
