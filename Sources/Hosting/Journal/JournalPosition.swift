/// A position in a journal: after so many entries of this life of the host. Written `HOST-NUMBER`.
package struct JournalPosition: Sendable, Hashable, Codable, CustomStringConvertible {
  package var host: HostIdentity
  /// 0: before the first.
  package var number: Int64

  package init(host: HostIdentity, number: Int64) {
    self.host = host
    self.number = number
  }

  /// Reads what `description` writes; nil when it is something else.
  package init?(_ text: String) {
    guard let dash = text.lastIndex(of: "-"), dash > text.startIndex,
      let number = Int64(text[text.index(after: dash)...]), number >= 0, text.utf8.count <= 64
    else { return nil }
    host = HostIdentity(String(text[..<dash]))
    self.number = number
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let position = JournalPosition(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no position of a journal")
    }
    self = position
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }

  package var description: String { "\(host)-\(number)" }
}

/// Why a reader does not have everything since its position.
package enum JournalGap: String, Sendable, Codable {
  /// The host was started again since: what happened until then is in the history.
  case otherHost = "other_host"
  /// More has happened since than the journal keeps.
  case overwritten
  /// Nobody read for a while, and what runs did was not recorded.
  case unread
}

/// What a reader gets.
package struct JournalPage<Content: Sendable>: Sendable {
  /// In order.
  package var entries: [JournalEntry<Content>]
  /// Where to go on.
  package var next: JournalPosition
  /// Whether something is missing before the first entry, and why.
  package var gap: JournalGap?

  package init(entries: [JournalEntry<Content>], next: JournalPosition, gap: JournalGap? = nil) {
    self.entries = entries
    self.next = next
    self.gap = gap
  }
}
