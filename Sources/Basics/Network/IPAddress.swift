/// An address of IPv4 or IPv6. Pure: no system calls.
///
///     IPAddress("127.0.0.1")!.isPublic              // false
///     IPAddress("::ffff:10.0.0.1")!                 // 10.0.0.1: what a socket would reach
///
/// An IPv6 address that is only another spelling of one of IPv4 (mapped) is that one, since that is where a connection
/// goes; so a rule about IPv4 cannot be passed by writing it otherwise.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
  /// 4 or 16 bytes, as they go over the wire.
  package let bytes: [UInt8]

  /// Nil unless there are 4 or 16.
  package init?(bytes: [UInt8]) {
    switch bytes.count {
    case 4: self.bytes = bytes
    case 16:
      let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
      self.bytes = isMapped ? Array(bytes[12...]) : bytes
    default: return nil
    }
  }

  /// Four decimal numbers with dots, or IPv6 as RFC 4291 writes it, without brackets and zone. Other spellings of IPv4
  /// (`0x7f.1`, `2130706433`) are for whoever reads URLs to work out.
  package init?(_ text: String) {
    guard let parsed = text.utf8.contains(UInt8(ascii: ":")) ? Self.parse6(text) : Self.parse4(text) else { return nil }
    self.init(bytes: parsed)
  }

  private static func parse4(_ text: some StringProtocol) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
      guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }),
        part.utf8.count == 1 || part.utf8.first != 48, let byte = UInt8(part)
      else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  private static func parse6(_ text: String) -> [UInt8]? {
    let halves = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
    guard halves.count <= 2, let head = groups(halves[0], isLast: halves.count == 1) else { return nil }
    guard halves.count == 2 else { return head.count == 16 ? head : nil }
    guard let tail = groups(halves[1], isLast: true), head.count + tail.count <= 14 else { return nil }
    return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
  }

  /// Groups of four digits with colons; the last one of an address may be IPv4.
  private static func groups(_ text: Substring, isLast: Bool) -> [UInt8]? {
    if text.isEmpty { return [] }
    var bytes: [UInt8] = []
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
      if isLast, index == parts.count - 1, part.utf8.contains(UInt8(ascii: ".")) {
        guard let four = parse4(part) else { return nil }
        return bytes + four
      }
      guard (1...4).contains(part.utf8.count), part.utf8.first != UInt8(ascii: "+"), let group = UInt16(part, radix: 16)
      else { return nil }
      bytes += [UInt8(group >> 8), UInt8(group & 0xff)]
    }
    return bytes
  }

  /// The address that a packet to this one ends at: behind a NAT64 (RFC 6052, the well-known prefix) one of IPv4.
  package var reached: IPAddress {
    guard bytes.starts(with: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]), bytes.count == 16 else { return self }
    return IPAddress(bytes: Array(bytes[12...])) ?? self
  }

  /// Whether it is one that anybody on the internet may have: not this machine's, this network's or a link's own, nor one
  /// kept for documentation, tests, multicast or the future (IANA's registries of special-purpose addresses).
  package var isPublic: Bool { !Self.special.contains { $0.contains(self) } && reached.isGlobal }

  /// IPv6 gives out 2000::/3 only.
  private var isGlobal: Bool { bytes.count == 4 || bytes[0] & 0xe0 == 0x20 }

  private static let special: [IPNetwork] = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
    // Teredo, 6to4 and what else is 2001:: carry addresses of IPv4 inside, or are nobody's.
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
  ].map { IPNetwork($0)! }

  package var description: String {
    if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
    let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
    // RFC 5952: the longest run of two zeros or more, the first of several, is left out.
    var best = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, groups[end] == 0 { end += 1 }
      if end - start > max(1, best.count) { best = start..<end }
      start = max(end, start + 1)
    }
    let text = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
    return best.isEmpty ? text(groups[...]) : text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
  }
}

/// Addresses that begin with the same bits: `10.0.0.0/8`, `fd00::/8`; without a slash one address.
package struct IPNetwork: Sendable, Hashable, CustomStringConvertible {
  private let address: IPAddress
  private let bits: Int

  package init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
    self.address = address
    guard parts.count == 2 else {
      bits = 8 * address.bytes.count
      return
    }
    // A mapped address became one of IPv4: its prefix would mean other bits.
    let isShorter = first.utf8.contains(UInt8(ascii: ":")) && address.bytes.count == 4
    guard !isShorter, parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let bits = Int(parts[1]),
      bits <= 8 * address.bytes.count
    else { return nil }
    self.bits = bits
  }

  /// Whether a connection to `other` ends at one of these addresses.
  package func contains(_ other: IPAddress) -> Bool {
    let other = other.reached
    guard other.bytes.count == address.bytes.count else { return false }
    let whole = bits / 8
    guard other.bytes[..<whole] == address.bytes[..<whole] else { return false }
    guard bits % 8 > 0 else { return true }
    let mask = UInt8(truncatingIfNeeded: 0xff00 >> (bits % 8))
    return other.bytes[whole] & mask == address.bytes[whole] & mask
  }

  package var description: String { bits == 8 * address.bytes.count ? "\(address)" : "\(address)/\(bits)" }
}
