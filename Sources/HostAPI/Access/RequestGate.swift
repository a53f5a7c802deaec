internal import HTTPTypes

/// Decides who a request is from, and whether it may be made: pure, but for what ``Credentials`` know.
///
/// Over TCP a browser may be somebody else's tool. A page of another site that resolves its name to this machine (DNS
/// rebinding) says a name in `Host` that the host does not have; one that only sends a request says its own `Origin`.
/// Both are refused before anything else is looked at.
package struct RequestGate: Sendable {
  /// What of a request is looked at.
  package struct Subject: Sendable {
    package var door: Door
    package var host: String?
    /// Further `Host` fields.
    package var hasTwoHosts = false
    package var origin: String?
    package var fetchSite: String?
    package var authorization: String?
    package var cookies: [String] = []
    /// GET or HEAD.
    package var isSafe = true

    package init(door: Door) { self.door = door }
  }

  private let credentials: Credentials
  /// Names by which the host is called, in small letters, in addition to addresses and `localhost`.
  private let names: Set<String>

  package init(_ credentials: Credentials, names: [String] = []) {
    self.credentials = credentials
    self.names = Set(names.map { $0.lowercased() })
  }

  /// Whether the request is meant for this host, and by a page of it. Nobody is known yet.
  package func checkAddress(_ subject: Subject) throws(ProblemDetails) {
    guard case .tcp = subject.door else { return }
    guard let host = subject.host, !host.isEmpty, !subject.hasTwoHosts else {
      throw ProblemDetails(status: .badRequest, title: "Bad Request", detail: "send one Host field")
    }
    guard isOwn(RequestGate.name(in: host)) else {
      throw ProblemDetails(
        status: .misdirectedRequest, title: "Misdirected Request",
        detail: "this host is not called that; use an address, localhost, or a name in http.hosts of moondial.lua")
    }
    guard let origin = subject.origin else { return }
    guard RequestGate.authority(ofOrigin: origin) == host.lowercased() else {
      throw ProblemDetails(
        status: .forbidden, title: "Forbidden",
        detail: "a page of another site may not ask: its Origin is not this host")
    }
  }

  /// Who it is from; nil when it says nothing about that.
  ///
  /// - Throws: 401 for a credential that is nobody's, or is no longer good; 403 for a browser's that may not have been
  ///   meant.
  package func identify(_ subject: Subject) throws(ProblemDetails) -> Identity? {
    guard case .tcp(let port) = subject.door else { return Identity(name: "socket", role: .operate, isCookie: false) }
    if let authorization = subject.authorization {
      guard let token = RequestGate.bearer(authorization), let identity = credentials.identity(token: token) else {
        throw .unauthorized("the token is none of this host's: use one of http.tokens")
      }
      return identity
    }
    guard let session = RequestGate.session(in: subject.cookies, port: port) else { return nil }
    guard let identity = credentials.identity(session: session) else {
      throw .unauthorized("the session is over: sign in with a new link (moondial dashboard prints it)")
    }
    // SameSite=Strict keeps cookies from other sites; other ports of this machine are the same site.
    guard subject.isSafe || subject.origin != nil || subject.fetchSite == "same-origin" else {
      throw ProblemDetails(
        status: .forbidden, title: "Forbidden",
        detail: "a browser must say which page asks (Origin); programs use a token of http.tokens")
    }
    return identity
  }

  /// The name of the cookie: ports of one machine share their cookies.
  package static func cookieName(port: Int) -> String { "moondial_\(port)" }

  /// The session among `Cookie` fields.
  package static func session(in cookies: [String], port: Int) -> String? {
    let prefix = cookieName(port: port) + "="
    for field in cookies {
      for part in field.split(separator: ";") {
        let pair = part.drop { $0 == " " }
        if pair.hasPrefix(prefix) { return String(pair.dropFirst(prefix.count)) }
      }
    }
    return nil
  }

  // MARK: Parts

  private static func bearer(_ field: String) -> String? {
    let parts = field.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
    return String(parts[1])
  }

  /// Whether a name or address can only be meant for this host. An address cannot be rebound: it is what the browser
  /// connected to.
  private func isOwn(_ name: String) -> Bool {
    name == "localhost" || RequestGate.isAddress(name) || names.contains(name)
  }

  /// The name in `name:port`, in small letters; brackets stay.
  private static func name(in authority: String) -> String {
    let text = authority.lowercased()
    guard let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") else { return text }
    let port = text[text.index(after: colon)...]
    guard port.utf8.allSatisfy({ (48...57).contains($0) }) else { return text }
    return String(text[..<colon])
  }

  /// `127.0.0.1` or `[::1]`.
  private static func isAddress(_ name: String) -> Bool {
    if name.hasPrefix("["), name.hasSuffix("]"), name.count > 3 {
      return name.dropFirst().dropLast().utf8.allSatisfy {
        (48...57).contains($0) || (97...102).contains($0) || $0 == 58 || $0 == 46
      }
    }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { $0.utf8.count <= 3 && UInt8($0) != nil }
  }

  /// `name:port` of `http://name:port`; nil for another form, such as `null`.
  private static func authority(ofOrigin origin: String) -> String? {
    let text = origin.lowercased()
    for scheme in ["http://", "https://"] where text.hasPrefix(scheme) {
      let rest = text.dropFirst(scheme.count)
      return rest.contains("/") || rest.isEmpty ? nil : String(rest)
    }
    return nil
  }
}
