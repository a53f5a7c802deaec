internal import FileWatching

/// A random text that stands for its owner, and what the host keeps of it.
///
/// 256 bits from the kernel: nobody guesses one, so a plain hash keeps it as well as a slow one would.
package struct Credential: Sendable {
  package let text: String

  /// A new one.
  package static func random() -> Credential {
    var generator = SystemRandomNumberGenerator()
    let words = (0..<4).map { _ in UInt64.random(in: .min ... .max, using: &generator) }
    return Credential(text: words.map { hex(bytes(of: $0)) }.joined())
  }

  private static func bytes(of word: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

/// The SHA-256 of a credential.
package struct CredentialHash: Sendable, Hashable {
  private let bytes: [UInt8]

  package init(of credential: String) { bytes = SHA256.hash(Array(credential.utf8)) }

  /// - Parameter bytes: the 32 of a hash.
  package init(bytes: [UInt8]) { self.bytes = bytes }

  /// Whether both are the same, in a time that tells nothing about where they differ.
  package func matches(_ other: CredentialHash) -> Bool {
    guard bytes.count == other.bytes.count else { return false }
    var difference: UInt8 = 0
    for index in bytes.indices { difference |= bytes[index] ^ other.bytes[index] }
    return difference == 0
  }
}

/// A bearer token of the configuration.
package struct AccessToken: Sendable, Hashable {
  package var name: String
  package var role: AccessRole
  package var hash: CredentialHash

  package init(name: String, role: AccessRole, hash: CredentialHash) {
    self.name = name
    self.role = role
    self.hash = hash
  }
}
