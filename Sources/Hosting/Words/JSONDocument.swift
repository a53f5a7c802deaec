package import JobModel

/// A JSON document that somebody else made (parameters, results, the data of events), as a part of an answer.
///
/// It is kept as text, and becomes a tree only when it is written into an answer or read from a request. A text that is
/// no document any more is written as a string: what is sent stays JSON, and nothing is hidden.
package struct JSONDocument: Sendable, Hashable, Codable {
  package let text: String

  package init(_ text: String) { self.text = text }
  package init(_ stored: JSONText) { text = stored.text }

  package var stored: JSONText { JSONText(text) }
  /// Whether it is a whole object: what parameters must be.
  package var isObject: Bool { if case .object = JSONValue(parsing: text) { true } else { false } }

  package init(from decoder: any Decoder) throws {
    text = try JSONValue(from: decoder).text
  }

  package func encode(to encoder: any Encoder) throws {
    guard let tree = JSONValue(parsing: text) else {
      var container = encoder.singleValueContainer()
      return try container.encode(text)
    }
    try tree.encode(to: encoder)
  }
}
