package import Basics
package import JobModel

/// How a run ended, as the worker says.
package struct WorkerResult: Sendable {
  package var outcome: Outcome
  /// Nanoseconds from its first step to its end.
  package var duration: Int64
  package var memoryPeakBytes: Int
  /// Without its outbox.
  package var details: AttemptDetails?
  package var outbox: WireTransaction?
  /// Whether the worker is as it was before the run: it can have another one.
  package var isReusable: Bool

  package init(
    outcome: Outcome, duration: Int64, memoryPeakBytes: Int, details: AttemptDetails?, isReusable: Bool,
    outbox: WireTransaction? = nil
  ) {
    self.outbox = outbox
    self.outcome = outcome
    self.duration = duration
    self.memoryPeakBytes = memoryPeakBytes
    self.details = details
    self.isReusable = isReusable
  }
}

/// What a worker says to its host. Nothing of it is believed: it may come from native code.
package enum WorkerMessage: Sendable {
  /// It can be bound.
  case ready(version: UInt32, lua: String)
  /// It is bound, and waits for runs. With what could not be done to bound it, a sentence each.
  case bound([String])
  /// It cannot do what it was told, and ends.
  case failed(String)
  case began(UInt64)
  case ended(UInt64, WorkerResult)
  case log(UInt64, LogLevel, String, fields: JSONText?)
  case progress(UInt64, RunProgress)
  /// A question, which is answered once.
  case call(UInt64, of: UInt64, ServiceCall)
  /// A subscription is over.
  case unsubscribe(UInt64)
  /// The script looks whether it should end.
  case looks(UInt64)
  /// A hook begins that has a time of its own.
  case hook(UInt64)
}

extension WorkerMessage {
  /// The frame, head included.
  package var frame: [UInt8] {
    var writer = WireWriter()
    switch self {
    case .ready(let version, let lua):
      writer.write(UInt8(0))
      writer.write(version)
      writer.write(lua)
    case .bound(let notes):
      writer.write(UInt8(1))
      writer.write(notes)
    case .failed(let why):
      writer.write(UInt8(2))
      writer.write(why)
    case .began(let run): Self.write(3, run, to: &writer)
    case .ended(let run, let result):
      Self.write(4, run, to: &writer)
      result.write(to: &writer)
    case .log(let run, let level, let message, let fields):
      Self.write(5, run, to: &writer)
      level.write(to: &writer)
      writer.write(message)
      writer.write(fields?.text)
    case .progress(let run, let progress):
      Self.write(6, run, to: &writer)
      progress.write(to: &writer)
    case .call(let call, let run, let question):
      Self.write(7, call, to: &writer)
      writer.write(run)
      question.write(to: &writer)
    case .unsubscribe(let call): Self.write(8, call, to: &writer)
    case .looks(let run): Self.write(9, run, to: &writer)
    case .hook(let run): Self.write(10, run, to: &writer)
    }
    return Frame.wrap(writer.bytes)
  }

  private static func write(_ kind: UInt8, _ number: UInt64, to writer: inout WireWriter) {
    writer.write(kind)
    writer.write(number)
  }

  /// - Parameter body: of a frame.
  package init(_ body: ArraySlice<UInt8>) throws(WireError) {
    var reader = WireReader(body)
    switch try reader.number(UInt8.self) {
    case 0: self = .ready(version: try reader.number(), lua: try reader.text())
    case 1: self = .bound(try reader.texts())
    case 2: self = .failed(try reader.text())
    case 3: self = .began(try reader.number())
    case 4: self = .ended(try reader.number(), try WorkerResult(reading: &reader))
    case 5:
      self = .log(
        try reader.number(), try LogLevel(reading: &reader), try reader.text(),
        fields: try reader.optionalText().map { JSONText($0) })
    case 6: self = .progress(try reader.number(), try RunProgress(reading: &reader))
    case 7: self = .call(try reader.number(), of: try reader.number(), try ServiceCall(reading: &reader))
    case 8: self = .unsubscribe(try reader.number())
    case 9: self = .looks(try reader.number())
    case 10: self = .hook(try reader.number())
    case let kind: throw WireError("no message of a worker has the kind \(kind)")
    }
    try reader.end()
  }
}

extension WorkerResult {
  fileprivate func write(to writer: inout WireWriter) {
    outcome.write(to: &writer)
    writer.write(duration)
    writer.write(memoryPeakBytes)
    writer.write(details) { $1.write(to: &$0) }
    writer.write(isReusable)
    writer.write(outbox) { $1.write(to: &$0) }
  }

  fileprivate init(reading reader: inout WireReader) throws(WireError) {
    outcome = try Outcome(reading: &reader)
    duration = try reader.number()
    memoryPeakBytes = try reader.int()
    details = try reader.optional { reader throws(WireError) in try AttemptDetails.read(&reader) }
    isReusable = try reader.bool()
    outbox = try reader.optional { reader throws(WireError) in try WireTransaction(reading: &reader) }
  }
}
