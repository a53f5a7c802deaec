internal import Lua

/// `hash`: SHA-256, HMAC, base64, hexadecimal, random UUIDs. Works on byte strings.
enum HashModule {
  static func module() -> LuaModule {
    LuaModule("hash", functions: [sha256, hmac, base64, unbase64, hex, unhex, uuid])
  }

  /// `hash.sha256(bytes)`: 64 hexadecimal digits.
  private static let sha256 = LuaFunction.host("sha256", as: "hash.sha256", in: .both) {
    call, arguments throws(Misuse) in
    call.push(HexText.encode(SHA256.hash(try arguments.bytes(call, 1, "bytes"))))
    return .results(1)
  }

  /// `hash.hmac(key, bytes)`: HMAC-SHA-256 as 64 hexadecimal digits.
  private static let hmac = LuaFunction.host("hmac", as: "hash.hmac", in: .both) { call, arguments throws(Misuse) in
    let key = try arguments.bytes(call, 1, "a key")
    call.push(HexText.encode(HMAC.sha256(key: key, try arguments.bytes(call, 2, "bytes"))))
    return .results(1)
  }

  private static let base64 = LuaFunction.host("base64", as: "hash.base64", in: .both) {
    call, arguments throws(Misuse) in
    call.push(Base64Text.encode(try arguments.bytes(call, 1, "bytes")))
    return .results(1)
  }

  private static let unbase64 = LuaFunction.host("unbase64", as: "hash.unbase64", in: .both) {
    call, arguments throws(Misuse) in
    decoded(&call, Base64Text.decode(try arguments.bytes(call, 1, "base64 text")), "not base64")
  }

  private static let hex = LuaFunction.host("hex", as: "hash.hex", in: .both) { call, arguments throws(Misuse) in
    call.push(HexText.encode(try arguments.bytes(call, 1, "bytes")))
    return .results(1)
  }

  private static let unhex = LuaFunction.host("unhex", as: "hash.unhex", in: .both) { call, arguments throws(Misuse) in
    decoded(&call, HexText.decode(try arguments.bytes(call, 1, "hexadecimal text")), "not hexadecimal")
  }

  /// A random (version 4) UUID. Only in a run: at the top level it would make a script's capsule differ from load to
  /// load.
  private static let uuid = LuaFunction.host("uuid", as: "hash.uuid") { call, _ throws(Misuse) in
    var generator = SystemRandomNumberGenerator()
    call.push(UUIDText.random(using: &generator))
    return .results(1)
  }

  private static func decoded(_ call: inout LuaCall, _ bytes: [UInt8]?, _ problem: String) -> LuaReturn {
    if let bytes {
      call.push(bytes)
      return .results(1)
    }
    call.pushNil()
    call.push(problem)
    return .results(2)
  }
}

/// HMAC (RFC 2104) over SHA-256.
enum HMAC {
  static func sha256(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    var block = key.count > 64 ? SHA256.hash(key) : key
    block += [UInt8](repeating: 0, count: 64 - block.count)
    let inner = SHA256.hash(block.map { $0 ^ 0x36 } + message)
    return SHA256.hash(block.map { $0 ^ 0x5c } + inner)
  }
}

/// Lower-case hexadecimal.
enum HexText {
  private static let digits = Array("0123456789abcdef".utf8)

  static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  static func decode(_ text: [UInt8]) -> [UInt8]? {
    guard text.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 2)
    for index in stride(from: 0, to: text.count, by: 2) {
      guard let high = value(text[index]), let low = value(text[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

/// Base64 (RFC 4648, section 4), with padding when written, with or without it when read.
enum Base64Text {
  private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - start)
      var group = UInt32(bytes[start]) << 16
      if count > 1 { group |= UInt32(bytes[start + 1]) << 8 }
      if count > 2 { group |= UInt32(bytes[start + 2]) }
      for index in 0..<4 {
        text.append(index <= count ? letters[Int(group >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  static func decode(_ text: [UInt8]) -> [UInt8]? {
    var letters = text[...]
    let padding = letters.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    guard padding == 0 || padding <= 2 && letters.count % 4 == 0 else { return nil }
    letters = letters.dropLast(padding)
    guard letters.count % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(letters.count * 3 / 4)
    var group: UInt32 = 0
    var bits: UInt32 = 0
    for letter in letters {
      guard let value = value(letter) else { return nil }
      group = group << 6 | value
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: group >> bits))
      }
    }
    // Bits beyond the last byte must be zero, so that each byte string has one text.
    guard group & ((1 << bits) - 1) == 0 else { return nil }
    return bytes
  }

  private static func value(_ letter: UInt8) -> UInt32? {
    switch letter {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}

/// Random UUIDs (RFC 9562, version 4).
enum UUIDText {
  static func random(using generator: inout some RandomNumberGenerator) -> String {
    let high = generator.next() & 0xffff_ffff_ffff_0fff | 0x4000
    let low = generator.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
    var bytes: [UInt8] = []
    for word in [high, low] {
      for shift in stride(from: 56, through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
      }
    }
    let digits = Array(HexText.encode(bytes).utf8)
    let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(decoding: digits[$0], as: UTF8.self) }
    return groups.joined(separator: "-")
  }
}
