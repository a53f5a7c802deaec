// The flat form of values on their way across the border; `encoding.h` in CLuaShim has the tags.

private enum Tag {
  static let `nil`: UInt8 = 0
  static let `false`: UInt8 = 1
  static let `true`: UInt8 = 2
  static let integer: UInt8 = 3
  static let number: UInt8 = 4
  static let string: UInt8 = 5
  static let table: UInt8 = 6
  static let end: UInt8 = 7
  static let function: UInt8 = 8
  static let object: UInt8 = 9
}

/// Values between two looks whether the run is to end: a quarter of a millisecond.
private let lookInterval = 1_024

/// Writes values for `moon_push_values`.
struct LuaFlatWriter {
  private(set) var bytes: [UInt8] = []
  private var nodes = 0
  /// Gives objects their numbers.
  private let instance: LuaInstance

  init(for instance: LuaInstance) { self.instance = instance }

  private mutating func put(_ word: UInt32) { unsafe withUnsafeBytes(of: word) { unsafe bytes.append(contentsOf: $0) } }
  private mutating func put(_ word: UInt64) { unsafe withUnsafeBytes(of: word) { unsafe bytes.append(contentsOf: $0) } }

  private mutating func put(_ text: String) {
    bytes.append(Tag.string)
    put(UInt32(truncatingIfNeeded: text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  /// Appends one value.
  mutating func write(_ value: LuaValue) {
    nodes += 1
    if nodes % lookInterval == 0, LuaWorker.isStopping { return }  // nobody will read it
    switch value {
    case .nil: bytes.append(Tag.nil)
    case .object(let object):
      let name = object.luaTypeName.utf8
      let description = object.luaDescription.utf8
      bytes.append(Tag.object)
      put(instance.handle(for: object))
      put(UInt32(truncatingIfNeeded: name.count))
      put(UInt32(truncatingIfNeeded: description.count))
      bytes.append(contentsOf: name)
      bytes.append(contentsOf: description)
    case .bool(let b): bytes.append(b ? Tag.true : Tag.false)
    case .integer(let i):
      bytes.append(Tag.integer)
      put(UInt64(bitPattern: i))
    case .number(let n):
      bytes.append(Tag.number)
      put(n.bitPattern)
    case .string(let s):
      bytes.append(Tag.string)
      put(UInt32(truncatingIfNeeded: s.bytes.count))
      bytes.append(contentsOf: s.bytes)
    case .function(let reference):
      bytes.append(Tag.function)
      put(UInt32(bitPattern: reference.slot))
    case .table(let table):
      bytes.append(Tag.table)
      put(UInt32(truncatingIfNeeded: table.array.count))
      for element in table.array { write(element) }
      for field in table.fields where field.value != .nil {
        put(field.key)
        write(field.value)
      }
      for other in table.others where other.value != .nil && other.key != .nil {
        write(other.key)
        write(other.value)
      }
      bytes.append(Tag.end)
    }
  }
}

/// Reads what `moon_read_value` wrote.
@safe struct LuaFlatReader {  // `bytes` is read where the writer put a whole value, with bounds checked in debug builds
  private let bytes: UnsafeRawBufferPointer
  private var at = 0
  private var nodes = 0
  /// The run is to end: what is read from here on is nil, and nobody will see it.
  private var isAbandoned = false
  private let objects: [any LuaObject]

  /// `bytes` must outlive the reader; `objects` are those of the state that the value comes from.
  init(_ bytes: UnsafeRawBufferPointer, objects: [any LuaObject]) {
    unsafe self.bytes = bytes
    self.objects = objects
  }

  private mutating func word<T: FixedWidthInteger>(_: T.Type) -> T {
    defer { at += MemoryLayout<T>.size }
    // The writer put a whole word there; loadUnaligned traps rather than reads past the end.
    return unsafe bytes.loadUnaligned(fromByteOffset: at, as: T.self)
  }

  private mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
    defer { at += count }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[at..<at + count])
  }

  mutating func read() -> LuaValue {
    nodes += 1
    if nodes % lookInterval == 0, LuaWorker.isStopping { isAbandoned = true }
    if isAbandoned { return .nil }
    let tag = unsafe bytes[at]
    at += 1
    switch tag {
    case Tag.false: return .bool(false)
    case Tag.true: return .bool(true)
    case Tag.integer: return .integer(word(Int64.self))
    case Tag.number: return .number(Double(bitPattern: word(UInt64.self)))
    case Tag.string:
      let count = Int(word(UInt32.self))
      return .string(LuaString(bytes: unsafe [UInt8](take(count))))
    case Tag.table: return .table(table())
    case Tag.function:
      let slot = Int32(bitPattern: word(UInt32.self))
      let line = Int(word(UInt32.self))
      let count = Int(word(UInt32.self))
      let file = unsafe String(decoding: take(count), as: UTF8.self)
      return .function(LuaReference(slot: slot, location: line > 0 ? LuaLocation(file: file, line: line) : nil))
    case Tag.object:
      let handle = Int(word(UInt32.self))
      return handle < objects.count ? .object(objects[handle]) : .nil
    default: return .nil
    }
  }

  private mutating func table() -> LuaTable {
    let count = Int(word(UInt32.self))
    var array: [LuaValue] = []
    array.reserveCapacity(count)
    for _ in 0..<count {
      if isAbandoned { return LuaTable() }
      array.append(read())
    }
    var fields: [(key: String, value: LuaValue)] = []
    var others: [(key: LuaValue, value: LuaValue)] = []
    while unsafe bytes[at] != Tag.end {
      if isAbandoned { return LuaTable() }
      if unsafe bytes[at] == Tag.string {
        at += 1
        let bytes = unsafe take(Int(word(UInt32.self)))
        if let name = unsafe String(validating: bytes, as: UTF8.self) {
          if fields.isEmpty { fields.reserveCapacity(8) }
          fields.append((key: name, value: read()))
        } else {
          // Two of them would read alike as text.
          let key = unsafe LuaValue.string(LuaString(bytes: [UInt8](bytes)))
          others.append((key: key, value: read()))
        }
      } else {
        let key = read()
        others.append((key: key, value: read()))
      }
    }
    at += 1
    return LuaTable(array: array, distinctFields: fields, others: others)
  }
}
