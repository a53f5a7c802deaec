internal import Basics

/// A JSON document as a tree: what stands between a stored text and a coder. Keys keep their order.
indirect enum JSONTree: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONTree])
  case object([Member])

  struct Member: Sendable, Equatable {
    var key: String
    var value: JSONTree
  }

  /// Levels at most, as everywhere in the host: reading a document must not use up a thread's stack.
  static let depthMax = 100

  /// nil: it is no JSON document, or one with more than 100 levels.
  init?(parsing text: String) {
    var reader = JSONTreeReader(text)
    guard let tree = reader.document(depth: Self.depthMax) else { return nil }
    self = tree
  }

  var text: String {
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
    case .object(let members):
      text += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { text += "," }
        text += quotedJSON(member.key) + ":"
        member.value.write(to: &text)
      }
      text += "}"
    }
  }
}

// MARK: Coders

extension JSONTree: Encodable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// - Throws: what the decoder throws, and for a document with more than 100 levels.
  init(from decoder: any Decoder) throws {
    guard decoder.codingPath.count <= Self.depthMax else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "more than \(Self.depthMax) arrays and objects in each other"))
    }
    if let container = try? decoder.container(keyedBy: Key.self) {
      self = .object(
        try container.allKeys.sorted { $0.stringValue < $1.stringValue }.map { key in
          Member(key: key.stringValue, value: try JSONTree(from: container.superDecoder(forKey: key)))
        })
    } else if var container = try? decoder.unkeyedContainer() {
      var elements: [JSONTree] = []
      while !container.isAtEnd { elements.append(try JSONTree(from: container.superDecoder())) }
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

  func encode(to encoder: any Encoder) throws {
    switch self {
    case .array(let elements):
      var container = encoder.unkeyedContainer()
      for element in elements { try container.encode(element) }
    case .object(let members):
      var container = encoder.container(keyedBy: Key.self)
      for member in members { try container.encode(member.value, forKey: Key(stringValue: member.key)) }
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
