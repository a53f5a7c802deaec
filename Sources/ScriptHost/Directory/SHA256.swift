/// SHA-256 (FIPS 180-4), fed in pieces.
///
///     SHA256.hash(Array("abc".utf8))      // ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad
///
/// Our own, because the core has no dependency that brings one, and a page of code that test vectors prove is less than a
/// library of cryptography. A value: copying it forks the computation.
package struct SHA256: Sendable {
  /// H0 to H7.
  private var state: [8 of UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  /// The block being filled; its first `byteCount % 64` bytes are input.
  private var block = [64 of UInt8](repeating: 0)
  private var byteCount: UInt64 = 0

  package init() {}

  /// The digest of `bytes`: 32 bytes.
  package static func hash(_ bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }

  /// Adds `bytes` to the message.
  package mutating func update(_ bytes: [UInt8]) { update(bytes.span) }

  /// Adds `bytes` to the message.
  package mutating func update(_ bytes: Span<UInt8>) {
    var position = 0
    let filled = Int(byteCount % 64)
    byteCount &+= UInt64(bytes.count)
    if filled > 0 {
      let taken = min(64 - filled, bytes.count)
      for offset in 0..<taken { block[filled + offset] = bytes[offset] }
      guard filled + taken == 64 else { return }
      Self.compress(block.span, at: 0, into: &state)
      position = taken
    }
    while bytes.count - position >= 64 {
      Self.compress(bytes, at: position, into: &state)
      position += 64
    }
    for offset in 0..<(bytes.count - position) { block[offset] = bytes[position + offset] }
  }

  /// Ends the message and gives its digest: 32 bytes. The value is spent afterwards.
  package mutating func finalize() -> [UInt8] {
    let bitCount = byteCount &* 8
    let filled = Int(byteCount % 64)
    // A one bit, zeros up to eight bytes before the end of a block, then the length in bits.
    var padding = [UInt8](repeating: 0, count: (filled < 56 ? 56 : 120) - filled)
    padding[0] = 0x80
    for shift in stride(from: 56, through: 0, by: -8) {
      padding.append(UInt8(truncatingIfNeeded: bitCount >> UInt64(shift)))
    }
    update(padding)
    var digest: [UInt8] = []
    digest.reserveCapacity(32)
    for index in 0..<8 {
      for shift in stride(from: 24, through: 0, by: -8) {
        digest.append(UInt8(truncatingIfNeeded: state[index] >> UInt32(shift)))
      }
    }
    return digest
  }

  /// The compression function over the 64 bytes at `start`. The message schedule is a ring of 16 words, computed as it is used:
  /// it stays in registers and the first cache line.
  private static func compress(_ bytes: Span<UInt8>, at start: Int, into state: inout [8 of UInt32]) {
    var words = [16 of UInt32](repeating: 0)
    for index in 0..<16 {
      let at = start + index * 4
      words[index] =
        UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8 | UInt32(bytes[at + 3])
    }
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for round in 0..<64 {
      let slot = round & 15
      if round >= 16 {
        let w15 = words[(round + 1) & 15]
        let w2 = words[(round + 14) & 15]
        let s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >> 3)
        let s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >> 10)
        words[slot] = words[slot] &+ s0 &+ words[(round + 9) & 15] &+ s1
      }
      let sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
      let choice = (e & f) ^ (~e & g)
      let t1 = h &+ sum1 &+ choice &+ constants[round] &+ words[slot]
      let sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
      let majority = (a & b) ^ (a & c) ^ (b & c)
      (h, g, f, e, d, c, b, a) = (g, f, e, d &+ t1, c, b, a, t1 &+ sum0 &+ majority)
    }
    state[0] &+= a
    state[1] &+= b
    state[2] &+= c
    state[3] &+= d
    state[4] &+= e
    state[5] &+= f
    state[6] &+= g
    state[7] &+= h
  }

  @inline(__always)
  private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { (word >> count) | (word << (32 - count)) }

  /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
  private static let constants: [64 of UInt32] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
  ]
}
