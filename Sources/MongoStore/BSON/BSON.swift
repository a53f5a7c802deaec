/// One value of a BSON document (bsonspec.org), as far as this store writes and reads them.
///
/// Whole numbers are written with 64 bits and read with either size. Texts may hold zeros, names of fields may not; so
/// what others named is always a value here, never a name.
indirect enum BSON: Sendable, Equatable {
  case double(Double)
  case text(String)
  case document(BSONDocument)
  /// A document as it is sent. Never read as one.
  case encoded([UInt8])
  case array([BSON])
  case bytes([UInt8])
  /// By which a server names a session.
  case uuid([UInt8])
  case bool(Bool)
  /// Milliseconds since 1970.
  case date(Int64)
  case null
  case int(Int64)
  /// Of a kind that this store never writes.
  case other

  var int: Int64? {
    switch self {
    case .int(let number): number
    // Servers answer counts in whatever kind of number they like.
    case .double(let number): Int64(exactly: number.rounded())
    default: nil
    }
  }
  var text: String? { if case .text(let text) = self { text } else { nil } }
  var bytes: [UInt8]? { if case .bytes(let bytes) = self { bytes } else { nil } }
  /// Of a document.
  var encoded: [UInt8] {
    switch self {
    case .document(let document): document.bytes
    case .encoded(let bytes): bytes
    default: []
    }
  }
  var document: BSONDocument? { if case .document(let document) = self { document } else { nil } }
  var array: [BSON]? { if case .array(let values) = self { values } else { nil } }
  var date: Int64? { if case .date(let time) = self { time } else { nil } }
  /// Also of a number, as servers answer flags.
  var bool: Bool? { if case .bool(let flag) = self { flag } else { int.map { $0 != 0 } } }
}

extension BSON {
  /// The write concern of everything that somebody goes by: a majority has it, on its disks. On a server alone a
  /// majority is its memory, and one that crashes and is back between two commands may be met over a new connection,
  /// without an error that anybody would see; so what was written before it must be on the disk by itself.
  static let onDisk: BSON = ["w": "majority", "j": true]
}

extension BSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  init(stringLiteral text: String) { self = .text(text) }
  init(integerLiteral number: Int64) { self = .int(number) }
  init(booleanLiteral flag: Bool) { self = .bool(flag) }
  init(arrayLiteral values: BSON...) { self = .array(values) }
  init(dictionaryLiteral fields: (String, BSON)...) { self = .document(BSONDocument(fields: fields)) }
}

/// Fields in the order in which they were added.
struct BSONDocument: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  private(set) var fields: [(name: String, value: BSON)] = []

  init() {}
  init(fields: [(String, BSON)]) { self.fields = fields.map { (name: $0.0, value: $0.1) } }
  init(dictionaryLiteral fields: (String, BSON)...) { self.init(fields: fields) }

  static func == (a: BSONDocument, b: BSONDocument) -> Bool {
    a.fields.elementsEqual(b.fields) { $0.name == $1.name && $0.value == $1.value }
  }

  var isEmpty: Bool { fields.isEmpty }

  /// The first field of that name. O(fields)
  subscript(name: String) -> BSON? { fields.first { $0.name == name }?.value }

  /// Adds a field, of which there is none yet; nil adds none.
  mutating func add(_ name: String, _ value: BSON?) {
    if let value { fields.append((name: name, value: value)) }
  }
  /// Fields of the same names are replaced, others added. O(fields · fields)
  mutating func set(_ others: BSONDocument) {
    fields.removeAll { field in others.fields.contains { $0.name == field.name } }
    fields += others.fields
  }

  mutating func add(_ name: String, _ number: Int64?) { add(name, number.map { BSON.int($0) }) }
  mutating func add(_ name: String, _ text: String?) { add(name, text.map { BSON.text($0) }) }
}
