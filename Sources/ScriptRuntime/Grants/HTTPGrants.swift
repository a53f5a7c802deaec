package import Basics

/// Whom a script may ask over the network: `http = { "api.example.org", "*.corp.example", "10.0.0.0/8" }`.
///
/// - A name, in which `*` stands for any number of characters, is granted as it stands in a URL. It may lead to public
///   addresses only, whatever the DNS says.
/// - An address or a network is granted as it is, public or not; names that lead to it need their own entry beside it.
/// - `localhost` is that name with the addresses of this machine.
/// - `"*"`, and `true`, are all names and all public addresses.
/// - With `:PORT` an entry covers that port, without one all of them.
package struct HTTPGrants: Sendable, Equatable {
  private struct Name: Sendable, Equatable {
    var pattern: String
    var port: Int?
  }
  private struct Place: Sendable, Equatable {
    var network: IPNetwork
    var port: Int?
  }

  private var hasAll = false
  private var names: [Name] = []
  private var places: [Place] = []

  /// Grants nothing.
  package init() {}

  /// Everything that this machine reaches (`--allow-all`).
  package static let all: HTTPGrants = {
    var all = HTTPGrants()
    all.hasAll = true
    return all
  }()

  /// False when it is no name, address or network.
  mutating func add(_ entry: String) -> Bool {
    let text = entry.lowercased()
    if let network = IPNetwork(text) {
      places.append(Place(network: network, port: nil))
      return true
    }
    guard let (host, port) = Self.split(text) else { return false }
    if let network = IPNetwork(host) {
      places.append(Place(network: network, port: port))
      return true
    }
    let name = host.hasSuffix(".") ? String(host.dropLast()) : host
    guard Self.isName(name) else { return false }
    names.append(Name(pattern: name, port: port))
    if name == "localhost" {
      for own in ["127.0.0.0/8", "::1"] { places.append(Place(network: IPNetwork(own)!, port: port)) }
    }
    return true
  }

  /// `host`, `host:port`, `[address]:port`, `[address]/bits`.
  private static func split(_ text: String) -> (host: String, port: Int?)? {
    if text.hasPrefix("["), let end = text.lastIndex(of: "]") {
      let inside = String(text[text.index(after: text.startIndex)..<end])
      let rest = text[text.index(after: end)...]
      if rest.isEmpty { return (inside, nil) }
      if rest.hasPrefix("/") { return (inside + rest, nil) }
      guard rest.hasPrefix(":"), let port = self.port(rest.dropFirst()) else { return nil }
      return (inside, port)
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return parts.count == 1 ? (text, nil) : nil }
    guard let port = port(parts[1]) else { return nil }
    return (String(parts[0]), port)
  }

  private static func port(_ text: Substring) -> Int? {
    guard text.utf8.allSatisfy({ (48...57).contains($0) }), let port = Int(text), (1...65_535).contains(port) else {
      return nil
    }
    return port
  }

  /// A pattern of numbers and dots would be meant for addresses, and cover none.
  private static func isName(_ text: String) -> Bool {
    guard !text.isEmpty, text.utf8.count <= 253 else { return false }
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "*"): true
      default: false
      }
    }
    let isOfNumbers = text.utf8.allSatisfy { (48...57).contains($0) || $0 == 46 || $0 == 42 }
    return isPlain && (!isOfNumbers || text == "*")
  }

  /// What either of two allows.
  func joined(_ other: HTTPGrants) -> HTTPGrants {
    var result = self
    result.hasAll = hasAll || other.hasAll
    result.names += other.names.filter { !names.contains($0) }
    result.places += other.places.filter { !places.contains($0) }
    return result
  }

  /// Whether a host may be named in a URL.
  ///
  /// - Parameter host: lower case; an address as `IPAddress` writes it.
  package func allows(host: String, port: Int) -> Bool {
    if hasAll { return true }
    if let address = IPAddress(host) {
      if covers(address, port) { return true }
      return address.isPublic && names.contains { $0.pattern == "*" && ($0.port ?? port) == port }
    }
    let name = host.hasSuffix(".") ? String(host.dropLast()) : host
    return names.contains { ($0.port ?? port) == port && Grants.matches(name, pattern: $0.pattern) }
  }

  /// Whether a connection to an address may be made for a host that is allowed.
  package func allows(_ address: IPAddress, port: Int) -> Bool {
    hasAll || address.isPublic || covers(address, port)
  }

  private func covers(_ address: IPAddress, _ port: Int) -> Bool {
    places.contains { ($0.port ?? port) == port && $0.network.contains(address) }
  }

  // MARK: For another process

  func write(to writer: inout WireWriter) {
    writer.write(hasAll)
    writer.write(list: names) {
      $0.write($1.pattern)
      $0.write($1.port)
    }
    writer.write(list: places) {
      $0.write($1.network.description)
      $0.write($1.port)
    }
  }

  init(reading reader: inout WireReader) throws(WireError) {
    hasAll = try reader.bool()
    names = try reader.list { reader throws(WireError) in
      Name(pattern: try reader.text(), port: try reader.optionalInt())
    }
    places = try reader.list { reader throws(WireError) in
      guard let network = IPNetwork(try reader.text()) else { throw WireError("a network is none") }
      return Place(network: network, port: try reader.optionalInt())
    }
  }
}
