internal import Basics

/// The proxies that the host's environment names, as curl reads it: `http_proxy` (small letters only, since a web server
/// puts a client's header `Proxy` into `HTTP_PROXY`), `https_proxy`, `all_proxy`, `no_proxy`.
package struct HTTPProxies: Sendable, Equatable {
  private var plain: String?
  private var secure: String?
  private var without: [String] = []

  /// None.
  package init() {}

  package init(environment: (String) -> String?) {
    func read(_ names: [String]) -> String? {
      for name in names { if let value = environment(name), !value.isEmpty { return value } }
      return nil
    }
    let all = read(["all_proxy", "ALL_PROXY"])
    plain = read(["http_proxy"]) ?? all
    secure = read(["https_proxy", "HTTPS_PROXY"]) ?? all
    without = (read(["no_proxy", "NO_PROXY"]) ?? "").split { $0 == "," || $0 == " " }.map { $0.lowercased() }
  }

  /// The proxy for a URL; nil for none.
  package func proxy(for url: HTTPURL) -> String? {
    guard let proxy = url.isSecure ? secure : plain, !without.contains(where: { Self.covers($0, url) }) else {
      return nil
    }
    return proxy
  }

  /// A name covers itself and what lies below it; `*` everything; an address or a network those addresses.
  private static func covers(_ entry: String, _ url: HTTPURL) -> Bool {
    if entry == "*" { return true }
    if let address = url.address { return IPNetwork(entry)?.contains(address) ?? false }
    let name = entry.drop { $0 == "." }
    return url.host == name || url.host.hasSuffix("." + name)
  }
}

extension String {
  func replacingLast(_ end: String, with other: String) -> String {
    hasSuffix(end) ? String(dropLast(end.count)) + other : self
  }
}
