internal import Basics
internal import Chronology
internal import JobModel

/// Steps and transactions on their way between a host and its workers. The run is the one that is on.
extension RunStep {
  func write(to writer: inout WireWriter) {
    writer.write(position)
    writer.write(kind.rawValue)
    writer.write(name)
    writer.write(attempt)
    startedAt.write(to: &writer)
    writer.write(finishedAt?.nanoseconds)
    writer.write(until?.nanoseconds)
    writer.write(result?.text)
  }

  init(reading reader: inout WireReader) throws(WireError) {
    let position: Int32 = try reader.number()
    guard let kind = Kind(rawValue: try reader.text()) else { throw WireError("no such kind of a step") }
    self.init(
      run: RunID(0), position: position, kind: kind, name: try reader.text(), attempt: try reader.number(),
      startedAt: try Instant(reading: &reader))
    finishedAt = try reader.optionalNumber().map { Instant(nanoseconds: $0) }
    until = try reader.optionalNumber().map { Instant(nanoseconds: $0) }
    result = try reader.optionalText().map { JSONText($0) }
  }
}

extension WireTransaction {
  func write(to writer: inout WireWriter) {
    writer.write(list: keyValues) {
      $0.write($1.key)
      $0.write($1.value?.text)
      $0.write($1.expiresAt?.nanoseconds)
      $0.write($1.expecting)
    }
    writer.write(step) { $1.write(to: &$0) }
    writer.write(list: operations) { $1.write(to: &$0) }
  }

  init(reading reader: inout WireReader) throws(WireError) {
    let keyValues = try reader.list { reader throws(WireError) in
      KeyValueChange(
        space: "", key: try reader.text(), value: try reader.optionalText().map { JSONText($0) },
        expiresAt: try reader.optionalNumber().map { Instant(nanoseconds: $0) },
        expecting: try reader.optionalNumber())
    }
    let step = try reader.optional { reader throws(WireError) in try RunStep(reading: &reader) }
    let operations = try reader.list { reader throws(WireError) in try WireOperation(reading: &reader) }
    self.init(keyValues: keyValues, step: step, operations: operations)
  }
}

extension WireOperation {
  fileprivate func write(to writer: inout WireWriter) {
    switch self {
    case .emit(let name, let data):
      writer.write(UInt8(0))
      writer.write(name)
      writer.write(data?.text)
    case .run(let job, let params):
      writer.write(UInt8(1))
      writer.write(job)
      writer.write(params?.text)
    case .schedule(let schedule):
      writer.write(UInt8(2))
      schedule.write(to: &writer)
    case .unschedule(let id):
      writer.write(UInt8(3))
      writer.write(id)
    }
  }

  fileprivate init(reading reader: inout WireReader) throws(WireError) {
    switch try reader.number(UInt8.self) {
    case 0: self = .emit(try reader.text(), data: try reader.optionalText().map { JSONText($0) })
    case 1: self = .run(try reader.text(), params: try reader.optionalText().map { JSONText($0) })
    case 2: self = .schedule(try WireSchedule(reading: &reader))
    case 3: self = .unschedule(try reader.text())
    default: throw WireError("no such operation of a transaction")
    }
  }
}
