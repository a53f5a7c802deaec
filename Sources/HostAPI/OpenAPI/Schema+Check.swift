internal import Basics
package import Hosting

/// Whether a value is what a schema says.
extension Schema {
  /// One sentence about the first thing that is not; nil: it is as it should be.
  package func complaint(about value: JSONValue, _ named: NamedSchemas, at path: String = "the body") -> String? {
    switch (self, value) {
    case (.any, _), (.bool, .bool), (.number, .number), (.number, .integer): return nil
    case (.nullable, .null): return nil
    case (.nullable(let schema), _): return schema.complaint(about: value, named, at: path)
    case (.named(let name), _):
      return named.all.first { $0.name == name }?.schema.complaint(about: value, named, at: path)
    case (.integer(let range), .integer(let number)):
      guard let range, !range.contains(number) else { return nil }
      return "\(path) must be from \(range.lowerBound) to \(range.upperBound), not \(number)"
    case (.string(let text), .string(let string)): return text.complaint(about: string, at: path)
    case (.array(let schema), .array(let elements)):
      for (index, element) in elements.enumerated() {
        if let complaint = schema.complaint(about: element, named, at: "\(path)[\(index)]") { return complaint }
      }
      return nil
    case (.map(let schema), .object(let fields)):
      for (name, value) in fields.members {
        if let complaint = schema.complaint(about: value, named, at: Schema.inner(name, of: path)) { return complaint }
      }
      return nil
    case (.object(let members, let isClosed), .object(let fields)):
      return Schema.complaint(about: fields, members, isClosed, named, path)
    default: return "\(path) must be \(words), not \(value.kind)"
    }
  }

  private static func complaint(
    about fields: JSONFields, _ members: [Field], _ isClosed: Bool, _ named: NamedSchemas, _ path: String
  ) -> String? {
    for member in members {
      guard let value = fields[member.name] else {
        if member.isRequired { return "\(inner(member.name, of: path)) is missing" }
        continue
      }
      if let complaint = member.schema.complaint(about: value, named, at: inner(member.name, of: path)) {
        return complaint
      }
    }
    guard isClosed, let unknown = fields.members.first(where: { field in !members.contains { $0.name == field.name } })
    else { return nil }
    let names = members.map(\.name)
    let near = Spelling.closest(to: unknown.name, among: names, limit: 1).first.map { " (\($0)?)" } ?? ""
    let all = names.isEmpty ? "it takes none" : "it takes \(names.joined(separator: ", "))"
    return "\(path) has no field \(AnswerEncoder.quoted(unknown.name))\(near): \(all)"
  }

  private static func inner(_ name: String, of path: String) -> String {
    path == "the body" ? name : "\(path).\(name)"
  }

  /// What it wants, in a sentence.
  private var words: String {
    switch self {
    case .any, .named: "a value"
    case .bool: "true or false"
    case .integer: "a whole number"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object, .map: "an object"
    case .nullable(let schema): schema.words + " or null"
    }
  }
}

extension Schema.Text {
  fileprivate func complaint(about string: String, at path: String) -> String? {
    if !choices.isEmpty, !choices.contains(string) {
      return "\(path) must be one of \(choices.joined(separator: ", ")), not \(AnswerEncoder.quoted(string))"
    }
    if let length, !length.contains(string.unicodeScalars.count) {
      return "\(path) must have \(length.lowerBound) to \(length.upperBound) characters"
    }
    return nil
  }
}
