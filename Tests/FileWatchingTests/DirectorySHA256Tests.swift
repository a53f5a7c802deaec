import Testing

@testable import FileWatching

@Suite("SHA-256")
struct DirectorySHA256Tests {
  /// FIPS 180-4 examples.
  @Test(
    "gives the digests of the standard",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
      ),
    ])
  func standard(text: String, digest: String) {
    #expect(ContentHash(of: Array(text.utf8)).description == digest)
  }

  @Test("agrees with another implementation for every length below 200")
  func lengths() {
    // Python: sha256(b"".join(sha256(bytes((i*7+j)%251 for j in range(i))).digest() for i in range(200)))
    var all = SHA256()
    for length in 0..<200 { all.update(SHA256.hash(message(length))) }
    let digest = all.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    #expect(digest == "06d40d77dac7ee08f6bd09fb21e5ab723b38ca1c8d4da0935151f1654ea54586")
  }

  @Test("does not depend on how the message is cut into pieces")
  func pieces() {
    for length in [0, 1, 55, 56, 63, 64, 65, 128, 150] {
      let bytes = message(length)
      let whole = SHA256.hash(bytes)
      for cut in 0...length {
        var hash = SHA256()
        hash.update(Array(bytes[..<cut]))
        hash.update(Array(bytes[cut...]))
        #expect(hash.finalize() == whole, "\(length) bytes cut at \(cut)")
      }
    }
  }

  @Test("a content hash gives its bytes and its first 64 bits")
  func parts() {
    let hash = ContentHash(of: Array("abc".utf8))
    #expect(hash.bytes == SHA256.hash(Array("abc".utf8)))
    #expect(hash.seed == 0xba78_16bf_8f01_cfea)
    #expect(hash != ContentHash(of: Array("abd".utf8)))
  }

  private func message(_ length: Int) -> [UInt8] { (0..<length).map { UInt8((length * 7 + $0) % 251) } }
}
