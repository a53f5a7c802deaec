/// Writes an answer as JSON, straight into text: fields in the order in which their type names them, nothing for what
/// is not there.
///
///     AnswerEncoder.json(Page([job]))      // {"items":[{"name":"backup",…}]}
///
/// What does not show (control characters, controls of the writing direction) stands in it as JSON writes it, `\u202e`,
/// so that an answer printed on a terminal does nothing there.
///
/// A type may use one container, and hand values to it; nested containers are not for answers, and trap.
package struct AnswerEncoder {
  package static func json(_ answer: some Encodable) throws -> String {
    let text = AnswerText()
    try text.write(answer)
    return text.finished
  }

  /// A string as RFC 8259 has it, invisible characters escaped.
  package static func quoted(_ text: String) -> String {
    let writer = AnswerText()
    writer.write(string: text)
    return writer.finished
  }
}

/// The text on its way. One object for one answer; not shared.
private final class AnswerText {
  private var bytes = AnswerBytes()

  /// The answer; what does not show stands in it as JSON writes it.
  var finished: String { bytes.finished }

  // Each is one look at `bytes`, which is not free: a class's property is checked at each.
  func append(_ part: String) { bytes.append(part) }
  func write(string: String) { bytes.write(string: string) }
  func write(name: String, isFirst: Bool) { bytes.write(name: name, isFirst: isFirst) }
  func write(number: Double) { bytes.write(number: number) }

  /// A value of any type, the simple ones at once.
  func write<T: Encodable>(_ value: T) throws {
    switch value {
    case let string as String: write(string: string)
    case let integer as Int: append(String(integer))
    case let integer as Int64: append(String(integer))
    case let bool as Bool: append(bool ? "true" : "false")
    case let number as Double: write(number: number)
    default:
      let encoder = AnswerValueEncoder(self)
      try value.encode(to: encoder)
      encoder.close()
    }
  }
}

/// Encodes one value.
private final class AnswerValueEncoder: Encoder {
  enum Shape { case nothing, single, object, array }
  let text: AnswerText
  private var shape = Shape.nothing
  private var isEmpty = true
  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  init(_ text: AnswerText) { self.text = text }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    open(.object, "{")
    return KeyedEncodingContainer(AnswerObject<Key>(encoder: self))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    open(.array, "[")
    return AnswerArray(encoder: self)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    precondition(shape == .nothing, "an answer uses one container")
    shape = .single
    return AnswerScalar(text: text)
  }

  private func open(_ shape: Shape, _ mark: String) {
    // A class and its superclass, or an extension, may ask for the same container again.
    if self.shape == shape { return }
    precondition(self.shape == .nothing, "an answer uses one container")
    self.shape = shape
    text.append(mark)
  }

  /// Whether nothing was written so far; from now on something was.
  func takeFirst() -> Bool {
    defer { isEmpty = false }
    return isEmpty
  }

  func separate() {
    if !takeFirst() { text.append(",") }
  }

  func close() {
    switch shape {
    case .object: text.append("}")
    case .array: text.append("]")
    // A type that encodes nothing is an empty object, as with other encoders.
    case .nothing: text.append("{}")
    case .single: break
    }
  }
}

private struct AnswerObject<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let encoder: AnswerValueEncoder
  var codingPath: [any CodingKey] { [] }

  private func name(_ key: Key) {
    encoder.text.write(name: key.stringValue, isFirst: encoder.takeFirst())
  }

  func encodeNil(forKey key: Key) {
    name(key)
    encoder.text.append("null")
  }

  func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
    name(key)
    try encoder.text.write(value)
  }

  // Without a look at what type the value has.
  func encode(_ value: String, forKey key: Key) {
    name(key)
    encoder.text.write(string: value)
  }

  func encode(_ value: Bool, forKey key: Key) {
    name(key)
    encoder.text.append(value ? "true" : "false")
  }

  func encode(_ value: Int, forKey key: Key) {
    name(key)
    encoder.text.append(String(value))
  }

  func encode(_ value: Int64, forKey key: Key) {
    name(key)
    encoder.text.append(String(value))
  }

  func encode(_ value: Double, forKey key: Key) {
    name(key)
    encoder.text.write(number: value)
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    preconditionFailure("an answer has no nested containers")
  }
  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    preconditionFailure("an answer has no nested containers")
  }
  func superEncoder() -> any Encoder { preconditionFailure("an answer has no superclass") }
  func superEncoder(forKey key: Key) -> any Encoder { preconditionFailure("an answer has no superclass") }
}

private struct AnswerArray: UnkeyedEncodingContainer {
  let encoder: AnswerValueEncoder
  var codingPath: [any CodingKey] { [] }
  private(set) var count = 0

  init(encoder: AnswerValueEncoder) { self.encoder = encoder }

  mutating func encodeNil() {
    encoder.separate()
    encoder.text.append("null")
    count += 1
  }

  mutating func encode<T: Encodable>(_ value: T) throws {
    encoder.separate()
    try encoder.text.write(value)
    count += 1
  }

  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
    preconditionFailure("an answer has no nested containers")
  }
  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    preconditionFailure("an answer has no nested containers")
  }
  func superEncoder() -> any Encoder { preconditionFailure("an answer has no superclass") }
}

private struct AnswerScalar: SingleValueEncodingContainer {
  let text: AnswerText
  var codingPath: [any CodingKey] { [] }

  func encodeNil() { text.append("null") }
  func encode(_ value: Bool) { text.append(value ? "true" : "false") }
  func encode(_ value: String) { text.write(string: value) }
  func encode(_ value: Double) { text.write(number: value) }
  func encode(_ value: Float) { text.write(number: Double(value)) }
  func encode(_ value: Int) { text.append(String(value)) }
  func encode(_ value: Int8) { text.append(String(value)) }
  func encode(_ value: Int16) { text.append(String(value)) }
  func encode(_ value: Int32) { text.append(String(value)) }
  func encode(_ value: Int64) { text.append(String(value)) }
  func encode(_ value: UInt) { text.append(String(value)) }
  func encode(_ value: UInt8) { text.append(String(value)) }
  func encode(_ value: UInt16) { text.append(String(value)) }
  func encode(_ value: UInt32) { text.append(String(value)) }
  func encode(_ value: UInt64) { text.append(String(value)) }
  func encode<T: Encodable>(_ value: T) throws { try text.write(value) }
}
