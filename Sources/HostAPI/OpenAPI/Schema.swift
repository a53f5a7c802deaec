package import Hosting

/// What a JSON value may be: a part of JSON Schema 2020-12, as OpenAPI 3.1 uses it.
package indirect enum Schema: Sendable, Equatable {
  /// Any value at all.
  case any
  case bool
  case integer(ClosedRange<Int64>? = nil)
  case number
  case string(Text = Text())
  case array(Schema)
  /// Named fields; `isClosed`: no others.
  case object([Field], isClosed: Bool = false)
  /// Any names, all of one kind.
  case map(Schema)
  case nullable(Schema)
  /// One of the document's named schemas.
  case named(String)

  package struct Text: Sendable, Equatable {
    package var choices: [String] = []
    /// `date-time`, `uri`; said, not held to.
    package var format: String?
    package var pattern: String?
    package var length: ClosedRange<Int>?

    package init() {}
  }

  package struct Field: Sendable, Equatable {
    package var name: String
    package var schema: Schema
    package var isRequired: Bool
    package init(_ name: String, _ schema: Schema, isRequired: Bool = true) {
      self.name = name
      self.schema = schema
      self.isRequired = isRequired
    }
  }

  package static func string(choices: [String]) -> Schema {
    var text = Text()
    text.choices = choices
    return .string(text)
  }

  package static func string(format: String) -> Schema {
    var text = Text()
    text.format = format
    return .string(text)
  }

  package static func string(length: ClosedRange<Int>, pattern: String? = nil) -> Schema {
    var text = Text()
    text.length = length
    text.pattern = pattern
    return .string(text)
  }

  /// As an object of a document.
  package var json: JSONFields {
    var fields = JSONFields()
    switch self {
    case .any: break
    case .bool: fields["type"] = .string("boolean")
    case .integer(let range):
      fields["type"] = .string("integer")
      if let range {
        fields["minimum"] = .integer(range.lowerBound)
        fields["maximum"] = .integer(range.upperBound)
      }
    case .number: fields["type"] = .string("number")
    case .string(let text): Schema.add(text, to: &fields)
    case .array(let element):
      fields["type"] = .string("array")
      fields["items"] = .object(element.json)
    case .object(let members, let isClosed): Schema.add(members, isClosed, to: &fields)
    case .map(let value):
      fields["type"] = .string("object")
      fields["additionalProperties"] = .object(value.json)
    case .nullable(let schema):
      var null = JSONFields()
      null["type"] = .string("null")
      fields["anyOf"] = .array([.object(schema.json), .object(null)])
    case .named(let name): fields["$ref"] = .string("#/components/schemas/\(name)")
    }
    return fields
  }

  private static func add(_ text: Text, to fields: inout JSONFields) {
    fields["type"] = .string("string")
    if !text.choices.isEmpty { fields["enum"] = .array(text.choices.map { .string($0) }) }
    if let format = text.format { fields["format"] = .string(format) }
    if let pattern = text.pattern { fields["pattern"] = .string(pattern) }
    if let length = text.length {
      fields["minLength"] = .integer(Int64(length.lowerBound))
      fields["maxLength"] = .integer(Int64(length.upperBound))
    }
  }

  private static func add(_ members: [Field], _ isClosed: Bool, to fields: inout JSONFields) {
    fields["type"] = .string("object")
    var properties = JSONFields()
    for member in members { properties[member.name] = .object(member.schema.json) }
    fields["properties"] = .object(properties)
    let required = members.filter(\.isRequired).map(\.name)
    if !required.isEmpty { fields["required"] = .array(required.map { .string($0) }) }
    if isClosed { fields["additionalProperties"] = .bool(false) }
  }
}
