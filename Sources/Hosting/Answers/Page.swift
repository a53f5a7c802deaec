/// Some of a long list, and where the rest begins.
package struct Page<Item: Sendable & Codable>: Sendable, Codable {
  package var items: [Item]
  /// What to ask for next; nil: this was the end.
  package var next: PageCursor?

  package init(_ items: [Item], next: PageCursor? = nil) {
    self.items = items
    self.next = next
  }
}

extension Page {
  /// The items that fit a page: `limit` of them, and so few that their texts are no more than ``PageLimit/bytes``, but
  /// at least one.
  ///
  /// - Parameters:
  ///   - found: what fits the question, one more than `limit` if there is one more.
  ///   - weigh: about how many bytes of text an item has.
  ///   - cursor: where the list goes on after an item.
  package init(
    _ found: [Item], limit: Int, weigh: (Item) -> Int, cursor: (Item) -> PageCursor
  ) {
    var bytes = 0
    let fitting = found.prefix(limit).prefix { item in
      defer { bytes += weigh(item) }
      return bytes < PageLimit.bytes
    }
    self.init(Array(fitting), next: fitting.count < found.count ? fitting.last.map(cursor) : nil)
  }
}

extension Page: Equatable where Item: Equatable {}

/// Where a list goes on. Opaque to who pages: it is a text without spaces, safe in a URL.
package struct PageCursor: Sendable, Hashable, Codable, CustomStringConvertible {
  package let text: String

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

/// How many items a page has.
package enum PageLimit {
  package static let standard = 100
  /// So that no answer is larger than about a megabyte.
  package static let most = 1_000
  /// Bytes of texts that scripts and people have made, beyond which a page ends.
  package static let bytes = 384 << 10
}
