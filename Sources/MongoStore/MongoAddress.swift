/// What an address says about where a store is, for people: without user, password and options.
enum MongoAddress {
  /// `mongodb://host:port/database`.
  static func location(_ text: String) -> String {
    guard let slashes = text.firstRange(of: "://") else { return text }
    let scheme = text[..<slashes.upperBound]
    let rest = text[slashes.upperBound...].prefix { $0 != "?" }
    let hosts = rest.prefix { $0 != "/" }
    let path = rest.dropFirst(hosts.count)
    // A password may hold anything but a slash; the last sign at separates it from the hosts.
    let names = hosts.lastIndex(of: "@").map { hosts[hosts.index(after: $0)...] } ?? hosts
    return String(scheme) + names + (path.count > 1 ? path : "/moondial")
  }
}
