/// Writes plain values one after the other as bytes, for another process of the same version: whole numbers of fixed
/// width in little-endian order, texts and lists behind their count.
///
///     var writer = WireWriter()
///     writer.write(job.name)
///     writer.write(job.attempt)
///     send(writer.bytes)
///
/// What was written is read back by a ``WireReader`` in the same order.
package struct WireWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package mutating func write(_ value: UInt8) { bytes.append(value) }
  package mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }
  package mutating func write(_ value: Int) { write(Int64(value)) }
  package mutating func write(_ value: Double) { write(value.bitPattern) }

  package mutating func write(_ value: some FixedWidthInteger) {
    for index in 0..<value.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
  }

  package mutating func write(_ value: String) {
    write(UInt32(clamping: value.utf8.count))
    bytes += value.utf8
  }

  package mutating func write(bytes value: [UInt8]) {
    write(UInt32(clamping: value.count))
    bytes += value
  }

  package mutating func write<Value>(_ value: Value?, _ body: (inout WireWriter, Value) -> Void) {
    write(value != nil)
    if let value { body(&self, value) }
  }

  package mutating func write<Value>(list values: [Value], _ body: (inout WireWriter, Value) -> Void) {
    write(UInt32(clamping: values.count))
    for value in values { body(&self, value) }
  }

  package mutating func write(_ value: String?) { write(value) { $0.write($1) } }
  package mutating func write(_ value: Int64?) { write(value) { $0.write($1) } }
  package mutating func write(_ value: Int?) { write(value) { $0.write($1) } }
  package mutating func write(_ values: [String]) { write(list: values) { $0.write($1) } }
}
