internal import Basics

/// A JSON document as a tree: what stands between a stored text and a coder, what the API's description is made of, and
/// how a request's body is looked at before it becomes a type. Fields keep their order.
package indirect enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONFields)

  /// What it is, in a sentence.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer, .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }

  /// Levels at most, as everywhere in the host: reading a document must not use up a thread's stack.
  static let depthMax = 100

  /// nil: it is no JSON document, or one with more than 100 levels.
  package init?(parsing text: String) {
    var reader = JSONValueReader(text)
    guard let tree = reader.document(depth: Self.depthMax) else { return nil }
    self = tree
  }

  package var text: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .bool(let bool): text += bool ? "true" : "false"
    case .integer(let integer): text += String(integer)
    // A number beyond the range of a double has no other JSON form.
    case .number(let number): text += number.isFinite ? number.description : "null"
    case .string(let string): text += quotedJSON(string)
    case .array(let elements):
      text += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { text += "," }
        element.write(to: &text)
      }
      text += "]"
    case .object(let fields):
      text += "{"
      for (index, member) in fields.members.enumerated() {
        if index > 0 { text += "," }
        text += quotedJSON(member.name) + ":"
        member.value.write(to: &text)
      }
      text += "}"
    }
  }
}

/// Named values in the order in which they were set.
package struct JSONFields: Sendable, Equatable {
  package private(set) var members: [(name: String, value: JSONValue)] = []

  package init() {}

  /// Adds a value under a name that is not there yet. O(1).
  package mutating func append(_ name: String, _ value: JSONValue) { members.append((name, value)) }

  /// O(fields).
  package subscript(name: String) -> JSONValue? {
    get { members.first { $0.name == name }?.value }
    set {
      members.removeAll { $0.name == name }
      if let newValue { members.append((name, newValue)) }
    }
  }

  package static func == (a: JSONFields, b: JSONFields) -> Bool {
    a.members.elementsEqual(b.members) { $0.name == $1.name && $0.value == $1.value }
  }
}

// MARK: Coders

extension JSONValue: Codable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// - Throws: what the decoder throws, and for a document with more than 100 levels.
  package init(from decoder: any Decoder) throws {
    guard decoder.codingPath.count <= Self.depthMax else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "more than \(Self.depthMax) arrays and objects in each other"))
    }
    if let container = try? decoder.container(keyedBy: Key.self) {
      var fields = JSONFields()
      for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
        fields.append(key.stringValue, try JSONValue(from: container.superDecoder(forKey: key)))
      }
      self = .object(fields)
    } else if var container = try? decoder.unkeyedContainer() {
      var elements: [JSONValue] = []
      while !container.isAtEnd { elements.append(try JSONValue(from: container.superDecoder())) }
      self = .array(elements)
    } else {
      let value = try decoder.singleValueContainer()
      if value.decodeNil() {
        self = .null
      } else if let bool = try? value.decode(Bool.self) {
        self = .bool(bool)
      } else if let integer = try? value.decode(Int64.self) {
        self = .integer(integer)
      } else if let number = try? value.decode(Double.self) {
        self = .number(number)
      } else {
        self = .string(try value.decode(String.self))
      }
    }
  }

  package func encode(to encoder: any Encoder) throws {
    switch self {
    case .array(let elements):
      var container = encoder.unkeyedContainer()
      for element in elements { try container.encode(element) }
    case .object(let fields):
      var container = encoder.container(keyedBy: Key.self)
      for member in fields.members { try container.encode(member.value, forKey: Key(stringValue: member.name)) }
    default:
      var container = encoder.singleValueContainer()
      switch self {
      case .bool(let bool): try container.encode(bool)
      case .integer(let integer): try container.encode(integer)
      case .number(let number) where number.isFinite: try container.encode(number)
      case .string(let string): try container.encode(string)
      default: try container.encodeNil()
      }
    }
  }
}
