internal import Lua

/// `hash`: SHA-256, HMAC, base64, hexadecimal, random UUIDs. Works on byte strings.
enum HashModule {
  static func module() -> LuaModule { LuaModule("hash", functions: LuaFunction.hashes + [uuid]) }

  /// A random (version 4) UUID. Only in a run: at the top level it would make a script's capsule differ from load to
  /// load.
  private static let uuid = LuaFunction.host("uuid", as: "hash.uuid") { call, _ throws(Misuse) in
    var generator = SystemRandomNumberGenerator()
    call.push(UUIDText.random(using: &generator))
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
