/// Reads the schema of a type off the way in which it decodes itself: the description of the API cannot say anything
/// else than what the types do.
///
///     var schemas = NamedSchemas()
///     schemas.schema(of: Page<RunAnswer>.self)     // .named("RunAnswerPage")
///
/// A type is decoded once from a decoder that has everything it asks for, and notes what that was. A field that may be
/// missing may also be null. Types that read a text of a certain form say so by ``SchemaType``; enumerations list their
/// cases.
package struct NamedSchemas {
  package private(set) var all: [(name: String, schema: Schema)] = []

  package init() {}

  /// The schema of a type; objects have a name.
  package mutating func schema(of type: AnswerType) -> Schema {
    let notes = ProbeNotes(self)
    _ = try? notes.value(of: type)
    self = notes.schemas
    return notes.found
  }

  /// From now on the named schema takes no other fields.
  mutating func close(_ name: String) {
    guard let index = all.firstIndex(where: { $0.name == name }), case .object(let fields, _) = all[index].schema else {
      return
    }
    all[index].schema = .object(fields, isClosed: true)
  }

  fileprivate mutating func add(_ name: String, _ schema: Schema) {
    if !all.contains(where: { $0.name == name }) { all.append((name, schema)) }
  }
}

/// A type that is decoded from requests or stands in answers.
package typealias AnswerType = any (Decodable & SendableMetatype).Type

/// A type whose schema its decoding does not show.
package protocol SchemaType {
  static var schema: Schema { get }
  static var example: Self { get }
}

/// What a probe has seen.
private final class ProbeNotes {
  var schemas: NamedSchemas
  /// The schema of the last value.
  var found = Schema.any
  private var open: [String] = []

  init(_ schemas: NamedSchemas) { self.schemas = schemas }

  func value<T: Decodable>(of type: T.Type) throws -> T {
    if let known = T.self as? any SchemaType.Type {
      found = known.schema
      return known.example as! T
    }
    if let cases = T.self as? any CaseIterable.Type, let choice = ProbeNotes.choice(cases) {
      found = .string(choices: choice.names)
      return choice.first as! T
    }
    let probe = Probe(self)
    let value = try T(from: probe)
    found = probe.schema(named: ProbeNotes.name(of: T.self))
    if case .object(let fields, let isClosed) = found {
      let name = ProbeNotes.name(of: T.self)
      schemas.add(name, .object(fields, isClosed: isClosed))
      found = .named(name)
    }
    return value
  }

  /// The raw values of an enumeration of strings.
  private static func choice(_ type: any CaseIterable.Type) -> (names: [String], first: Any)? {
    func open<C: CaseIterable>(_ type: C.Type) -> (names: [String], first: Any)? {
      let names = type.allCases.compactMap { ($0 as? any RawRepresentable)?.rawValue as? String }
      guard let first = type.allCases.first, names.count == type.allCases.count else { return nil }
      return (names, first)
    }
    return open(type)
  }

  /// `RunAnswerPage` of `Page<RunAnswer>`.
  static func name(of type: Any.Type) -> String {
    let text = "\(type)"
    guard let start = text.firstIndex(of: "<"), text.hasSuffix(">") else { return text }
    return String(text[text.index(after: start)...].dropLast()) + text[..<start]
  }
}

/// Decodes one value from nothing.
private final class Probe: Decoder {
  enum Shape { case nothing, object, array(Schema), single(Schema) }
  let notes: ProbeNotes
  var shape = Shape.nothing
  var fields: [Schema.Field] = []
  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  init(_ notes: ProbeNotes) { self.notes = notes }

  func schema(named name: String) -> Schema {
    switch shape {
    case .nothing, .object: .object(fields)
    case .array(let element): .array(element)
    case .single(let schema): schema
    }
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
    shape = .object
    return KeyedDecodingContainer(ProbeObject<Key>(probe: self))
  }

  func unkeyedContainer() -> any UnkeyedDecodingContainer {
    shape = .array(.any)
    return ProbeArray(probe: self)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { ProbeScalar(probe: self) }

  func note(_ name: String, isRequired: Bool) {
    guard !fields.contains(where: { $0.name == name }) else { return }
    fields.append(
      Schema.Field(name, isRequired ? notes.found : .nullable(notes.found), isRequired: isRequired))
  }
}

/// A field of a type that is not there, of the simple types.
private func simple<T>(_ type: T.Type, _ notes: ProbeNotes) -> T? {
  switch type {
  case is String.Type:
    notes.found = .string()
    return "" as? T
  case is Bool.Type:
    notes.found = .bool
    return false as? T
  case is Double.Type:
    notes.found = .number
    return 0.0 as? T
  case is Int.Type:
    notes.found = .integer()
    return 0 as? T
  case is Int64.Type:
    notes.found = .integer()
    return Int64(0) as? T
  default: return nil
  }
}

private struct ProbeObject<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let probe: Probe
  var codingPath: [any CodingKey] { [] }
  var allKeys: [Key] { [] }

  func contains(_ key: Key) -> Bool { true }
  func decodeNil(forKey key: Key) -> Bool { false }

  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
    let value = try simple(type, probe.notes) ?? probe.notes.value(of: type)
    probe.note(key.stringValue, isRequired: true)
    return value
  }

  func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
    let value = try simple(type, probe.notes) ?? probe.notes.value(of: type)
    probe.note(key.stringValue, isRequired: false)
    return value
  }

  func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try optional(type, key) }
  func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try optional(type, key) }
  func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try optional(type, key) }
  func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try optional(type, key) }
  func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { try optional(type, key) }

  private func optional<T: Decodable>(_ type: T.Type, _ key: Key) throws -> T? {
    let value = try simple(type, probe.notes) ?? probe.notes.value(of: type)
    probe.note(key.stringValue, isRequired: false)
    return value
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> { throw ProbeError.unknown }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw ProbeError.unknown }
  func superDecoder() throws -> any Decoder { throw ProbeError.unknown }
  func superDecoder(forKey key: Key) throws -> any Decoder { throw ProbeError.unknown }
}

private struct ProbeArray: UnkeyedDecodingContainer {
  let probe: Probe
  var codingPath: [any CodingKey] { [] }
  var count: Int? { 1 }
  var isAtEnd: Bool { currentIndex > 0 }
  private(set) var currentIndex = 0

  init(probe: Probe) { self.probe = probe }

  mutating func decodeNil() -> Bool { false }

  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
    currentIndex += 1
    let value = try simple(type, probe.notes) ?? probe.notes.value(of: type)
    probe.shape = .array(probe.notes.found)
    return value
  }

  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
    throw ProbeError.unknown
  }
  func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { throw ProbeError.unknown }
  func superDecoder() throws -> any Decoder { throw ProbeError.unknown }
}

private struct ProbeScalar: SingleValueDecodingContainer {
  let probe: Probe
  var codingPath: [any CodingKey] { [] }

  func decodeNil() -> Bool { false }

  func decode<T: Decodable>(_ type: T.Type) throws -> T {
    let value = try simple(type, probe.notes) ?? probe.notes.value(of: type)
    probe.shape = .single(probe.notes.found)
    return value
  }
}

private enum ProbeError: Error { case unknown }
