internal import Basics
internal import Chronology
internal import JobModel
internal import ScriptRuntime

extension ServiceAnswer {
  func write(to writer: inout WireWriter) {
    switch self {
    case .done: writer.write(UInt8(0))
    case .refused(let refusal):
      writer.write(UInt8(1))
      writer.write(refusal.message)
      writer.write(refusal.isMisuse)
    case .storeFailed(let error):
      writer.write(UInt8(2))
      writer.write(error.code == .quota)
      writer.write(error.message)
    case .value(let found):
      writer.write(UInt8(3))
      Self.write(found, to: &writer) { $0.write($1) { Self.write($1, to: &$0) } }
    case .keys(let found):
      writer.write(UInt8(4))
      Self.write(found, to: &writer) { $0.write($1) }
    case .changed(let isDone):
      writer.write(UInt8(5))
      writer.write(isDone)
    case .jobs(let jobs):
      writer.write(UInt8(6))
      writer.write(list: jobs) { $1.write(to: &$0) }
    case .run(let id):
      writer.write(UInt8(7))
      writer.write(id)
    case .schedule(let id):
      writer.write(UInt8(8))
      writer.write(id)
    case .source(let bytes, let name):
      writer.write(UInt8(9))
      writer.write(bytes: bytes)
      writer.write(name)
    case .text(let text):
      writer.write(UInt8(10))
      writer.write(text)
    case .secret(let answer): Self.write(answer, to: &writer)
    case .metric(let refusal):
      writer.write(UInt8(12))
      writer.write(refusal) { Self.write($1, to: &$0) }
    case .steps(let steps):
      writer.write(UInt8(13))
      writer.write(list: steps) { $1.write(to: &$0) }
    case .conflict: writer.write(UInt8(14))
    }
  }

  private static func write<Value>(
    _ sized: Sized<Value>, to writer: inout WireWriter, _ body: (inout WireWriter, Value) -> Void
  ) {
    switch sized {
    case .value(let value):
      writer.write(true)
      body(&writer, value)
    case .larger(let bytes):
      writer.write(false)
      writer.write(bytes)
    }
  }

  private static func write(_ value: KeyValue, to writer: inout WireWriter) {
    writer.write(value.value.text)
    writer.write(value.version)
    writer.write(value.expiresAt?.nanoseconds)
  }

  private static func write(_ answer: Secrets.Answer, to writer: inout WireWriter) {
    writer.write(UInt8(11))
    switch answer {
    case .value(let bytes):
      writer.write(UInt8(0))
      writer.write(bytes: bytes)
    case .missing: writer.write(UInt8(1))
    case .refused(let why):
      writer.write(UInt8(2))
      writer.write(why)
    }
  }

  private static func write(_ refusal: MetricRegistry.Refusal, to writer: inout WireWriter) {
    switch refusal {
    case .misuse(let message):
      writer.write(UInt8(0))
      writer.write(message)
    case .full(let message, let isFirst):
      writer.write(isFirst ? UInt8(1) : UInt8(2))
      writer.write(message)
    }
  }

  init(reading reader: inout WireReader) throws(WireError) {
    switch try reader.number(UInt8.self) {
    case 0: self = .done
    case 1: self = .refused(HostRefusal(try reader.text(), isMisuse: try reader.bool()))
    case 2: self = .storeFailed(StoreError(try reader.bool() ? .quota : .io, try reader.text()))
    case 3:
      self = .value(
        try Self.sized(&reader) { reader throws(WireError) in
          try reader.optional { reader throws(WireError) in
            KeyValue(
              value: JSONText(try reader.text()), version: try reader.number(),
              expiresAt: try reader.optionalNumber().map { Instant(nanoseconds: $0) })
          }
        })
    case 4: self = .keys(try Self.sized(&reader) { reader throws(WireError) in try reader.texts() })
    case 5: self = .changed(try reader.bool())
    case 6: self = .jobs(try reader.list { reader throws(WireError) in try JobSummary(reading: &reader) })
    case 7: self = .run(try reader.number())
    case 8: self = .schedule(try reader.text())
    case 9: self = .source(try reader.byteList(), chunkName: try reader.text())
    case 10: self = .text(try reader.optionalText())
    case 11: self = .secret(try Self.secret(&reader))
    case 12:
      self = .metric(try reader.optional { reader throws(WireError) in try Self.refusal(&reader) })
    case 13:
      self = .steps(try reader.list { reader throws(WireError) in try RunStep(reading: &reader) })
    case 14: self = .conflict
    case let kind: throw WireError("no answer has the kind \(kind)")
    }
  }

  private static func sized<Value>(
    _ reader: inout WireReader, _ body: (inout WireReader) throws(WireError) -> Value
  ) throws(WireError) -> Sized<Value> {
    try reader.bool() ? .value(try body(&reader)) : .larger(try reader.int())
  }

  private static func secret(_ reader: inout WireReader) throws(WireError) -> Secrets.Answer {
    switch try reader.number(UInt8.self) {
    case 0: .value(try reader.byteList())
    case 1: .missing
    case 2: .refused(try reader.text())
    default: throw WireError("no such answer about a secret")
    }
  }

  private static func refusal(_ reader: inout WireReader) throws(WireError) -> MetricRegistry.Refusal {
    switch try reader.number(UInt8.self) {
    case 0: .misuse(try reader.text())
    case 1: .full(try reader.text(), isFirst: true)
    case 2: .full(try reader.text(), isFirst: false)
    default: throw WireError("no such refusal of a metric")
    }
  }
}

extension JobSummary {
  fileprivate func write(to writer: inout WireWriter) {
    writer.write(name)
    writer.write(script)
    writer.write(nextFire?.nanoseconds)
    writer.write(isPaused)
    writer.write(isEnabled)
    writer.write(running)
    writer.write(lastOutcome?.rawValue)
    writer.write(tags)
    writer.write(list: schedules) {
      $0.write($1.id)
      $0.write($1.trigger)
      $0.write($1.nextFire?.nanoseconds)
      $0.write($1.params?.text)
      $0.write($1.running)
    }
  }

  fileprivate init(reading reader: inout WireReader) throws(WireError) {
    self.init(
      name: try reader.text(), script: try reader.optionalText(),
      nextFire: try reader.optionalNumber().map { Instant(nanoseconds: $0) }, isPaused: try reader.bool(),
      isEnabled: try reader.bool(), running: try reader.int(),
      lastOutcome: try reader.optionalText().flatMap(Outcome.init(rawValue:)), tags: try reader.texts())
    schedules = try reader.list { reader throws(WireError) in
      ScheduleSummary(
        id: try reader.text(), trigger: try reader.text(),
        nextFire: try reader.optionalNumber().map { Instant(nanoseconds: $0) },
        params: try reader.optionalText().map { JSONText($0) }, running: try reader.int())
    }
  }
}
