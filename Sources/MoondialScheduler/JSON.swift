internal import FoundationEssentials
internal import JobModel
internal import Lua

/// A JSON document as text: parameters of a job, results of a run, data of an event.
///
///     JSON("{\"region\": \"eu\"}")            // as a literal it is not checked until it is used
///     try JSON(encoding: Order(id: 7))
///     try context.params?.decode(Order.self)
public struct JSON: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// One complete document.
  public let text: String

  /// A document that is known to be one.
  public init(_ text: String) { self.text = text }

  /// A document that is known to be one.
  public init(stringLiteral text: String) { self.text = text }

  /// A value as JSON, its keys sorted: equal values give equal texts. O(size); throws what the encoder throws.
  public init(encoding value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    text = String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  /// The value that the document holds. O(size); throws what the decoder throws.
  public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(type, from: Data(text.utf8))
  }

  /// The text.
  public var description: String { text }
}

extension JSON {
  init(_ json: JSONText) { text = json.text }

  /// A document as the scheduler keeps it. Throws when it is not one, or (for parameters) not an object.
  func checked(_ name: String, isObject: Bool = false) throws(SchedulerError) -> JSONText {
    guard let value = LuaValue.parseJSON(text) else {
      throw SchedulerError(.invalid, "\(name) is not JSON: \(text.prefix(60))")
    }
    if isObject {
      guard case .table(let table) = value, table.array.isEmpty else {
        throw SchedulerError(
          .invalid, "\(name) must be a JSON object like {\"region\": \"eu\"}, not \(text.prefix(60))")
      }
    }
    return JSONText(text)
  }
}
