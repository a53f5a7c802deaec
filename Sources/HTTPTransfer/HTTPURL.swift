package import Basics
internal import CCurl
internal import Glibc

/// A URL of HTTP, read by the parser that also makes the connection (libcurl's): what was checked is what is asked for.
///
///     let url = try HTTPURL("HTTP://0x7f.1:80/a b?c")
///     url.host                                    // 127.0.0.1
///     try url.resolving("../d").text              // http://127.0.0.1/d
///
/// The host is lower case, in the ASCII form of an international name; an address has its usual spelling. There is no
/// fragment, and no user and password: those are in `credentials`.
package struct HTTPURL: Sendable, Equatable {
  /// Why a text is no such URL, as the end of a sentence.
  package struct Problem: Error, Equatable {
    package let message: String
  }

  /// The whole of it.
  package let text: String
  package let isSecure: Bool
  /// Without brackets.
  package let host: String
  package let port: Int
  /// `USER:PASSWORD`, decoded.
  package let credentials: String?
  /// Path and query.
  private let rest: String

  /// - Parameter query: parts that are added to its query; they are escaped here.
  package init(_ text: String, query: [(name: String, value: String)] = []) throws(Problem) {
    try self.init(from: nil, text, query)
  }

  /// What a `Location` of an answer from here means.
  package func resolving(_ location: String) throws(Problem) -> HTTPURL {
    try HTTPURL(from: self.text, location, [])
  }

  /// The address, when the host is one.
  package var address: IPAddress? { IPAddress(host) }

  /// Whether scheme, host and port are the same: whom credentials may be told.
  package func hasOrigin(of other: HTTPURL) -> Bool {
    isSecure == other.isSecure && host == other.host && port == other.port
  }

  /// For messages: without the query, which may have a secret in it.
  package var shown: String { text.split(separator: "?", maxSplits: 1).first.map(String.init) ?? text }

  /// `host:port`, as libcurl and people write it.
  package var place: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }

  private init(from base: String?, _ text: String, _ query: [(name: String, value: String)]) throws(Problem) {
    // Zero bytes would end it early, and the rest has no meaning in a URL.
    guard text.utf8.count <= 65_536, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
      throw Problem(message: "a URL has up to 65536 bytes and no control characters")
    }
    // Safe: the handle is checked, and freed when this returns.
    guard let handle = unsafe curl_url() else { throw Problem(message: "out of memory") }
    defer { unsafe curl_url_cleanup(handle) }
    let parts = unsafe URLParts(handle: handle)
    // The names of hosts are text in the encoding of the thread's locale (libidn2), and ours is UTF-8.
    let former = unsafe uselocale(Self.utf8)
    defer { unsafe _ = uselocale(former) }
    if let base { try parts.set(CURLUPART_URL, base) }
    try parts.set(CURLUPART_URL, text, CURLU_URLENCODE)
    guard let scheme = parts.get(CURLUPART_SCHEME), scheme == "http" || scheme == "https" else {
      throw Problem(message: "expected a URL that begins with http:// or https://")
    }
    guard parts.get(CURLUPART_ZONEID) == nil else { throw Problem(message: "an address with a zone cannot be asked") }
    try parts.set(CURLUPART_FRAGMENT, nil)
    if let user = parts.get(CURLUPART_USER, decoded: true) {
      credentials = user + ":" + (parts.get(CURLUPART_PASSWORD, decoded: true) ?? "")
    } else {
      credentials = nil
    }
    try parts.set(CURLUPART_USER, nil)
    try parts.set(CURLUPART_PASSWORD, nil)
    guard let host = parts.host(), !host.isEmpty else { throw Problem(message: "the host's name is no name") }
    // The plain form goes into the URL as well, so that libcurl has nothing left to work out.
    try parts.set(CURLUPART_HOST, host)
    let bare = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
    self.host = IPAddress(bare)?.description ?? bare
    isSecure = scheme == "https"
    guard let port = parts.port(), (1...65_535).contains(port) else { throw Problem(message: "the port is no port") }
    self.port = port
    if !query.isEmpty {
      let added = query.map { Self.escaped($0.name) + "=" + Self.escaped($0.value) }.joined(separator: "&")
      let former = parts.get(CURLUPART_QUERY).map { $0.isEmpty ? "" : $0 + "&" } ?? ""
      try parts.set(CURLUPART_QUERY, former + added)
    }
    guard let whole = parts.get(CURLUPART_URL) else { throw Problem(message: "it has no whole form") }
    self.text = whole
    rest = (parts.get(CURLUPART_PATH) ?? "/") + (parts.get(CURLUPART_QUERY).map { "?" + $0 } ?? "")
  }

  // Safe: made once and never freed; nil, where there is no such locale, changes nothing.
  private nonisolated(unsafe) static let utf8 = unsafe newlocale(LC_CTYPE_MASK, "C.UTF-8", nil)

  /// Percent-encoded but for the unreserved characters of RFC 3986.
  package static func escaped(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: result.append(byte)
      default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

/// libcurl's URL, for the time of one reading.
@safe private struct URLParts {  // its handle is valid for as long as the reading lasts
  let handle: OpaquePointer

  init(handle: OpaquePointer) { unsafe self.handle = handle }

  func set(_ part: CURLUPart, _ text: String?, _ flags: Int32 = 0) throws(HTTPURL.Problem) {
    // Safe: the handle is valid, and libcurl copies the text, which is terminated.
    let code = unsafe curl_url_set(handle, part, text, UInt32(flags))
    guard code == CURLUE_OK else {
      // Safe: a constant text of libcurl's.
      let said = unsafe String(cString: curl_url_strerror(code))
      throw HTTPURL.Problem(message: Self.sentence(for: code) ?? said)
    }
  }

  private static func sentence(for code: CURLUcode) -> String? {
    switch code {
    case CURLUE_BAD_SCHEME, CURLUE_UNSUPPORTED_SCHEME: "expected a URL that begins with http:// or https://"
    case CURLUE_NO_HOST: "there is no host in it"
    default: nil
    }
  }

  func get(_ part: CURLUPart, decoded: Bool = false, flags: Int32 = 0) -> String? {
    var text: UnsafeMutablePointer<CChar>?
    let all = UInt32(flags) | (decoded ? UInt32(CURLU_URLDECODE) : 0)
    // Safe: the handle is valid; the text that is handed out is terminated, and freed here.
    guard unsafe curl_url_get(handle, part, &text, all) == CURLUE_OK, let text = unsafe text else { return nil }
    defer { unsafe curl_free(text) }
    return unsafe String(cString: text)
  }

  /// In ASCII and lower case; an address of IPv6 with its brackets.
  func host() -> String? { get(CURLUPART_HOST, flags: Int32(CURLU_PUNYCODE))?.lowercased() }

  func port() -> Int? { get(CURLUPART_PORT, flags: Int32(CURLU_DEFAULT_PORT)).flatMap { Int($0) } }
}
