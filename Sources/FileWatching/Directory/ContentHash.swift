/// Names the content of a file: the SHA-256 of its bytes.
///
/// A shorter hash would tell versions of a script apart as well. This one is what `sha256sum scripts/backup.lua`
/// prints, so that an operator can compare two machines by hand; it is the same in every process and on every node; and
/// no pair of files with one hash is known, so that nobody has to argue about it. It costs 5 ms for the largest file
/// allowed.
package struct ContentHash: Hashable, Sendable {
  private let words: [4 of UInt64]

  /// The hash of `bytes`. Complexity: O(`bytes.count`).
  package init(of bytes: [UInt8]) {
    let digest = SHA256.hash(bytes)
    words = [4 of UInt64] { index in
      digest[(index * 8)..<(index * 8 + 8)].reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  /// The hash that is these 32 bytes; nil for another number of them.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    words = [4 of UInt64] { index in
      bytes[(index * 8)..<(index * 8 + 8)].reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  /// The hash's first 64 bits: the same for the same content everywhere. Seeds `math.random` while a script is
  /// evaluated.
  package var seed: UInt64 { words[0] }

  /// The hash as 32 bytes.
  package var bytes: [UInt8] {
    (0..<32).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64(56 - $0 % 8 * 8)) }
  }

  package static func == (left: ContentHash, right: ContentHash) -> Bool {
    left.words[0] == right.words[0] && left.words[1] == right.words[1] && left.words[2] == right.words[2]
      && left.words[3] == right.words[3]
  }

  /// Any eight bytes of a SHA-256 are a good hash already.
  package func hash(into hasher: inout Hasher) { hasher.combine(words[0]) }
}

extension ContentHash: CustomStringConvertible {
  /// 64 hexadecimal digits, as `sha256sum` writes them.
  package var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
