/// Names one life of one host: another one after each start. Positions of its journals mean nothing in another life.
package struct HostIdentity: Sendable, Hashable, Codable, CustomStringConvertible {
  package let text: String

  /// A new one.
  package init() {
    text = String(UInt64.random(in: 1 << 60 ... .max), radix: 16)
  }

  package init(_ text: String) { self.text = text }

  package init(from decoder: any Decoder) throws {
    text = try decoder.singleValueContainer().decode(String.self)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }

  package var description: String { text }
}
