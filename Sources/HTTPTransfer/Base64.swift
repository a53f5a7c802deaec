/// Base64 (RFC 4648).
package enum Base64 {
  private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// O(bytes).
  package static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity((bytes.count + 2) / 3 * 4)
    var iterator = bytes.makeIterator()
    while let first = iterator.next() {
      let second = iterator.next()
      let third = second == nil ? nil : iterator.next()
      let word = UInt32(first) << 16 | UInt32(second ?? 0) << 8 | UInt32(third ?? 0)
      result.append(digits[Int(word >> 18)])
      result.append(digits[Int(word >> 12 & 63)])
      result.append(second == nil ? UInt8(ascii: "=") : digits[Int(word >> 6 & 63)])
      result.append(third == nil ? UInt8(ascii: "=") : digits[Int(word & 63)])
    }
    return result
  }
}
