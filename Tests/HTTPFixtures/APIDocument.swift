import Foundation

/// An OpenAPI document, and whether answers are what it says: an independent reading of the part of JSON Schema that it
/// uses.
package struct APIDocument {
  /// One method of one path.
  package struct Operation {
    package let method: String
    package let path: String
    fileprivate let fields: [String: Any]
  }

  private let document: [String: Any]

  /// - Parameter text: the document's JSON.
  package init(_ text: String) throws {
    guard let document = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else {
      throw RawClient.Failure(description: "the document is no object")
    }
    self.document = document
  }

  /// By path and method.
  package var operations: [Operation] {
    let paths = document["paths"] as? [String: [String: Any]] ?? [:]
    return paths.sorted { $0.key < $1.key }.flatMap { path, operations in
      operations.sorted { $0.key < $1.key }.compactMap { method, fields in
        (fields as? [String: Any]).map { Operation(method: method.uppercased(), path: path, fields: $0) }
      }
    }
  }

  /// What is wrong with an answer; nil: the document says it so.
  package func complaint(about answer: RawClient.Answer, to operation: Operation) -> String? {
    let responses = operation.fields["responses"] as? [String: Any] ?? [:]
    guard var response = responses["\(answer.status)"] as? [String: Any] else {
      return "it has no status \(answer.status)"
    }
    if let reference = response["$ref"] as? String { response = resolve(reference) }
    guard let content = response["content"] as? [String: [String: Any]] else {
      return answer.body.isEmpty ? nil : "it has no body for \(answer.status)"
    }
    guard let type = answer["content-type"], let media = content[type] else {
      return "it has no type \(answer["content-type"] ?? "none") for \(answer.status)"
    }
    guard type.hasSuffix("json"), let schema = media["schema"] as? [String: Any] else { return nil }
    guard let value = try? JSONSerialization.jsonObject(with: Data(answer.body.utf8), options: .fragmentsAllowed) else {
      return "the body is no JSON"
    }
    return complaint(about: value, schema)
  }

  private func resolve(_ reference: String) -> [String: Any] {
    var value: Any = document
    for part in reference.dropFirst(2).split(separator: "/") { value = (value as? [String: Any])?[String(part)] ?? "" }
    return value as? [String: Any] ?? [:]
  }

  private func complaint(about value: Any, _ schema: [String: Any]) -> String? {
    if let reference = schema["$ref"] as? String {
      let named = resolve(reference)
      return named.isEmpty ? "\(reference) is nowhere" : complaint(about: value, named)
    }
    if let choices = schema["anyOf"] as? [[String: Any]] {
      let complaints = choices.compactMap { complaint(about: value, $0) }
      return complaints.count == choices.count ? complaints.first : nil
    }
    switch schema["type"] as? String {
    case nil: return nil
    case "null": return value is NSNull ? nil : "not null: \(value)"
    case "string":
      guard let text = value as? String else { return "no string: \(value)" }
      if let choices = schema["enum"] as? [String], !choices.contains(text) { return "none of \(choices): \(text)" }
      return nil
    case "boolean": return value is Bool ? nil : "no boolean: \(value)"
    case "integer":
      guard let number = value as? NSNumber else { return "no number: \(value)" }
      return number.doubleValue == number.doubleValue.rounded() ? nil : "no whole number: \(value)"
    case "number": return value is NSNumber ? nil : "no number: \(value)"
    case "array":
      guard let elements = value as? [Any] else { return "no array: \(value)" }
      let inner = schema["items"] as? [String: Any] ?? [:]
      return elements.lazy.compactMap { complaint(about: $0, inner) }.first
    case "object": return complaint(aboutObject: value, schema)
    case let type?: return "unknown type \(type)"
    }
  }

  private func complaint(aboutObject value: Any, _ schema: [String: Any]) -> String? {
    guard let fields = value as? [String: Any] else { return "no object: \(value)" }
    for name in schema["required"] as? [String] ?? [] where fields[name] == nil { return "\(name) is missing" }
    let properties = schema["properties"] as? [String: [String: Any]]
    for (name, value) in fields {
      guard let inner = properties?[name] ?? schema["additionalProperties"] as? [String: Any] else {
        if properties != nil { return "\(name) is not described" }
        continue
      }
      if let complaint = complaint(about: value, inner) { return "\(name): \(complaint)" }
    }
    return nil
  }
}
