internal import Lua

/// `hash`: SHA-256, SHA-512, MD5, CRC-32, HMAC, base64, hexadecimal, comparing, random bytes and UUIDs. Works on byte
/// strings.
enum HashModule {
  static func module() -> LuaModule { LuaModule("hash", functions: LuaFunction.hashes + [uuid, random]) }

  /// A random (version 4) UUID. Only in a run: at the top level it would make a script's capsule differ from load to
  /// load.
  private static let uuid = LuaFunction.host("uuid", as: "hash.uuid") { call, _ throws(Misuse) in
    var generator = SystemRandomNumberGenerator()
    call.push(UUIDText.random(using: &generator))
    return .results(1)
  }
}

extension HashModule {
  /// Bytes that one call gives at most.
  private static let mostRandom = 1 << 20

  /// Bytes of the system's generator, fit for keys. Only in a run, for the reason above.
  private static let random = LuaFunction.host("random", as: "hash.random", in: .run) {
    call, arguments throws(Misuse) in
    guard let count = call.integer(1) else {
      throw arguments.misuse("expected a number of bytes as argument 1, got \(arguments.name(call, 1))")
    }
    guard (0...Int64(mostRandom)).contains(count) else {
      throw arguments.misuse("expected from 0 to \(mostRandom) bytes, not \(count)")
    }
    var generator = SystemRandomNumberGenerator()
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(count) + 8)
    while bytes.count < Int(count) {
      var word = generator.next()
      for _ in 0..<8 {
        bytes.append(UInt8(truncatingIfNeeded: word))
        word >>= 8
      }
    }
    call.push(Array(bytes.prefix(Int(count))))
    return .results(1)
  }
}

/// Random UUIDs (RFC 9562, version 4).
enum UUIDText {
  static func random(using generator: inout some RandomNumberGenerator) -> String {
    let high = generator.next() & 0xffff_ffff_ffff_0fff | 0x4000
    let low = generator.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
    let digits = [high, low].map { word in
      let text = String(word, radix: 16)
      return String(repeating: "0", count: 16 - text.count) + text
    }.joined().utf8.map { $0 }
    let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(decoding: digits[$0], as: UTF8.self) }
    return groups.joined(separator: "-")
  }
}
