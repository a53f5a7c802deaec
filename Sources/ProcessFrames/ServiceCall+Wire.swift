internal import Basics
internal import Chronology
internal import JobModel
internal import ScriptRuntime

extension ServiceCall {
  func write(to writer: inout WireWriter) {
    switch self {
    case .value(let key, let bytes):
      writer.write(UInt8(0))
      writer.write(key)
      writer.write(bytes)
    case .keys(let prefix, let limit, let bytes):
      writer.write(UInt8(1))
      writer.write(prefix)
      writer.write(limit)
      writer.write(bytes)
    case .change(let key, let value, let expiresAt, let expecting):
      writer.write(UInt8(2))
      writer.write(key)
      writer.write(value?.text)
      writer.write(expiresAt?.nanoseconds)
      writer.write(expecting)
    case .jobs: writer.write(UInt8(3))
    case .run(let job, let params): Self.write(4, job, params?.text, to: &writer)
    case .schedule(let schedule):
      writer.write(UInt8(5))
      schedule.write(to: &writer)
    case .unschedule(let id): Self.write(6, id, nil, to: &writer)
    case .pause(let job, let reason): Self.write(7, job, reason, to: &writer)
    case .resume(let job): Self.write(8, job, nil, to: &writer)
    case .emit(let name, let data): Self.write(9, name, data?.text, to: &writer)
    case .subscribe(let name): Self.write(10, name, nil, to: &writer)
    case .module(let name): Self.write(11, name, nil, to: &writer)
    case .variable(let name): Self.write(12, name, nil, to: &writer)
    case .secret(let name): Self.write(13, name, nil, to: &writer)
    case .metric(let change):
      Self.write(14, change.name, change.kind.rawValue, to: &writer)
      writer.write(change.value)
      writer.write(list: change.labels) {
        $0.write($1.key)
        $0.write($1.value)
      }
    case .steps: writer.write(UInt8(15))
    case .keep(let step):
      writer.write(UInt8(16))
      step.write(to: &writer)
    case .commit(let transaction):
      writer.write(UInt8(17))
      transaction.write(to: &writer)
    }
  }

  private static func write(_ kind: UInt8, _ name: String, _ more: String?, to writer: inout WireWriter) {
    writer.write(kind)
    writer.write(name)
    writer.write(more)
  }

  init(reading reader: inout WireReader) throws(WireError) {
    let kind = try reader.number(UInt8.self)
    switch kind {
    case 0:
      self = .value(key: try reader.text(), upTo: try reader.int())
      return
    case 1:
      self = .keys(prefix: try reader.text(), limit: try reader.int(), upTo: try reader.int())
      return
    case 2:
      self = .change(
        key: try reader.text(), value: try reader.optionalText().map { JSONText($0) },
        expiresAt: try reader.optionalNumber().map { Instant(nanoseconds: $0) },
        expecting: try reader.optionalNumber())
      return
    case 3:
      self = .jobs
      return
    case 5:
      self = .schedule(try WireSchedule(reading: &reader))
      return
    case 15:
      self = .steps
      return
    case 16:
      self = .keep(try RunStep(reading: &reader))
      return
    case 17:
      self = .commit(try WireTransaction(reading: &reader))
      return
    default: break
    }
    let (name, more) = (try reader.text(), try reader.optionalText())
    switch kind {
    case 4: self = .run(job: name, params: more.map { JSONText($0) })
    case 6: self = .unschedule(name)
    case 7: self = .pause(job: name, reason: more)
    case 8: self = .resume(job: name)
    case 9: self = .emit(name, more.map { JSONText($0) })
    case 10: self = .subscribe(name)
    case 11: self = .module(name)
    case 12: self = .variable(name)
    case 13: self = .secret(name)
    case 14: self = .metric(try Self.metric(name, more, &reader))
    default: throw WireError("no question has the kind \(kind)")
    }
  }

  private static func metric(
    _ name: String, _ kind: String?, _ reader: inout WireReader
  ) throws(WireError) -> MetricRegistry.Change {
    guard let kind = kind.flatMap(MetricRegistry.Kind.init(rawValue:)) else { throw WireError("no kind of a metric") }
    let value = try reader.double()
    let labels = try reader.list { reader throws(WireError) in (key: try reader.text(), value: try reader.text()) }
    return MetricRegistry.Change(kind: kind, name: name, labels: labels, value: value)
  }
}

extension WireSchedule {
  func write(to writer: inout WireWriter) {
    writer.write(job)
    writer.write(id)
    writer.write(replaceExisting)
    writer.write(trigger)
    writer.write(options.params?.text)
    writer.write(options.jitter)
    writer.write(options.timeZone)
    writer.write(options.misfireGraceTime)
    let coalesce: UInt8 =
      switch options.coalesce {
      case nil: 0
      case .latest?: 1
      case .earliest?: 2
      case .all?: 3
      }
    writer.write(coalesce)
    writer.write(options.maxInstances)
    writer.write(options.priority)
  }

  init(reading reader: inout WireReader) throws(WireError) {
    job = try reader.text()
    id = try reader.optionalText()
    replaceExisting = try reader.bool()
    trigger = try reader.text()
    options = ScheduleOptions()
    options.params = try reader.optionalText().map { JSONText($0) }
    options.jitter = try reader.optionalNumber()
    options.timeZone = try reader.optionalText()
    options.misfireGraceTime = try reader.optionalNumber()
    switch try reader.number(UInt8.self) {
    case 0: options.coalesce = nil
    case 1: options.coalesce = .latest
    case 2: options.coalesce = .earliest
    case 3: options.coalesce = .all
    default: throw WireError("no such coalescing")
    }
    options.maxInstances = try reader.optionalInt()
    options.priority = try reader.optionalInt()
  }
}
