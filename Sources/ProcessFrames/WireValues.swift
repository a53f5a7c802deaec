internal import Basics
internal import Chronology
internal import JobModel

/// Values of the job model on their way between a host and its workers.
extension Quotas {
  func write(to writer: inout WireWriter) {
    for value in [
      schedulesPerJob, metricSeriesPerScript, logBytesPerRun, kvBytesPerScript, metricLabelBytes, eventBytes,
      paramsBytes, resultBytes, kvValueBytes, logLineBytes, maxMemory,
    ] { writer.write(value) }
  }

  init(reading reader: inout WireReader) throws(WireError) {
    self.init()
    schedulesPerJob = try reader.int()
    metricSeriesPerScript = try reader.int()
    logBytesPerRun = try reader.int()
    kvBytesPerScript = try reader.int()
    metricLabelBytes = try reader.int()
    eventBytes = try reader.int()
    paramsBytes = try reader.int()
    resultBytes = try reader.int()
    kvValueBytes = try reader.int()
    logLineBytes = try reader.int()
    maxMemory = try reader.int()
  }
}

extension RetryPolicy {
  func write(to writer: inout WireWriter) {
    writer.write(max)
    writer.write(backoff.rawValue)
    writer.write(base)
    writer.write(cap)
    writer.write(jitter)
  }

  init(reading reader: inout WireReader) throws(WireError) {
    self.init(max: try reader.int())
    guard let backoff = Backoff(rawValue: try reader.text()) else { throw WireError("no such backoff") }
    self.backoff = backoff
    base = try reader.number()
    cap = try reader.number()
    jitter = try reader.bool()
  }
}

extension RunError {
  func write(to writer: inout WireWriter) {
    writer.write(message)
    writer.write(file)
    writer.write(line)
    writer.write(traceback)
    writer.write(data)
  }

  init(reading reader: inout WireReader) throws(WireError) {
    self.init(
      message: try reader.text(), file: try reader.optionalText(), line: try reader.optionalInt(),
      traceback: try reader.optionalText(), data: try reader.optionalText())
  }
}

extension AttemptDetails {
  func write(to writer: inout WireWriter) {
    // Without its outbox, which is a `WireTransaction`.
    writer.write(error) { $1.write(to: &$0) }
    writer.write(result?.text)
    writer.write(retry) { $0.write($1.delay) }
    writer.write(isFinal)
    writer.write(park) { $1.write(to: &$0) }
  }

  static func read(_ reader: inout WireReader) throws(WireError) -> AttemptDetails {
    AttemptDetails(
      error: try reader.optional { reader throws(WireError) in try RunError(reading: &reader) },
      result: try reader.optionalText().map { JSONText($0) },
      retry: try reader.optional { reader throws(WireError) in RetryRequest(delay: try reader.optionalNumber()) },
      isFinal: try reader.bool(),
      park: try reader.optional { reader throws(WireError) in try RunStep(reading: &reader) })
  }
}

extension Instant {
  func write(to writer: inout WireWriter) { writer.write(nanoseconds) }
  init(reading reader: inout WireReader) throws(WireError) { self.init(nanoseconds: try reader.number()) }
}

extension RunProgress {
  func write(to writer: inout WireWriter) {
    switch self {
    case .fraction(let fraction):
      writer.write(true)
      writer.write(fraction)
    case .text(let text):
      writer.write(false)
      writer.write(text)
    }
  }

  init(reading reader: inout WireReader) throws(WireError) {
    guard try reader.bool() else {
      self = .text(try reader.text())
      return
    }
    let fraction = try reader.double()
    guard fraction >= 0, fraction <= 1 else { throw WireError("a fraction that is not from 0 to 1") }
    self = .fraction(fraction)
  }
}

extension LogLevel {
  func write(to writer: inout WireWriter) { writer.write(rawValue) }
  init(reading reader: inout WireReader) throws(WireError) {
    guard let level = LogLevel(rawValue: try reader.text()) else { throw WireError("no such level of the log") }
    self = level
  }
}

extension Outcome {
  func write(to writer: inout WireWriter) { writer.write(rawValue) }
  init(reading reader: inout WireReader) throws(WireError) {
    guard let outcome = Outcome(rawValue: try reader.text()) else { throw WireError("no such outcome") }
    self = outcome
  }
}
