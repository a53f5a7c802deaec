import Testing

@testable import Lua

@Suite("Bytes of Lua strings for people")
struct ShownBytesTests {
  @Test(
    "what is not UTF-8 shows byte by byte",
    arguments: [
      (Array("grün".utf8), "grün"), ([0x61, 0xE9, 0x62], "a\\xE9b"), ([0xFF], "\\xFF"), ([], ""),
      // A surrogate, an overlong slash, a sequence that is cut short.
      ([0xED, 0xA0, 0x80], "\\xED\\xA0\\x80"), ([0xC0, 0xAF], "\\xC0\\xAF"), ([0xE2, 0x82], "\\xE2\\x82"),
      ([0xE2, 0x82, 0xAC, 0x80], "€\\x80"), ([0xF4, 0x90, 0x80, 0x80], "\\xF4\\x90\\x80\\x80"),
    ] as [([UInt8], String)])
  func shown(bytes: [UInt8], text: String) {
    #expect(String(showing: bytes) == text)
  }
}
