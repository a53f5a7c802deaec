internal import CDigest

/// SHA-256 (FIPS 180-4), fed in pieces: the one that hashes capsules.
///
///     SHA256.hash(Array("abc".utf8))      // ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad
///
/// A value: copying it forks the computation. O(bytes); about 250 MB/s.
package struct SHA256: Sendable {
  private var message = moon_sha256()

  package init() { unsafe moon_sha256_start(&message) }

  /// The digest of `bytes`: 32 bytes.
  package static func hash(_ bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }

  /// Adds `bytes` to the message.
  package mutating func update(_ bytes: [UInt8]) {
    unsafe moon_sha256_add(&message, bytes, bytes.count)  // reads as many bytes as the array has
  }

  /// Ends the message and gives its digest: 32 bytes. The value is spent afterwards.
  package mutating func finalize() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    unsafe moon_sha256_end(&message, &digest)  // writes the 32 bytes that there are
    return digest
  }
}
