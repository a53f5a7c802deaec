package import Basics
internal import Chronology
internal import JobModel

extension HostMessage {
  /// The frame, head included.
  package var frame: [UInt8] {
    var writer = WireWriter()
    switch self {
    case .bind(let binding):
      writer.write(UInt8(0))
      binding.write(to: &writer)
    case .job(let job):
      writer.write(UInt8(1))
      job.write(to: &writer)
    case .forget(let key):
      writer.write(UInt8(2))
      writer.write(key)
    case .run(let run):
      writer.write(UInt8(3))
      run.write(to: &writer)
    case .cancel(let number):
      writer.write(UInt8(4))
      writer.write(number)
    case .windDown: writer.write(UInt8(5))
    case .answer(let call, let answer):
      writer.write(UInt8(6))
      writer.write(call)
      answer.write(to: &writer)
    case .event(let call, let data):
      writer.write(UInt8(7))
      writer.write(call)
      writer.write(data?.text)
    case .end: writer.write(UInt8(8))
    }
    return Frame.wrap(writer.bytes)
  }

  /// - Parameter body: of a frame.
  package init(_ body: ArraySlice<UInt8>) throws(WireError) {
    var reader = WireReader(body)
    switch try reader.number(UInt8.self) {
    case 0: self = .bind(try WorkerBinding(reading: &reader))
    case 1: self = .job(try JobCode(reading: &reader))
    case 2: self = .forget(try reader.number())
    case 3: self = .run(try RunCommand(reading: &reader))
    case 4: self = .cancel(try reader.number())
    case 5: self = .windDown
    case 6: self = .answer(try reader.number(), try ServiceAnswer(reading: &reader))
    case 7: self = .event(try reader.number(), try reader.optionalText().map { JSONText($0) })
    case 8: self = .end
    case let kind: throw WireError("no message of a host has the kind \(kind)")
    }
    try reader.end()
  }
}

extension WorkerBinding {
  func write(to writer: inout WireWriter) {
    writer.write(host)
    writer.write(script)
    writer.write(baseDirectory)
    writer.write(libraries.rawValue)
    writer.write(memory)
    writer.write(processorTime)
    writer.write(hasNamespaces)
    writer.write(bytes: grants)
    for bytes in [limits.keptBytes, limits.answerBytes, limits.logLines] { writer.write(Int64(bytes)) }
    writer.write(limits.hookTimeout)
    writer.write(limits.cancelPatience)
  }

  init(reading reader: inout WireReader) throws(WireError) {
    host = try reader.number()
    script = try reader.text()
    baseDirectory = try reader.text()
    guard let libraries = WorkerLibraries(rawValue: try reader.text()) else { throw WireError("no such libraries") }
    self.libraries = libraries
    memory = try reader.optionalInt()
    processorTime = try reader.optionalNumber()
    hasNamespaces = try reader.bool()
    grants = try reader.byteList()
    limits = WorkerLimits(
      keptBytes: Int(try reader.number(Int64.self)), answerBytes: Int(try reader.number(Int64.self)),
      logLines: Int(try reader.number(Int64.self)), hookTimeout: try reader.number(),
      cancelPatience: try reader.number())
  }
}

extension JobCode {
  func write(to writer: inout WireWriter) {
    writer.write(key)
    writer.write(name)
    writer.write(file)
    writer.write(line)
    writer.write(bytes: capsule)
    writer.write(declared)
    writer.write(params?.text)
    writer.write(timeout)
    writer.write(retry) { $1.write(to: &$0) }
    writer.write(timeZone)
    writer.write(keepsState)
    writer.write(store)
    writer.write(executor)
    writer.write(memoryLimit)
    writer.write(isFailureHook)
  }

  init(reading reader: inout WireReader) throws(WireError) {
    key = try reader.number()
    name = try reader.text()
    file = try reader.text()
    line = try reader.int()
    capsule = try reader.byteList()
    declared = try reader.texts()
    params = try reader.optionalText().map { JSONText($0) }
    timeout = try reader.optionalNumber()
    retry = try reader.optional { reader throws(WireError) in try RetryPolicy(reading: &reader) }
    timeZone = try reader.text()
    keepsState = try reader.bool()
    store = try reader.text()
    executor = try reader.text()
    memoryLimit = try reader.optionalInt()
    isFailureHook = try reader.bool()
  }
}

extension RunCommand {
  func write(to writer: inout WireWriter) {
    writer.write(number)
    writer.write(key)
    writer.write(id)
    writer.write(attempt)
    scheduledAt.write(to: &writer)
    writer.write(missed)
    writer.write(params?.text)
    writer.write(event?.text)
    writer.write(schedule)
    quotas.write(to: &writer)
    threshold.write(to: &writer)
    writer.write(hasValues)
    writer.write(former) {
      $1.outcome.write(to: &$0)
      $1.error.write(to: &$0)
    }
  }

  init(reading reader: inout WireReader) throws(WireError) {
    number = try reader.number()
    key = try reader.number()
    id = try reader.number()
    attempt = try reader.number()
    scheduledAt = try Instant(reading: &reader)
    missed = try reader.int()
    params = try reader.optionalText().map { JSONText($0) }
    event = try reader.optionalText().map { JSONText($0) }
    schedule = try reader.optionalText()
    quotas = try Quotas(reading: &reader)
    threshold = try LogLevel(reading: &reader)
    hasValues = try reader.bool()
    former = try reader.optional { reader throws(WireError) in
      Former(outcome: try Outcome(reading: &reader), error: try RunError(reading: &reader))
    }
  }
}
