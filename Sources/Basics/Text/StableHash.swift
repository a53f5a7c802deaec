/// A 64-bit hash that is the same in every process and release, unlike `Hasher`: what it decides (where `H` puts a job,
/// how far jitter moves a run) must survive a restart and agree between nodes.
package enum StableHash {
  /// The hash of a text's UTF-8 bytes: FNV-1a, then a finalizer, since FNV alone spreads short texts poorly.
  package static func of(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 {
      hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }
    return mix(hash)
  }

  /// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): every bit of the input changes half of the output's
  /// bits.
  package static func mix(_ value: UInt64) -> UInt64 {
    var bits = value &+ 0x9E37_79B9_7F4A_7C15
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }

  /// A number below `bound`, uniform over hashes (the high half of a product: no modulo bias worth a name).
  package static func scale(_ hash: UInt64, below bound: UInt64) -> UInt64 {
    hash.multipliedFullWidth(by: bound).high
  }
}
